"""Who used what and what it cost, what it will have cost, the entries behind it, and all of that as files."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse

from narthex.errors import InvalidRequest, NotFound
from narthex.http import usage_documents as documents
from narthex.http.control import answered, page_of
from narthex.http.guarding import caller_of, require
from narthex.http.services import Services
from narthex.ledger.money import microusd, usd
from narthex.ledger.periods import moment_of, start_of
from narthex.tenancy import reach
from narthex.tenancy.paging import cursor, place_of

if TYPE_CHECKING:
    from narthex.ledger.entries import Entry
    from narthex.ledger.forecasting import Forecast
    from narthex.ledger.usage import Question, Row, Sums

FILTERS: Final[Mapping[str, str]] = {
    "user_id": "user",
    "key_id": "key",
    "request_id": "request",
    "model": "model",
    "model_asked": "model_asked",
    "provider": "provider",
    "operation": "operation",
    "tag": "tag",
    "end_user": "end_user",
    "surface": "surface",
    "status": "status",
    "kind": "kind",
    "code": "code",
}
"""Parameters of the query, and the dimensions that they narrow; each may be given several times."""
MOST_ROWS: Final = 1_000
_FORECASTS: Final = ("day", "week", "month")


def usage_routes(services: Services) -> APIRouter:
    """Return `/api/usage` and `/api/ledger/entries`."""
    router = APIRouter()
    _add_sums(router, services)
    _add_forecast(router, services)
    _add_export(router, services)
    _add_entries(router, services)
    return router


def _add_sums(router: APIRouter, services: Services) -> None:
    @router.get("/api/usage", **documents.USAGE)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def sums(request: Request) -> Response:
        asked = _asked(services, request, "usage:read")
        limit, first = _limit(request), _offset(request)
        database = await services.office.database()
        found = await services.usage.sums(database, asked, to_now="to" not in request.query_params)
        data = [_row(asked, row, found.of(row)) for row in found.rows[first : first + limit]]
        more = first + limit < len(found.rows)
        return answered(
            {
                "object": "list",
                "data": data,
                "has_more": more,
                "next": str(first + limit) if more else None,
                "from": asked.since // 1_000,
                "to": -(-asked.until // 1_000),
                "overlapping": asked.is_overlapping,
                "total": _sums(found.whole, found.in_all),
            }
        )


def _add_forecast(router: APIRouter, services: Services) -> None:
    @router.get("/api/usage/forecast", **documents.FORECAST)  # type: ignore[arg-type]  # as above
    async def foretell(request: Request) -> Response:
        asked = _asked(services, request, "usage:read")
        period = request.query_params.get("period", "month")
        if period not in _FORECASTS:
            raise InvalidRequest(f"period: {period[:50]!r} is none; there are {', '.join(_FORECASTS)}", param="period")
        now = int(time.time() * 1_000)
        found = await services.usage.forecast(await services.office.database(), asked, period=period, now=now)
        return answered(told_forecast(found, period))


def _add_export(router: APIRouter, services: Services) -> None:
    @router.get("/api/usage/export", **documents.EXPORT)  # type: ignore[arg-type]  # as above
    async def export_it(request: Request) -> Response:
        from narthex.ledger.exporting import export  # noqa: PLC0415 - loaded with the database
        from narthex.ledger.formats import MEDIA_TYPES  # noqa: PLC0415 - as above

        what, form = request.query_params.get("what", "usage"), request.query_params.get("format", "csv")
        asked = _asked(services, request, "ledger:read" if what == "entries" else "usage:read")
        database = await services.office.database()
        pieces = await run_in_threadpool(export, database.read_now, asked, what=what, form=form)
        name = f"narthex-{what}.{form}"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(iterate_in_threadpool(pieces), media_type=MEDIA_TYPES[form], headers=headers)


def _add_entries(router: APIRouter, services: Services) -> None:
    @router.get("/api/ledger/entries", **documents.ENTRIES)  # type: ignore[arg-type]  # as above
    async def entries(request: Request) -> Response:
        from narthex.ledger.listing import Place, newest  # noqa: PLC0415 - loaded with the database

        asked, page = _asked(services, request, "ledger:read", since=0), page_of(request)
        after = None
        if page.after is not None:
            at, name = place_of(page.after, is_time=True)
            after = Place(int(str(at)), name)
        found, last = await services.office.read(
            lambda connection: newest(connection, asked, limit=page.limit, after=after)
        )
        following = None if last is None else cursor(last.at, last.id)
        data = [told_entry(one) for one in found]
        return answered({"object": "list", "data": data, "has_more": following is not None, "next": following})


def _asked(services: Services, request: Request, permission: str, *, since: int | None = None) -> Question:
    """Return what is asked for, of what the caller may see.

    Raises:
        NotFound: The caller has nothing to do with the place that is named.
        PermissionDenied: The caller may not see that there.
        InvalidRequest: It cannot be asked.
    """
    from narthex.ledger.usage import question  # noqa: PLC0415 - loaded with the database

    said, now = request.query_params, int(time.time() * 1_000)
    where = {dimension: said.getlist(name) for name, dimension in FILTERS.items() if name in said}
    begin = start_of("month", now) if since is None else since
    return question(
        since=moment_of(said["from"], param="from") if "from" in said else begin,
        until=moment_of(said["to"], param="to") if "to" in said else now + 1,
        by=[name for part in said.getlist("by") for name in part.split(",")],
        period=said.get("period"),
        where={**where, **_place(services, request, permission)},
    )


def _place(services: Services, request: Request, permission: str) -> Mapping[str, Sequence[str]]:
    """Return what narrows the ledger to what a caller may see of it."""
    workspace_id, organisation_id = (request.query_params.get(n) for n in ("workspace_id", "organisation_id"))
    directory, caller = services.office.directory, caller_of(request)
    if workspace_id:
        require(request, permission, workspace_id=workspace_id)
        return {"workspace": [workspace_id]}
    if organisation_id:
        if organisation_id not in directory.organisations:
            raise NotFound
        if permission in reach.in_organisation(directory, caller, organisation_id):
            return {"organisation": [organisation_id]}
        # Who may see some of its workspaces is told of these.
        seen = reach.visible_workspaces(directory, caller, permission) or []
        if organisation_id != caller.account.organisation_id or not seen:
            raise NotFound
        return {"workspace": seen}
    require(request, permission)
    return {} if caller.is_operator else {"workspace": [caller.account.workspace_id]}


def _limit(request: Request) -> int:
    said = request.query_params.get("limit", "100")
    if not (said.isascii() and said.isdecimal() and 1 <= int(said[:9]) <= MOST_ROWS):
        raise InvalidRequest(f"limit: give a whole number from 1 to {MOST_ROWS:,}", param="limit")
    return int(said)


def _offset(request: Request) -> int:
    said = request.query_params.get("after", "0")
    if not (said.isascii() and said.isdecimal() and len(said) < 10):
        raise InvalidRequest(f"after: {said[:100]!r} is no `next` of this list", param="after")
    return int(said)


def _row(asked: Question, row: Row, by_providers: int) -> Mapping[str, object]:
    named = {dimension.name: value for dimension, value in zip(asked.by, row.values, strict=True)}
    start = None if row.start is None else row.start // 1_000
    return {"object": "usage", "start_at": start, "by": named, **_sums(row.sums, by_providers)}


def _sums(sums: Sums, by_providers: int) -> Mapping[str, object]:
    return {
        "requests": sums.requests,
        "attempts": sums.attempts,
        "failures": sums.failures,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "cache_read_tokens": sums.cache_read_tokens,
        "cache_write_tokens": sums.cache_write_tokens,
        "cache_write_1h_tokens": sums.cache_write_1h_tokens,
        "reasoning_tokens": sums.reasoning_tokens,
        "images": sums.images,
        "audio_ms": sums.audio_ms,
        "duration_ms": sums.duration_ms,
        "cost_usd": usd(sums.cost_picousd),
        "cost_microusd": microusd(sums.cost_picousd),
        "saved_usd": usd(sums.saved_picousd),
        "provider_cache_saved_usd": usd(by_providers),
        "estimated_attempts": sums.estimated,
        "estimated_cost_usd": usd(sums.estimated_picousd),
        "unpriced_tokens": sums.unpriced_tokens,
        "unpriced_attempts": sums.unpriced_attempts,
    }


def told_forecast(found: Forecast, period: str) -> Mapping[str, object]:
    """Return a forecast as it is told."""
    return {
        "object": "usage.forecast",
        "estimate": True,
        "period": period,
        "method": found.method,
        "history_days": found.history_days,
        "start_at": found.start // 1_000,
        "end_at": found.end // 1_000,
        "made_at": found.at // 1_000,
        "spent_usd": usd(found.spent),
        "expected_usd": usd(found.expected),
        "low_usd": None if found.low is None else usd(found.low),
        "high_usd": None if found.high is None else usd(found.high),
        "level": None if found.low is None else 0.8,
    }


def told_entry(entry: Entry) -> Mapping[str, object]:
    """Return an entry as it is told."""
    plain = {name: getattr(entry, name) for name in entry.__struct_fields__ if not name.endswith("_picousd")}
    at = plain.pop("at")
    return {
        "object": "ledger.entry",
        "created_at": at // 1_000,
        "created_at_ms": at,
        **plain,
        "tags": entry.tags.split(",") if entry.tags else [],
        "cost_usd": usd(entry.cost_picousd) if entry.price_id else None,
        "cost_microusd": microusd(entry.cost_picousd) if entry.price_id else None,
        "saved_usd": usd(entry.saved_picousd),
    }
