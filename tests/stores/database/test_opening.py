"""A database is opened, whatever state it is in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import Connection, inspect

from narthex.stores.database import Database
from narthex.stores.database.schema import metadata


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_an_empty_database_gets_its_tables(empty_url: str, tmp_path: Path) -> None:
    """On both databases, and opening it again changes nothing."""
    for _ in range(2):
        database = await Database.open(empty_url, data_dir=tmp_path)
        assert await database.read(_tables) >= set(metadata.tables)
        await database.close()


async def test_it_can_be_opened_as_it_is(empty_url: str, tmp_path: Path) -> None:
    """Without `migrate` nothing is made in it."""
    database = await Database.open(empty_url, data_dir=tmp_path, migrate=False)
    assert await database.read(_tables) == set()
    await database.close()


def test_nothing_is_loaded_before_it_is_opened() -> None:
    """Who imports the port alone does not pay for SQLAlchemy."""
    program = "import sys, narthex.stores.database; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
