"""The audit log over HTTP: listed part by part, and exported whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import islice
from typing import TYPE_CHECKING, Final, get_args

import anyio.to_thread
import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from narthex.errors import InvalidRequest, NotFound
from narthex.http import audit_documents as documents
from narthex.http.control import flag_of, listed, page_of
from narthex.http.guarding import actor_of, address_of, caller_of, require
from narthex.http.services import Services
from narthex.tenancy import reach

if TYPE_CHECKING:
    from narthex.audit.reading import Filter

_PERMISSION: Final = "audit:read"
_PART: Final = 1_000
"""Entries of an export that are sent at once."""
_TOLD: Final = frozenset({"actor", "action", "target", "outcome", "since", "until", "reveal"})
"""What is written of a reading: how it was narrowed down."""


def audit_routes(services: Services) -> APIRouter:
    """Return `/api/audit`."""
    router, office = APIRouter(), services.office

    @router.get("/api/audit", **documents.LIST_AUDIT)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def all_of_them(request: Request) -> Response:
        # SQLAlchemy is loaded with the database, and not before.
        from narthex.audit.reading import entries, told  # noqa: PLC0415

        wanted, page = _wanted(services, request), page_of(request)
        before = _seq(page.after)
        sealer = await office.sealer() if flag_of(request, "reveal") else None
        found = await office.read(
            lambda connection: entries(connection, wanted, limit=page.limit + 1, before_seq=before, sealer=sealer)
        )
        _note(services, request, "audit.read")
        after = str(found[page.limit - 1].entry.seq) if len(found) > page.limit else None
        return listed(found[: page.limit], after, told)

    _add_export(router, services)
    return router


def _add_export(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.get("/api/audit/export", **documents.EXPORT_AUDIT)  # type: ignore[arg-type]  # as above
    async def export(request: Request) -> Response:
        from narthex.audit.reading import all_entries, told  # noqa: PLC0415 - as above

        wanted, database = _wanted(services, request), await office.database()
        sealer = await office.sealer() if flag_of(request, "reveal") else None
        rows = iter(all_entries(database, wanted, sealer=sealer))

        def part() -> bytes:
            return b"".join(msgspec.json.encode(told(one)) + b"\n" for one in islice(rows, _PART))

        async def parts() -> AsyncIterator[bytes]:
            while lines := await anyio.to_thread.run_sync(part):
                yield lines

        _note(services, request, "audit.export")
        return StreamingResponse(parts(), media_type="application/jsonl")


def _wanted(services: Services, request: Request) -> Filter:
    from narthex.audit.reading import Filter  # noqa: PLC0415 - as above

    given = request.query_params
    organisation_id, workspace_ids = _place(services, request)
    return Filter(
        organisation_id=organisation_id,
        workspace_ids=workspace_ids,
        actor=given.get("actor"),
        action=given.get("action"),
        target=given.get("target"),
        outcome=_outcome(given.get("outcome")),
        since=_moment(request, "since"),
        until=_moment(request, "until"),
    )


def _place(services: Services, request: Request) -> tuple[str | None, list[str] | None]:
    """Return of which organisation and which of its workspaces a caller sees entries; None for all."""
    caller, directory, given = caller_of(request), services.office.directory, request.query_params
    organisation_id, workspace_id = given.get("organisation_id"), given.get("workspace_id")
    if workspace_id is not None:
        require(request, _PERMISSION, workspace_id=workspace_id)
        place = directory.workspaces.get(workspace_id)
        if place is None or organisation_id not in {None, place.organisation_id}:
            raise NotFound
        return place.organisation_id, [workspace_id]
    if caller.is_operator and organisation_id is None:
        return None, None
    home = organisation_id or caller.account.organisation_id
    if _PERMISSION in reach.in_organisation(directory, caller, home):
        # What belongs to no organisation is about the installation.
        return home, None
    seen = reach.visible_workspaces(directory, caller, _PERMISSION)
    if home != caller.account.organisation_id or not seen:
        require(request, _PERMISSION, organisation_id=home)
    return home, seen


def _seq(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise InvalidRequest(f"after: {after[:100]!r} is no `next` of this list", param="after")
    return int(after)


def _outcome(said: str | None) -> str | None:
    """Return a filter by outcome; an unknown one would find nothing, as if nothing had been done."""
    from narthex.audit.records import Outcome  # noqa: PLC0415 - as above

    if said is not None and said not in get_args(Outcome):
        raise InvalidRequest(
            f"outcome: {said[:50]!r} is none; there are {', '.join(get_args(Outcome))}", param="outcome"
        )
    return said


def _moment(request: Request, name: str) -> int | None:
    """Return a filter in Unix time, as milliseconds."""
    said = request.query_params.get(name)
    if said is None:
        return None
    if not (said.isascii() and said.isdecimal() and len(said) < 12):
        raise InvalidRequest(f"{name}: give Unix time in whole seconds", param=name)
    return int(said) * 1_000


def _note(services: Services, request: Request, action: str) -> None:
    account = caller_of(request).account
    services.audit.note(
        action,
        actor=actor_of(caller_of(request)),
        organisation_id=account.organisation_id,
        workspace_id=account.workspace_id,
        details={name: said for name, said in request.query_params.items() if name in _TOLD},
        address=address_of(request),
        request_id=request.scope["narthex.request_id"],
    )
