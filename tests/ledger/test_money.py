"""Amounts of money."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from narthex.ledger.money import microusd, usd


@pytest.mark.parametrize(
    ("picousd", "text"),
    [
        (0, "0"),
        (1, "0.000000000001"),
        (1_500_000_000_000, "1.5"),
        (-2_000_000_000_000, "-2"),
        (123_000_000, "0.000123"),
        (100_000_000_000, "0.1"),
        (999_999_999_999, "0.999999999999"),
        (1_000_000_000_000, "1"),
    ],
)
def test_dollars_are_exact(picousd: int, text: str) -> None:
    """Without an exponent, without zeros that say nothing."""
    assert usd(picousd) == text


@given(some.one_of(some.integers(-(10**24), 10**24), some.integers(0, 10**12)))
def test_no_digit_is_lost(picousd: int) -> None:
    """What is told is what was counted, whatever it is."""
    assert Decimal(usd(picousd)) * 10**12 == picousd


@pytest.mark.parametrize(("picousd", "whole"), [(499_999, 0), (500_000, 1), (-500_000, -1), (1_499_999, 1)])
def test_microdollars_are_rounded_half_up(picousd: int, whole: int) -> None:
    """Only where they are shown."""
    assert microusd(picousd) == whole
