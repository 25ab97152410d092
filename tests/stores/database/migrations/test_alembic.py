"""The steps of the schema lead to what `schema` says, from every schema there ever was."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from narthex.stores.database import Database
from narthex.stores.database.migrations import HEAD, KNOWN
from narthex.stores.database.migrations.alembic import difference, scripts, upgrade
from narthex.stores.database.schema import metadata
from scripts.migration import RELEASED, dumps
from tests.stores.databases import load_dump

REMEDY = (
    "run `python -m scripts.migration --first` (or, once 0001 is released, `make migration WORDS=…`), and commit it"
)


def shape(connection: Connection) -> dict[str, object]:
    """Return all that the database says of its tables."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": {c["name"]: (str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)},
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(
                (k["constrained_columns"], k["referred_table"]) for k in inspector.get_foreign_keys(table)
            ),
            "unique": sorted(k["column_names"] for k in inspector.get_unique_constraints(table)),
            "indexes": sorted((str(k["name"]), k["column_names"]) for k in inspector.get_indexes(table)),
        }
        for table in metadata.tables
    }


def test_the_steps_are_one_line() -> None:
    """There is one head, and each step follows the one before it."""
    steps = list(scripts().walk_revisions())
    assert [step.revision for step in reversed(steps)] == list(KNOWN)
    assert [step.down_revision for step in reversed(steps)] == [None, *KNOWN[:-1]]
    assert scripts().get_current_head() == HEAD


def test_the_steps_lead_to_the_schema(empty_url: str, database: Database, tmp_path: Path) -> None:
    """Done one after the other they make exactly the tables that a new database gets at once."""
    stepped = Database.open_now(empty_url, data_dir=tmp_path, migrate=False)
    stepped.write_now(upgrade)
    code = stepped.write_now(difference)
    assert not code, f"the steps do not lead to what schema.py says: {REMEDY}\n{code}"
    assert stepped.read_now(shape) == database.read_now(shape)
    stepped.close_now()


def test_what_is_released_next_is_dumped() -> None:
    """The dumps of the newest schema are those of `schema`, and there is one of every schema there was."""
    for file, dump in dumps(HEAD):
        assert file.read_text(encoding="utf-8") == dump, f"{file} is not what schema.py says: {REMEDY}"
    names = {file.name for file in RELEASED.iterdir()}
    assert names == {f"{version}.{kind}.sql" for version in KNOWN for kind in ("sqlite", "postgresql")}


@pytest.mark.parametrize("version", KNOWN)
def test_every_schema_there_was_is_brought_up(
    version: str, kind: str, empty_url: str, database: Database, tmp_path: Path
) -> None:
    """What was in it stays, and it is then like a new one."""
    load_dump(empty_url, RELEASED / f"{version}.{kind}.sql")
    brought = Database.open_now(empty_url, data_dir=tmp_path)

    def counts(connection: Connection) -> dict[str, int | None]:
        return {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in metadata.tables}  # noqa: S608

    assert brought.read_now(counts) == dict.fromkeys(metadata.tables, 1)
    assert brought.read_now(shape) == database.read_now(shape)
    brought.close_now()
