"""Routes that tell what was asked and answered have it noted who read that."""

from __future__ import annotations

from fastapi import Request

from narthex.http.guarding import address_of, caller_of
from narthex.http.services import Services


def note_read(services: Services, request: Request, what: str, *, by: str = "") -> None:
    """Note that a request reads what is kept of a call; see `Readings.note`."""
    services.registry.readings.note(
        caller_of(request),
        what,
        by=by,
        address=address_of(request),
        request_id=request.scope["narthex.request_id"],
    )


def note_list(services: Services, request: Request, what: str) -> None:
    """Note that a request looks what is kept."""
    services.registry.readings.note_list(
        caller_of(request), what, address=address_of(request), request_id=request.scope["narthex.request_id"]
    )
