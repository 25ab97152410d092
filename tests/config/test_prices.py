"""Configured prices are whole microdollars, and paced models need one for each member."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.config.prices import price_problems, prices
from narthex.config.settings import Settings
from narthex.types.catalog import Price


def _unknown(name: str) -> str | None:
    return None if name.partition("/")[0] in {"up", "local"} else f'"{name}" is unknown'


def _settings(prices: dict[str, tuple[float, float]], *members: str) -> Settings:
    given = {name: {"input_usd_per_mtok": one, "output_usd_per_mtok": two} for name, (one, two) in prices.items()}
    virtual = {"careful": {"strategy": "paced", "members": members, "budget": {"usd": 1, "period": "day"}}}
    return Settings.model_validate({"prices": given, "virtual": virtual if members else {}})


def test_prices_are_whole_microdollars() -> None:
    """A tenth of a cent is a thousand of them, and the error of a binary fraction is none of ours."""
    assert prices(_settings({"up/m": (0.0375, 2.3)})) == {
        "up/m": Price(input_microusd_per_mtok=37_500, output_microusd_per_mtok=2_300_000)
    }


@given(st.integers(0, 10**12))
def test_no_price_is_rounded(micro: int) -> None:
    """Whatever can be written with six decimal places is taken as it is written."""
    usd = float(f"{micro // 10**6}.{micro % 10**6:06}")
    settings = _settings({"up/m": (usd, 0)})
    assert prices(settings)["up/m"].input_microusd_per_mtok == micro
    assert list(price_problems(settings, unknown=_unknown)) == []


def test_a_price_that_would_have_to_be_rounded_is_refused() -> None:
    """With its place, in words that tell how fine it may be."""
    found = list(price_problems(_settings({"up/m": (0.0000004, 1.1234567)}), unknown=_unknown))
    assert [path for path, _ in found] == [
        ("prices", "up/m", "input_usd_per_mtok"),
        ("prices", "up/m", "output_usd_per_mtok"),
    ]
    assert "4e-07" in found[0][1]
    assert "six decimal places" in found[0][1]


def test_what_holds_is_passed() -> None:
    """Members with prices that fall, and the model inside, which costs nothing."""
    settings = _settings({"up/a": (2, 4), "up/b": (1, 4)}, "up/a", "up/b", "local/smollm2")
    assert list(price_problems(settings, unknown=_unknown)) == []


def test_each_contradiction_has_its_place() -> None:
    """A price of an alias or of nobody, and members without a price or in the wrong order."""
    settings = _settings({"fast": (1, 1), "gone/m": (1, 1), "up/b": (1, 1), "up/c": (2, 2)}, "up/a", "up/b", "up/c")
    assert [path for path, _ in price_problems(settings, unknown=_unknown)] == [
        ("prices", "fast"),
        ("prices", "gone/m"),
        ("virtual", "careful", "members", 0, "model"),
        ("virtual", "careful", "members", 2, "model"),
    ]
