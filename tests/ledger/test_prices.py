"""What models cost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some

from narthex.ledger.prices import Prices, PriceVersion, base_id
from narthex.types.catalog import Price

BASE = Price(input_microusd_per_mtok=1, output_microusd_per_mtok=2)


def base(model: str) -> Price | None:
    """Return what is configured."""
    return BASE if model == "acme/one" else None


def version(number: int, at: int, organisation: str | None = None) -> PriceVersion:
    """Return a version that costs its number."""
    price = Price(input_microusd_per_mtok=number, output_microusd_per_mtok=number)
    return PriceVersion(id=f"prc_{number}", model="acme/one", valid_from=at, price=price, organisation_id=organisation)


def test_without_versions_the_configured_price_counts() -> None:
    """A model without either has none, which is not nought."""
    prices = Prices(base)
    found = prices.of("org_a", "acme/one", 0)
    assert found is not None
    assert (found.price, found.id) == (BASE, base_id(BASE))
    assert prices.of("org_a", "acme/other", 0) is None


def test_an_organisation_has_its_own_prices() -> None:
    """They stand before those for all, as soon as they are valid."""
    prices = Prices(base, [version(5, 100), version(7, 200, "org_a")])
    assert [_of(prices, "org_a", at) for at in (99, 100, 199, 200, 999)] == [1, 5, 5, 7, 7]
    assert _of(prices, "org_b", 999) == 5


def test_what_is_adopted_counts_at_once() -> None:
    """What was looked up before is not remembered."""
    prices = Prices(base)
    assert _of(prices, "org_a", 500) == 1
    prices.adopt([version(9, 0)])
    assert _of(prices, "org_a", 500) == 9


def test_what_a_provider_tells_later_counts_from_then_on() -> None:
    """That nobody knew a price, or knew another, is not remembered."""
    told: dict[str, Price] = {}
    prices = Prices(told.get, [version(9, 100, "org_b")])
    assert prices.of("org_a", "acme/one", 500) is None
    for figure in (3, 4):
        told["acme/one"] = Price(input_microusd_per_mtok=figure, output_microusd_per_mtok=figure)
        assert _of(prices, "org_a", 500) == figure
        assert prices.of("org_a", "acme/one", 500) is prices.of("org_a", "acme/one", 501)
    assert _of(prices, "org_b", 500) == 9


def test_where_there_are_no_versions_a_price_that_changes_counts_from_the_next_call_on() -> None:
    """Neither the one before is remembered then, nor that there was none, nor that there was one."""
    told: dict[str, Price] = {}
    prices = Prices(told.get)
    assert prices.of("org_a", "acme/one", 500) is None
    for figure in (3, 4):
        told["acme/one"] = Price(input_microusd_per_mtok=figure, output_microusd_per_mtok=figure)
        assert _of(prices, "org_a", 500) == figure
        assert prices.of("org_a", "acme/one", 500) is prices.of("org_b", "acme/one", 501)
    del told["acme/one"]
    assert prices.of("org_a", "acme/one", 500) is None


@settings(max_examples=200)
@given(
    versions=some.lists(
        some.tuples(some.integers(0, 20), some.sampled_from([None, "org_a", "org_b"])), max_size=8, unique=True
    ),
    asked=some.lists(some.tuples(some.sampled_from(["org_a", "org_b"]), some.integers(-1, 21)), max_size=30),
)
def test_the_latest_version_that_is_valid_counts(
    versions: list[tuple[int, str | None]], asked: list[tuple[str, int]]
) -> None:
    """Against a plain search, in any order of questions."""
    made = [version(100 + number, at, owner) for number, (at, owner) in enumerate(versions)]
    prices = Prices(base, made)
    for organisation, at in asked:
        fitting = [one for one in made if one.valid_from <= at and one.organisation_id in {organisation, None}]
        fitting.sort(key=lambda one: (one.organisation_id is not None, one.valid_from))
        expected = fitting[-1].price.input_microusd_per_mtok if fitting else 1
        assert _of(prices, organisation, at) == expected


def _of(prices: Prices, organisation: str, at: int) -> int:
    found = prices.of(organisation, "acme/one", at)
    assert found is not None
    return found.price.input_microusd_per_mtok
