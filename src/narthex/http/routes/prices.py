"""What models cost, from which moment on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from narthex.errors import InvalidRequest
from narthex.http import usage_documents as documents
from narthex.http.control import answered, page_of, read
from narthex.http.guarding import changing, require
from narthex.http.services import Services
from narthex.ledger.money import PICO_PER_MICRO, usd
from narthex.ledger.prices import PriceVersion
from narthex.types.accounts import DEFAULT_ORGANISATION

if TYPE_CHECKING:
    from narthex.ledger.price_book import NewPrice


class _New(msgspec.Struct, forbid_unknown_fields=True):
    model: str
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
    currency: str = "USD"
    valid_from: int | None = None
    organisation_id: Annotated[str, msgspec.Meta(min_length=1)] | None = None


def price_routes(services: Services) -> APIRouter:
    """Return `/api/prices`."""
    router = APIRouter()
    _add_listing(router, services)
    _add_making(router, services)
    return router


def _add_listing(router: APIRouter, services: Services) -> None:
    @router.get("/api/prices", **documents.LIST_PRICES)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def prices(request: Request) -> Response:
        from narthex.ledger.price_book import versions  # noqa: PLC0415 - loaded with the database

        organisation_id, page = _whose(request), page_of(request)
        model = request.query_params.get("model")
        found = await services.office.read(
            lambda connection: versions(connection, organisation_id=organisation_id, model=model)
        )
        first = _offset(page.after)
        more = first + page.limit < len(found)
        data = [told(one) for one in found[first : first + page.limit]]
        following = str(first + page.limit) if more else None
        return answered({"object": "list", "data": data, "has_more": more, "next": following})


def _add_making(router: APIRouter, services: Services) -> None:
    @router.post("/api/prices", **documents.CREATE_PRICE)  # type: ignore[arg-type]  # as above
    async def create(request: Request) -> Response:
        from narthex.ledger.price_book import add_price  # noqa: PLC0415 - loaded with the database

        new = await read(request, _New)
        # A price for all is for who runs the installation.
        place = new.organisation_id or DEFAULT_ORGANISATION
        who = changing(request, "prices:write", organisation_id=place)
        version = await services.office.write(lambda connection: add_price(connection, who, _wish(new)))
        return answered(told(version))


def _whose(request: Request) -> str:
    """Return the organisation whose prices are asked for; those for all are among them."""
    said = request.query_params.get("organisation_id")
    if said:
        require(request, "prices:read", organisation_id=said)
        return said
    return require(request, "prices:read").account.organisation_id


def told(version: PriceVersion) -> dict[str, object]:
    """Return a version as it is told: in US dollars for a million tokens, as exact decimals."""
    price = version.price
    return {
        "object": "price",
        "id": version.id,
        "model": version.model,
        "organisation_id": version.organisation_id,
        "valid_from": version.valid_from // 1_000,
        "currency": "USD",
        "input_usd_per_mtok": _usd(price.input_microusd_per_mtok),
        "output_usd_per_mtok": _usd(price.output_microusd_per_mtok),
        "cache_read_usd_per_mtok": _usd(price.cache_read_microusd_per_mtok),
        "cache_write_usd_per_mtok": _usd(price.cache_write_microusd_per_mtok),
        "cache_write_1h_usd_per_mtok": _usd(price.cache_write_1h_microusd_per_mtok),
        "reasoning_usd_per_mtok": _usd(price.reasoning_microusd_per_mtok),
        "request_usd": _usd(price.request_microusd),
        "image_usd": _usd(price.image_microusd),
        "audio_second_usd": _usd(price.audio_second_microusd),
        "batch_discount_percent": price.batch_discount_percent,
    }


def _wish(new: _New) -> NewPrice:
    from narthex.ledger.price_book import NewPrice, Rates  # noqa: PLC0415 - loaded with the database

    rates = Rates(**{name: getattr(new, name) for name in Rates.__struct_fields__})
    begins = None if new.valid_from is None else min(new.valid_from, 10**12) * 1_000
    return NewPrice(
        model=new.model,
        rates=rates,
        valid_from=begins,
        organisation_id=new.organisation_id,
        currency=new.currency,
    )


def _offset(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdecimal() and len(after) < 10):
        raise InvalidRequest(f"after: {after[:100]!r} is no `next` of this list", param="after")
    return int(after)


def _usd(microusd: int | None) -> str | None:
    return None if microusd is None else usd(microusd * PICO_PER_MICRO)
