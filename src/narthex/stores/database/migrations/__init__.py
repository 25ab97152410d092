"""From the schema that a database has to the one of this version.

running   finds out what is to be done, and does it, one process at a time
alembic   does the steps; loaded only when there are any
versions  the steps

A schema has a number of four digits, kept in the database as Alembic does. A new database gets the tables at once, as
`schema` says; that the steps lead to the same is tested.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

VERSIONS: Final = Path(__file__).parent / "versions"

KNOWN: Final = tuple(sorted(step.name[1:5] for step in VERSIONS.glob("v[0-9][0-9][0-9][0-9]_*.py")))
"""All schemas there ever were, oldest first."""

HEAD: Final = KNOWN[-1] if KNOWN else ""
"""The schema of this version."""
