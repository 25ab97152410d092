"""Rows for tests of the audit log."""

from __future__ import annotations

from functools import partial

from narthex.audit import Actor, Audit
from narthex.stores.database import Database

ADA = Actor("user", "usr_ada")


def fill(audit: Audit, database: Database, count: int) -> None:
    """Write as many rows as there shall be."""
    for number in range(count):
        row = partial(
            audit.write,
            action="key.create",
            actor=ADA,
            target=f"key_{number}",
            organisation_id="org_a",
            workspace_id=f"ws_{number % 3}",
            details={"number": number},
        )
        database.write_now(row)
