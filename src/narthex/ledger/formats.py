"""Rows as files of other programs: CSV, JSON, JSON lines and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, get_args

import msgspec

from narthex.errors import InvalidRequest

if TYPE_CHECKING:
    from pyarrow import DataType
    from typing_extensions import Buffer

Format = Literal["csv", "json", "jsonl", "parquet"]
FORMATS: Final[tuple[str, ...]] = get_args(Format)
MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}

Rows = Sequence[Sequence[object]]

_RISKY: Final = frozenset("=+-@\t\r\n")
"""What a spreadsheet takes for the beginning of a formula, or for an end of a cell before one."""
_encode = msgspec.json.Encoder(decimal_format="string").encode


class Column(NamedTuple):
    """A column of a table."""

    name: str
    kind: Literal["text", "count", "money", "flag"]


class Writer(Protocol):
    """Writes a table as the bytes of a file."""

    def begin(self) -> bytes:
        """Return what comes before the rows."""
        ...

    def rows(self, rows: Rows) -> bytes:
        """Return more rows."""
        ...

    def end(self) -> bytes:
        """Return what comes after them."""
        ...


def writer_of(form: str, columns: Sequence[Column]) -> Writer:
    """Return what writes a format.

    Raises:
        InvalidRequest: There is no such format, or what it needs is not installed.
    """
    match form:
        case "csv":
            return CsvWriter(columns)
        case "json":
            return JsonWriter(columns)
        case "jsonl":
            return JsonLinesWriter(columns)
        case "parquet":
            return ParquetWriter(columns)
        case _:
            known = ", ".join(FORMATS)
            raise InvalidRequest(f"format: {form[:50]!r} is none; there are {known}", param="format")


class CsvWriter:
    """CSV as of RFC 4180, whose texts no spreadsheet takes for formulas."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def begin(self) -> bytes:
        """Return the names of the columns."""
        return self._lines([[column.name for column in self._columns]])

    def rows(self, rows: Rows) -> bytes:
        """Return more lines."""
        return self._lines([[_cell(value) for value in row] for row in rows])

    def end(self) -> bytes:
        """Return nothing."""
        return b""

    def _lines(self, rows: Sequence[Sequence[object]]) -> bytes:
        out = io.StringIO()
        csv.writer(out).writerows(rows)
        return out.getvalue().encode()


class JsonWriter:
    """One JSON array of objects; money is a text, so that nobody rounds it."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._any = False

    def begin(self) -> bytes:
        """Return its bracket."""
        return b"["

    def rows(self, rows: Rows) -> bytes:
        """Return more objects."""
        text = b",\n".join(_encode(dict(zip(self._names, map(_plain, row), strict=True))) for row in rows)
        joined, self._any = (b",\n" if self._any else b"\n") + text, True
        return joined

    def end(self) -> bytes:
        """Return its other bracket."""
        return b"\n]\n"


class JsonLinesWriter:
    """A JSON object a line."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]

    def begin(self) -> bytes:
        """Return nothing."""
        return b""

    def rows(self, rows: Rows) -> bytes:
        """Return more lines."""
        return b"".join(_encode(dict(zip(self._names, map(_plain, row), strict=True))) + b"\n" for row in rows)

    def end(self) -> bytes:
        """Return nothing."""
        return b""


class ParquetWriter:
    """Parquet, with money as exact decimals; rows that are written at once are a group of their own."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """Load pyarrow.

        Raises:
            InvalidRequest: It is not installed.
        """
        try:
            from pyarrow import parquet  # noqa: PLC0415 - an extra, and slow to load
        except ImportError as error:
            raise InvalidRequest(
                "format: Parquet needs pyarrow: install it with `pip install 'narthex[parquet]'`", param="format"
            ) from error
        from pyarrow import schema  # noqa: PLC0415 - as above

        self._out = _Sink()
        types = _arrow_types()
        self._schema = schema([(column.name, types[column.kind]) for column in columns])
        self._writer = parquet.ParquetWriter(self._out, self._schema)

    def begin(self) -> bytes:
        """Return its first bytes."""
        return self._taken()

    def rows(self, rows: Rows) -> bytes:
        """Return a group of rows."""
        from pyarrow import Table, array  # noqa: PLC0415 - as above

        values = list(zip(*rows, strict=True))
        arrays = [array(own, type=kind) for own, kind in zip(values, self._schema.types, strict=True)]
        self._writer.write_table(Table.from_arrays(arrays, schema=self._schema))
        return self._taken()

    def end(self) -> bytes:
        """Return where everything is."""
        self._writer.close()
        return self._taken()

    def _taken(self) -> bytes:
        """Return what was written since, and forget it; where it stands in the whole is kept."""
        return self._out.take()


class _Sink(io.RawIOBase):
    """A file that hands out what was written since it was last asked."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._length

    def write(self, data: Buffer) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._length += len(piece)
        return len(piece)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def _cell(value: object) -> object:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}"
        case str() if value[:1] in _RISKY and value:
            return f"'{value}"
        case _:
            return value


def _plain(value: object) -> object:
    return f"{value:f}" if isinstance(value, Decimal) else value


def _arrow_types() -> Mapping[str, DataType]:
    from pyarrow import bool_, decimal128, int64, string  # noqa: PLC0415 - an extra, and slow to load

    return {"text": string(), "count": int64(), "money": decimal128(38, 12), "flag": bool_()}
