"""Entries."""

from __future__ import annotations

import msgspec

from narthex.ledger.entries import Entry, tags_text
from narthex.stores.database.schema import ledger_entries


def test_every_field_is_a_column() -> None:
    """In one order, so that an entry is a row."""
    assert [field.name for field in msgspec.structs.fields(Entry)] == [column.name for column in ledger_entries.columns]


def test_tags_are_one_text() -> None:
    """In order; one that says nothing but its name is that alone."""
    assert tags_text((("batch", ""), ("team", "a"))) == "batch,team=a"
    assert tags_text(()) == ""


def test_tags_that_are_too_long_are_left_out_whole() -> None:
    """No tag is cut into another one."""
    tags = tuple((f"name{number:02d}", "x" * 90) for number in range(8))
    assert tags_text(tags) == ",".join(f"{name}={value}" for name, value in tags[:5])
