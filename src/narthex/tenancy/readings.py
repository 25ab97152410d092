"""Who read what others asked and were answered: written down each time, and never held up by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from narthex.tenancy.auditing import AuditNotes
    from narthex.tenancy.keys import Caller

READ: Final = "content.read"
LISTED: Final = "content.list"


class Readings:
    """Notes in the audit log that content was read."""

    def __init__(self, audit: AuditNotes | None = None) -> None:
        """Take where it is noted; without it nowhere."""
        self._audit = audit

    def note(self, caller: Caller, what: str, *, by: str = "", address: str = "", request_id: str = "") -> None:
        """Note that somebody reads what is kept of a call, unless it is their own.

        Args:
            caller: Who reads.
            what: Kind and name, as `response:resp_1`.
            by: The key, or the user, that it was made with; empty where that does not matter, or is not known.
            address: The network address that they come from.
            request_id: Of their request.
        """
        if not by or by != caller.account.key_id:
            self._write(READ, caller, what, by, address, request_id)

    def note_list(self, caller: Caller, what: str, *, address: str = "", request_id: str = "") -> None:
        """Note that somebody looks what is kept."""
        self._write(LISTED, caller, what, "", address, request_id)

    def _write(self, action: str, caller: Caller, what: str, by: str, address: str, request_id: str) -> None:  # noqa: PLR0917
        if self._audit is None:
            return
        self._audit.note(
            action,
            actor=caller.actor,
            target=what[:200],
            organisation_id=caller.account.organisation_id,
            workspace_id=caller.account.workspace_id,
            details={"by": by} if by else {},
            address=address,
            request_id=request_id,
        )
