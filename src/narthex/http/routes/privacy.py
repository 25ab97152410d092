"""What is kept of a person over HTTP: handed out whole, and erased."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from narthex.http import audit_documents as documents
from narthex.http.control import answered, read
from narthex.http.guarding import acting
from narthex.http.services import Services
from narthex.ledger.erasing import rename_unfit, unfit_of
from narthex.telemetry.redaction import redact
from narthex.tenancy.acting import Acting
from narthex.tenancy.persons import (
    ERASED,
    Traces,
    erase,
    erase_again,
    erase_end_user,
    export_of,
    hold_end_user,
    pseudonym_of,
    traces_of,
)


class _EndUser(msgspec.Struct, forbid_unknown_fields=True):
    end_user: Annotated[str, Meta(min_length=1, max_length=200)]


def privacy_routes(services: Services) -> APIRouter:
    """Return `/api/users/{user_id}/export` and what erases."""
    router, office = APIRouter(), services.office

    @router.get("/api/users/{user_id}/export", **documents.EXPORT_USER)  # type: ignore[arg-type]  # from a table
    async def export(request: Request, user_id: str) -> Response:
        home = office.directory.users[user_id].organisation_id
        who = acting(request, organisation_id=home)
        await office.settle()
        beside = {"ledger_unfit": await asyncio.to_thread(unfit_of, services.data_dir / "ledger", user_id)}
        written = await office.read(lambda connection: export_of(connection, user_id, beside))
        await office.write(
            lambda connection: who.note(connection, "privacy.export", target=user_id, organisation_id=home)
        )
        named = {"content-disposition": f'attachment; filename="{user_id}.zip"', "cache-control": "no-store"}
        return Response(written, media_type="application/zip", headers=named)

    _add_erasing(router, services)
    return router


def _add_erasing(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.post("/api/users/{user_id}/erase", **documents.ERASE_USER)  # type: ignore[arg-type]  # as above
    async def erase_user(request: Request, user_id: str) -> Response:
        who = acting(request, organisation_id=office.directory.users[user_id].organisation_id)
        rows = await _erase_user(services, who, user_id)
        return answered({"object": "user", "id": user_id, "erased": True, "rows": rows})

    @router.post("/api/end-users/erase", **documents.ERASE_END_USER)  # type: ignore[arg-type]  # as above
    async def erase_other(request: Request) -> Response:
        # In the body: paths are written into logs of others.
        end_user = (await read(request, _EndUser)).end_user
        sealer, who = await office.sealer(), acting(request)
        await office.write(lambda connection: hold_end_user(connection, who, end_user, sealer))
        await office.settle()
        instead = pseudonym_of(end_user, sealer)
        aside = await asyncio.to_thread(rename_unfit, services.data_dir / "ledger", [end_user], instead)
        count = await office.write(lambda connection: erase_end_user(connection, who, end_user, sealer, beside=aside))
        count += await _again(services, Traces(frozenset(), (end_user,), None), instead)
        await _flush_log(services)
        return answered({"object": "end_user", "erased": True, "rows": {"ledger_entries": count}})


async def _erase_user(services: Services, who: Acting, user_id: str) -> dict[str, int]:
    """Erase a user everywhere; return how many rows of each table and file that changed."""
    office = services.office
    sealer = await office.sealer()
    await office.settle()
    # Files first: once the database does not know them any more, nobody would find there what is left.
    traces = await office.read(lambda connection: traces_of(connection, who, user_id))
    aside = await _rewrite(services, traces)
    erased = await office.write(lambda connection: erase(connection, who, user_id, sealer))
    # And what has come meanwhile.
    aside += await _rewrite(services, erased.traces)
    again = await _again(services, erased.traces, ERASED)
    await _flush_log(services)
    return {**erased.rows, "ledger_entries": erased.rows["ledger_entries"] + again, "ledger_unfit": aside}


async def _again(services: Services, traces: Traces, instead: str) -> int:
    """Rename what was just being written; from then on nobody writes it any more."""
    await services.office.settle()
    return await services.office.write(lambda connection: erase_again(connection, traces, instead))


async def _rewrite(services: Services, traces: Traces) -> int:
    """Take a person out of the request logs and the entries set aside; return how many of these."""

    def rewrite() -> int:
        redact(services.data_dir / "logs", traces.key_names, instead=ERASED)
        folder, names = services.data_dir / "ledger", traces.known_as
        return rename_unfit(folder, names, ERASED, organisation_id=traces.organisation_id)

    return await asyncio.to_thread(rewrite)


async def _flush_log(services: Services) -> None:
    """Take what was erased out of the database's write-ahead log."""
    database = await services.office.database()
    await asyncio.to_thread(database.flush_log)
