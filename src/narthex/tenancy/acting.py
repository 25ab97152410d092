"""Who does something, and what is written about it in the same transaction: audit row and list of changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, insert, text

from narthex.audit.records import Actor
from narthex.errors import PermissionDenied
from narthex.stores.database.schema import changes
from narthex.tenancy.auditing import AuditRows
from narthex.tenancy.permissions import CALL_MODELS

_LOCK = text("SELECT pg_advisory_xact_lock(6471000)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """Somebody who changes something now."""

    actor: Actor
    audit: AuditRows
    now: int
    """Unix time in milliseconds."""
    permissions: frozenset[str] | None = None
    """What they may do where they do it; None for everything."""
    user_id: str = ""
    """As which user; empty for whoever is none."""
    everywhere: frozenset[str] | None = None
    """What they may do in all of their organisation; None for everything."""
    address: str = ""
    request_id: str = ""

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
        self.audit.write(
            connection,
            action,
            actor=self.actor,
            target=target,
            organisation_id=organisation_id,
            workspace_id=workspace_id,
            details=details or {},
            address=self.address,
            request_id=self.request_id,
        )

    def changed(self, connection: Connection, kind: str, *subjects: str) -> None:
        """Let all processes know what they must read again."""
        if connection.dialect.name == "postgresql":
            # Numbers of changes are to be seen in their order: who reads on from one must not miss a lower one.
            connection.execute(_LOCK)
        rows = [{"kind": kind, "subject": subject, "at": self.now} for subject in subjects]
        connection.execute(insert(changes), rows)

    def may_give(self, permissions: frozenset[str]) -> None:
        """Hold somebody to what they may do themselves.

        Raises:
            PermissionDenied: They would give more than they have.
        """
        _hold(permissions, self.permissions, "")

    def may_give_to(self, user_id: str | None, permissions: frozenset[str]) -> None:
        """Hold somebody who makes a key to what they may do themselves, wherever that key reaches.

        A key of a user reaches as far as that user does: beyond its workspace into all of the organisation. What is
        called with it is on that user's account, so only who sees to members there makes one for somebody else.

        Args:
            user_id: Whose key it is; None for nobody's.
            permissions: What it is to allow.

        Raises:
            PermissionDenied: They would give more than they have.
        """
        self.may_give(permissions | CALL_MODELS)
        if user_id is not None and user_id != self.user_id:
            if self.permissions is not None and "members:write" not in self.permissions:
                message = "a key for somebody else needs the permission `members:write`; make one in your own name"
                raise PermissionDenied(message, param="user_id")
            _hold(
                permissions - CALL_MODELS, self.everywhere, " in all of the organisation, where this user's keys reach"
            )


def _hold(permissions: frozenset[str], own: frozenset[str] | None, where: str) -> None:
    above = () if own is None else sorted(permissions - own)
    if above:
        message = f"nobody gives more than they have themselves; you have no {', '.join(above[:5])}{where}"
        raise PermissionDenied(message)
