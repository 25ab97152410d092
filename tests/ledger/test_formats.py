"""Rows as files of other programs."""

from __future__ import annotations

import csv
import io
import json
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pyarrow import parquet

from narthex.errors import InvalidRequest
from narthex.ledger.formats import FORMATS, MEDIA_TYPES, Column, Rows, writer_of

COLUMNS = [Column("name", "text"), Column("count", "count"), Column("cost", "money"), Column("known", "flag")]
ROWS: Rows = [('ü "a", b\n', 2**62, Decimal("-0.000000000001"), True), (None, 0, Decimal("12345678.5"), False)]


def _whole(form: str, *parts: Rows) -> bytes:
    writer = writer_of(form, COLUMNS)
    return writer.begin() + b"".join(writer.rows(part) for part in parts) + writer.end()


def test_every_format_tells_all_of_it() -> None:
    """Exactly, in as many parts as may be."""
    for parts in ((ROWS,), (ROWS[:1], ROWS[1:])):
        read = list(csv.reader(io.StringIO(_whole("csv", *parts).decode(), newline="")))
        assert read[0] == ["name", "count", "cost", "known"]
        assert read[1:] == [['ü "a", b\n', str(2**62), "-0.000000000001", "true"], ["", "0", "12345678.5", "false"]]
        objects = json.loads(_whole("json", *parts))
        assert objects[0] == {"name": 'ü "a", b\n', "count": 2**62, "cost": "-0.000000000001", "known": True}
        assert [json.loads(line) for line in _whole("jsonl", *parts).splitlines()] == objects
        table = parquet.read_table(io.BytesIO(_whole("parquet", *parts)))
        assert [tuple(row.values()) for row in table.to_pylist()] == ROWS


def test_a_table_without_rows_is_one() -> None:
    """Which every reader takes."""
    assert _whole("csv") == b"name,count,cost,known\r\n"
    assert json.loads(_whole("json")) == []
    assert _whole("jsonl") == b""
    assert parquet.read_table(io.BytesIO(_whole("parquet"))).num_rows == 0
    assert set(MEDIA_TYPES) == set(FORMATS)


@given(some.text(max_size=20))
def test_no_text_is_a_formula(text: str) -> None:
    """A spreadsheet that opens the file computes nothing of what a caller wrote."""
    written = writer_of("csv", COLUMNS).rows([(text, 1, Decimal(-2), False)]).decode()
    (row,) = csv.reader(io.StringIO(written, newline=""))
    assert row[0][:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"}
    assert row[0] in {text, f"'{text}"}
    assert row[2] == "-2"


def test_without_pyarrow_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that of the extra which brings it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidRequest, match=r"narthex\[parquet\]"):
        writer_of("parquet", COLUMNS)


def test_an_unknown_format_is_told_with_those_there_are() -> None:
    """As parameters are."""
    with pytest.raises(InvalidRequest, match="csv, json, jsonl, parquet"):
        writer_of("xlsx", COLUMNS)
