"""The words for what usage can be told apart by."""

from __future__ import annotations

import subprocess
import sys

from narthex.ledger.words import COLUMNS
from narthex.stores.database.schema import ledger_entries


def test_each_is_a_column_of_the_ledger() -> None:
    """None leads nowhere."""
    assert set(COLUMNS.values()) <= set(ledger_entries.c.keys())


def test_they_are_known_without_the_database() -> None:
    """Which is slow to load, and which the document of the API does not need."""
    program = "import sys, narthex.ledger.words; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
