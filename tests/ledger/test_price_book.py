"""Versions of prices in the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import msgspec
import pytest
from sqlalchemy import Connection, create_engine, insert, select

from narthex.errors import AlreadyExists, InvalidRequest
from narthex.ledger.price_book import (
    MOST_LATE_MS,
    NewPrice,
    Rates,
    add_price,
    all_versions,
    price_of,
    versions,
)
from narthex.ledger.prices import Prices
from narthex.stores.database.schema import metadata, organisations, prices
from narthex.types.catalog import Price

NOW = 1_790_000_000_000
RATES = Rates(input_usd_per_mtok=Decimal("2.5"), output_usd_per_mtok=Decimal(10))


@dataclass
class Clerk:
    """Somebody who changes something, and what was written about it."""

    now: int = NOW
    noted: list[tuple[str, str]] = field(default_factory=list)
    told: list[tuple[str, ...]] = field(default_factory=list)

    def note(
        self,
        connection: Connection,
        action: str,
        *,
        target: str,
        organisation_id: str,
        workspace_id: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Remember it."""
        msgspec.json.encode(details)
        self.noted.append((action, target))

    def changed(self, connection: Connection, kind: Literal["price"], *subjects: str) -> None:
        """Remember it."""
        self.told.append((kind, *subjects))


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database of its own."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as opened:
        opened.execute(insert(organisations).values(id="org_a", slug="a", name="A", settings={}, created_at=0))
        yield opened
    engine.dispose()


def test_a_price_holds_from_its_moment_on(connection: Connection) -> None:
    """Before it the one before, and everyone is told."""
    clerk = Clerk()
    first = add_price(connection, clerk, NewPrice(model="acme/one", rates=RATES))
    dearer = msgspec.structs.replace(RATES, output_usd_per_mtok=Decimal(12))
    second = add_price(connection, clerk, NewPrice(model="acme/one", rates=dearer, valid_from=NOW + 10))
    known = Prices(lambda _: None, all_versions(connection))
    assert known.of("org_a", "acme/one", NOW - 1) is None
    for at, version in ((NOW, first), (NOW + 9, first), (NOW + 10, second)):
        priced = known.of("org_a", "acme/one", at)
        assert priced is not None
        assert (priced.id, priced.price) == (version.id, version.price)
    assert [kind for kind, _ in clerk.told] == ["price", "price"]
    assert clerk.noted == [("price.create", first.id), ("price.create", second.id)]


def test_an_organisation_sees_the_common_prices_and_its_own(connection: Connection) -> None:
    """And no other one's."""
    add_price(connection, Clerk(), NewPrice(model="acme/one", rates=RATES))
    own = add_price(connection, Clerk(NOW + 1), NewPrice(model="acme/one", rates=RATES, organisation_id="org_a"))
    other = add_price(connection, Clerk(NOW + 2), NewPrice(model="acme/two", rates=RATES))
    assert [one.id for one in versions(connection, organisation_id="org_a")][:2] == [other.id, own.id]
    assert own not in versions(connection, organisation_id="org_b")
    assert versions(connection, organisation_id=None, model="acme/two") == [other]


def test_amounts_are_taken_exactly() -> None:
    """In whole microdollars for a million tokens, and never through a binary fraction."""
    rates = Rates(
        input_usd_per_mtok=Decimal("0.1"),
        output_usd_per_mtok=Decimal("0.000001"),
        cache_read_usd_per_mtok=Decimal(0),
        request_usd=Decimal("0.01"),
    )
    assert price_of(rates) == Price(
        input_microusd_per_mtok=100_000,
        output_microusd_per_mtok=1,
        cache_read_microusd_per_mtok=0,
        request_microusd=10_000,
    )


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": "one"}, "model"),
        ({"model": "acme/*"}, "model"),
        ({"model": "acme/"}, "model"),
        ({"model": "acme/" + "x" * 200}, "model"),
        ({"currency": "EUR"}, "currency"),
        ({"valid_from": NOW - MOST_LATE_MS - 1}, "valid_from"),
        ({"valid_from": 10**15}, "valid_from"),
        ({"rates": msgspec.structs.replace(RATES, input_usd_per_mtok=Decimal(-1))}, "input_usd_per_mtok"),
        ({"rates": msgspec.structs.replace(RATES, output_usd_per_mtok=Decimal("NaN"))}, "output_usd_per_mtok"),
        ({"rates": msgspec.structs.replace(RATES, request_usd=Decimal("0.0000001"))}, "request_usd"),
        ({"rates": msgspec.structs.replace(RATES, reasoning_usd_per_mtok=Decimal(10**7))}, "reasoning_usd_per_mtok"),
    ],
)
def test_what_is_no_price_is_refused_and_nothing_written(
    connection: Connection, change: Mapping[str, object], param: str
) -> None:
    """With the name of what is wrong."""
    new = msgspec.structs.replace(NewPrice(model="acme/one", rates=RATES), **change)
    clerk = Clerk()
    with pytest.raises(InvalidRequest) as told:
        add_price(connection, clerk, new)
    assert told.value.param == param
    assert (connection.scalar(select(prices.c.id)), clerk.told, clerk.noted) == (None, [], [])


@pytest.mark.parametrize("organisation_id", [None, "org_a"])
def test_two_prices_never_begin_at_the_same_moment(connection: Connection, organisation_id: str | None) -> None:
    """Else nobody could say which holds; for others and a moment later there may be one."""
    new = NewPrice(model="acme/one", rates=RATES, organisation_id=organisation_id)
    add_price(connection, Clerk(), new)
    with pytest.raises(AlreadyExists, match="begin later"):
        add_price(connection, Clerk(), new)
    add_price(connection, Clerk(NOW + 1), new)
    other = None if organisation_id else "org_a"
    add_price(connection, Clerk(), msgspec.structs.replace(new, organisation_id=other))
