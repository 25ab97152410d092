"""What a provider's statement may say."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest
from narthex.ledger.reconciling.lines import Line, count_of, day_of, money_of, summed

DAY = 1_793_491_200_000
"""The first of November 2026."""


@pytest.mark.parametrize(
    "said", [1793491200, "2026-11-01", "2026-11-01T23:59:59Z", "2026-11-01 10:00:00", "1793499999"]
)
def test_a_day_is_that_of_utc(said: object) -> None:
    """However it is written."""
    assert day_of(said) == DAY


def test_money_is_exact() -> None:
    """To the picodollar, in dollars or in cents."""
    assert money_of("0.8958740000000000", "usd") == 895_874_000_000
    assert money_of("123.45", "USD", per_usd=100) == 1_234_500_000_000
    assert money_of("$-2", None) == -2_000_000_000_000
    assert money_of(0.25, "") == 250_000_000_000


@pytest.mark.parametrize("amount", ["", "many", "NaN", "1e400", "inf"])
def test_what_is_no_money_is_refused(amount: str) -> None:
    """With what was found."""
    with pytest.raises(InvalidRequest, match="amount of money"):
        money_of(amount, "USD")
    with pytest.raises(InvalidRequest, match="'EUR'"):
        money_of("1", "EUR")


def test_tokens_are_whole() -> None:
    """And not below zero."""
    assert (count_of("1,200"), count_of(7), count_of(""), count_of("3.0")) == (1_200, 7, 0, 3)
    for wrong in ("1.5", "-1", "x", "1e30"):
        with pytest.raises(InvalidRequest, match="number of tokens"):
            count_of(wrong)


def test_lines_about_the_same_are_put_together() -> None:
    """As reports tell the input and the output of a model apart."""
    lines = (Line("a", DAY, "m", {"cost_picousd": 1}), Line("a", DAY, "m", {"cost_picousd": 2, "input_tokens": 3}))
    assert summed(lines) == {("a", DAY, "m"): {"cost_picousd": 3, "input_tokens": 3}}
