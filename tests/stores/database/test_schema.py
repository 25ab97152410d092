"""The schema."""

from __future__ import annotations

import pytest
from sqlalchemy import BigInteger, create_engine, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from narthex.stores.database.schema import metadata


def test_every_table_can_be_made_in_sqlite() -> None:
    """The types are portable."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    assert set(inspect(engine).get_table_names()) == set(metadata.tables)
    engine.dispose()


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_every_table_can_be_written_for_postgresql(name: str) -> None:
    """Each has a primary key, and its definition compiles for the other database."""
    table = metadata.tables[name]
    assert table.primary_key.columns
    # Untyped in SQLAlchemy.
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    assert str(CreateTable(table).compile(dialect=dialect))


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_money_and_times_are_whole_and_wide(name: str) -> None:
    """A column of money or time holds 64 bits: 32 are not enough for either."""
    for column in metadata.tables[name].columns:
        if column.name.endswith(("_picousd", "_at")) or column.name == "at":
            assert isinstance(column.type, BigInteger), column.name
