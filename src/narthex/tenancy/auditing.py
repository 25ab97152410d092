"""Where it is written what was done, as far as this room needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from narthex.audit.records import ActorLike, Outcome

if TYPE_CHECKING:
    from sqlalchemy import Connection


class AuditRows(Protocol):
    """Writes rows."""

    def write(  # noqa: PLR0913 - the columns of a row
        self,
        connection: Connection,
        action: str,
        *,
        actor: ActorLike,
        target: str = "",
        organisation_id: str = "",
        workspace_id: str = "",
        outcome: Outcome = "ok",
        details: Mapping[str, object] = ...,
        address: str = "",
        request_id: str = "",
    ) -> None:
        """Write a row in this transaction, so that it and what was done are one."""
        ...


class AuditNotes(AuditRows, Protocol):
    """Writes rows, and notes what is no part of a transaction."""

    def note(  # noqa: PLR0913 - as above
        self,
        action: str,
        *,
        actor: ActorLike,
        target: str = "",
        organisation_id: str = "",
        workspace_id: str = "",
        outcome: Outcome = "ok",
        details: Mapping[str, object] = ...,
        address: str = "",
        request_id: str = "",
    ) -> None:
        """Note that something happened; never waits."""
        ...
