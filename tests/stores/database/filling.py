"""Rows for tests: some in every table, with what is hard to copy."""

from __future__ import annotations

from typing import cast

from sqlalchemy import JSON, Boolean, Column, Connection, Integer, LargeBinary, insert
from sqlalchemy.sql.sqltypes import BigInteger

from narthex.stores.database.schema import metadata

ROWS = 3


def fill(connection: Connection) -> None:
    """Write rows into every table, that belong together."""
    for table in metadata.sorted_tables:
        columns = list(table.columns)
        connection.execute(insert(table), [{c.name: _value(c, n) for c in columns} for n in range(ROWS)])


def _value(column: Column[object], number: int) -> object:
    for key in column.foreign_keys:
        return _value(key.column, number)
    if column.nullable and number == 0:
        return None
    match cast("object", column.type):
        case Boolean():
            return number % 2 == 0
        case BigInteger():
            return 2**62 + number
        case Integer():
            return number
        case JSON():
            return {"text": "ü 'quoted' \\ \n \t", "deep": [{"n": 2**53}, None, 0.1, True], "row": number}
        case LargeBinary():
            return bytes(range(31)) + bytes([number])
        case kind:
            length = getattr(kind, "length", None) or 20
            return f"{number}\t\\N,\"ü'\n{column.name}"[:length]
