"""Entries for tests."""

from __future__ import annotations

import msgspec

from narthex.cache.entries import Entry

ENTRY = Entry(
    *(b"k" * 32, "workspace:ws", "up/m", "answer", None, b"data"),
    *(10, 5, 700, 1_000_000, 60_000, 10_000, 20_000, 500),
    *(("scope:workspace:ws", "model:up/m"), 0, "req_1"),
)


def entry(**changes: object) -> Entry:
    """Return an entry, changed."""
    return msgspec.structs.replace(ENTRY, **changes)
