"""Versions of prices in the database: added, listed, and never changed, so that what was charged can be checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal, Protocol

import msgspec
from sqlalchemy import Connection, insert, select

from narthex.errors import AlreadyExists, InvalidRequest
from narthex.ledger.periods import MAX_MS, iso
from narthex.ledger.prices import PriceVersion
from narthex.stores.database.schema import prices
from narthex.types.catalog import Price
from narthex.types.ids import new_id

MOST_LATE_MS: Final = 300_000
"""How far in the past a price may begin: calls that have been charged since keep theirs."""
MOST_USD: Final = 1_000_000
MAX_MODEL: Final = 200
_MICRO: Final = 1_000_000


class Acting(Protocol):
    """Somebody who changes something now, and what is written about it in the same transaction."""

    @property
    def now(self) -> int:
        """Unix time in milliseconds."""
        ...

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
        """Write down what was done."""
        ...

    def changed(self, connection: Connection, kind: Literal["price"], *subjects: str) -> None:
        """Let all processes know what they must read again."""
        ...


class Rates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model costs, as people write it: in US dollars for a million tokens."""

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cache_read_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None
    cache_write_1h_usd_per_mtok: Decimal | None = None
    reasoning_usd_per_mtok: Decimal | None = None
    request_usd: Decimal = Decimal(0)
    image_usd: Decimal = Decimal(0)
    audio_second_usd: Decimal = Decimal(0)
    batch_discount_percent: int = 0


class NewPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A price that is to hold."""

    model: str
    """`provider/model`."""
    rates: Rates
    valid_from: int | None = None
    """In milliseconds of Unix time; None for now."""
    organisation_id: str | None = None
    """For whom; None for all."""
    currency: str = "USD"
    source: str = "api"


def add_price(connection: Connection, who: Acting, new: NewPrice) -> PriceVersion:
    """Write a version of a price, which holds until the next one.

    Raises:
        InvalidRequest: It is none; `param` names what is wrong with it.
        AlreadyExists: Another one begins at the same moment.
    """
    begins = who.now if new.valid_from is None else new.valid_from
    _check(new, begins, who.now)
    version = PriceVersion(
        id=new_id("prc"),
        model=new.model,
        valid_from=begins,
        price=price_of(new.rates),
        organisation_id=new.organisation_id,
    )
    _refuse_a_second(connection, version)
    row = {name: getattr(version, name) for name in ("id", "model", "valid_from", "organisation_id")}
    rates = msgspec.to_builtins(version.price)
    connection.execute(insert(prices).values(**row, rates=rates, source=new.source, created_at=who.now))
    details = {"model": version.model, "valid_from": iso(begins), **rates}
    owner = new.organisation_id or ""
    who.note(connection, "price.create", target=version.id, organisation_id=owner, details=details)
    who.changed(connection, "price", version.id)
    return version


def price_of(rates: Rates) -> Price:
    """Return rates in whole microdollars.

    Raises:
        InvalidRequest: One is no amount, or finer than a microdollar.
    """
    micro = {
        "input_microusd_per_mtok": _micro("input_usd_per_mtok", rates.input_usd_per_mtok),
        "output_microusd_per_mtok": _micro("output_usd_per_mtok", rates.output_usd_per_mtok),
        "request_microusd": _micro("request_usd", rates.request_usd),
        "image_microusd": _micro("image_usd", rates.image_usd),
        "audio_second_microusd": _micro("audio_second_usd", rates.audio_second_usd),
        "batch_discount_percent": _percent(rates.batch_discount_percent),
    }
    for kind in ("cache_read", "cache_write", "cache_write_1h", "reasoning"):
        given = getattr(rates, f"{kind}_usd_per_mtok")
        if given is not None:
            micro[f"{kind}_microusd_per_mtok"] = _micro(f"{kind}_usd_per_mtok", given)
    return msgspec.convert(micro, Price)


def all_versions(connection: Connection) -> Sequence[PriceVersion]:
    """Return every version there is, in order of time."""
    return _versions(connection, organisation_id=None, everyone=True)


def versions(
    connection: Connection, *, organisation_id: str | None, model: str | None = None
) -> Sequence[PriceVersion]:
    """Return the versions that hold for an organisation, the common ones with its own, the newest first.

    Args:
        connection: In a transaction.
        organisation_id: Whose; None for the common ones alone.
        model: Of one model alone.
    """
    found = _versions(connection, organisation_id=organisation_id, everyone=False)
    wanted = [one for one in found if model is None or one.model == model]
    return list(reversed(wanted))


def _versions(connection: Connection, *, organisation_id: str | None, everyone: bool) -> Sequence[PriceVersion]:
    table = prices.c
    query = select(table.id, table.model, table.valid_from, table.rates, table.organisation_id)
    if not everyone:
        query = query.where(table.organisation_id.is_(None) | (table.organisation_id == organisation_id))
    rows = connection.execute(query.order_by(table.valid_from, table.created_at, table.id))
    return [
        PriceVersion(
            id=row.id,
            model=row.model,
            valid_from=row.valid_from,
            price=msgspec.convert(row.rates, Price),
            organisation_id=row.organisation_id,
        )
        for row in rows
    ]


def _check(new: NewPrice, begins: int, now: int) -> None:
    provider, _, name = new.model.partition("/")
    if not provider or not name or "*" in new.model or len(new.model) > MAX_MODEL or not new.model.isprintable():
        raise InvalidRequest(
            f"model: {new.model[:100]!r} is no name of a model; give `provider/model`, exactly and without `*`",
            param="model",
        )
    if new.currency != "USD":
        raise InvalidRequest(
            f"currency: {new.currency[:20]!r} cannot be charged; prices are in USD: convert it", param="currency"
        )
    if begins < now - MOST_LATE_MS:
        raise InvalidRequest(
            f"valid_from: {iso(max(begins, 0))} has passed; a price may begin {MOST_LATE_MS // 60_000} minutes ago at "
            "the earliest, as calls keep the price that they were charged at",
            param="valid_from",
        )
    if begins >= MAX_MS:
        raise InvalidRequest("valid_from: that is after the year 9999", param="valid_from")


def _refuse_a_second(connection: Connection, version: PriceVersion) -> None:
    """Refuse a version that begins when another one does: nobody could say which holds."""
    table = prices.c
    same = select(table.id).where(
        table.model == version.model,
        table.valid_from == version.valid_from,
        table.organisation_id.is_not_distinct_from(version.organisation_id),
    )
    if connection.scalar(same.limit(1)) is not None:
        raise AlreadyExists(
            f"valid_from: a price of {version.model!r} begins at that very moment already; rows are never changed, "
            "so let yours begin later",
            param="valid_from",
        )


def _micro(name: str, usd: Decimal) -> int:
    if not usd.is_finite() or not 0 <= usd <= MOST_USD:
        raise InvalidRequest(f"{name}: {str(usd)[:50]} is no price; give from 0 to {MOST_USD:,} US dollars", param=name)
    micro = usd * _MICRO
    if micro != micro.to_integral_value():
        raise InvalidRequest(f"{name}: {str(usd)[:50]} is finer than a millionth of a US dollar", param=name)
    return int(micro)


def _percent(said: int) -> int:
    if not 0 <= said <= 100:
        name = "batch_discount_percent"
        raise InvalidRequest(f"{name}: {said} is no part of a price; give 0 to 100", param=name)
    return said
