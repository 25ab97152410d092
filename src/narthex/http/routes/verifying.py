"""The ledger and the audit log, checked from the first entry to the last."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from narthex.config.prices import prices
from narthex.http import audit_documents, usage_documents
from narthex.http.checking import Checks, Reads
from narthex.http.control import answered
from narthex.http.guarding import acting
from narthex.http.services import Services
from narthex.ledger.periods import kept_since
from narthex.types.accounts import DEFAULT_ORGANISATION

if TYPE_CHECKING:
    from narthex.config.settings import Settings

MOST_FINDINGS: Final = 1_000


def verifying_routes(services: Services) -> APIRouter:
    """Return `/api/ledger/verify` and `/api/audit/verify`."""
    router, checks, settings = APIRouter(), Checks(services.office), services.settings

    @router.post("/api/ledger/verify", **usage_documents.VERIFY)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def ledger(request: Request) -> Response:
        told = await checks.run(lambda reads: _ledger(reads, settings))
        await _note(services, request, "ledger.verify", faults=told["faults"])
        return answered({"object": "ledger.verdict", **told})

    @router.post("/api/audit/verify", **audit_documents.VERIFY_AUDIT)  # type: ignore[arg-type]  # as above
    async def audit(request: Request) -> Response:
        told = await checks.run(lambda reads: _audit(reads, settings))
        faults = told["faults"]
        assert isinstance(faults, list)
        await _note(services, request, "audit.verify", faults=len(faults))
        return answered({"object": "audit.verdict", **told})

    return router


def _ledger(reads: Reads, settings: Settings) -> Mapping[str, object]:
    from narthex.ledger.verifying import told, verify  # noqa: PLC0415 - loaded with the database

    since = kept_since(settings.retention.ledger_days, int(time.time() * 1_000))
    journals = settings.data_dir.expanduser() / "ledger"
    return told(verify(reads.read_now, journals, prices(settings).values(), since=since), most=MOST_FINDINGS)


def _audit(reads: Reads, settings: Settings) -> Mapping[str, object]:
    from narthex.audit.checkpoints import Checkpoints, folder_of  # noqa: PLC0415 - loaded with the database
    from narthex.audit.verifying import told, verify  # noqa: PLC0415 - as above

    return told(verify(reads, Checkpoints(folder_of(settings))))


async def _note(services: Services, request: Request, action: str, *, faults: object) -> None:
    """Write down that somebody checked, and how much was wrong."""
    who = acting(request, organisation_id=DEFAULT_ORGANISATION)
    found = {"faults": faults}
    await services.office.write(
        lambda connection: who.note(connection, action, target="", organisation_id=DEFAULT_ORGANISATION, details=found)
    )
