"""Entries: what they are good for at a moment, and that none but itself is read back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.cache.entries import AHEAD_MS, CorruptEntry, Entry, pack, unpack
from tests.cache.kept import ENTRY, entry


@pytest.mark.parametrize(
    ("age_ms", "standing"),
    [
        (0, "fresh"),
        (59_999, "fresh"),
        (60_000, "stale"),
        (69_999, "stale"),
        (70_000, "for errors"),
        (79_999, "for errors"),
        (80_000, "gone"),
        (-AHEAD_MS, "fresh"),
        (-AHEAD_MS - 1, "gone"),
    ],
)
def test_what_an_entry_is_good_for(age_ms: int, standing: str) -> None:
    """Fresh, then stale, then only in place of an error; and nothing where the clock was set back behind its making."""
    assert ENTRY.standing(ENTRY.made_ms + age_ms) == standing
    assert ENTRY.age_ms(ENTRY.made_ms + age_ms) == age_ms


def test_it_is_kept_for_as_long_as_it_is_of_use() -> None:
    """The longer of both kinds of staleness counts."""
    assert ENTRY.kept_ms == 80_000
    assert entry(error_ms=0).kept_ms == 70_000


def test_it_counts_for_what_it_holds() -> None:
    """A larger answer takes up more room."""
    assert entry(data=b"x" * 10_000).size_bytes - entry(data=b"").size_bytes == 10_000


def test_what_is_written_is_read_back() -> None:
    """Over a tier outside this process an entry stays what it is."""
    assert unpack(pack(ENTRY), ENTRY.key) == ENTRY


@given(data=st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """Whatever lies in a tier is an entry or is none."""
    with pytest.raises(CorruptEntry):
        unpack(data, ENTRY.key)


@given(at=st.integers(0, len(pack(ENTRY)) - 1))
def test_what_was_cut_is_none(at: int) -> None:
    """Half an entry is no entry."""
    with pytest.raises(CorruptEntry):
        unpack(pack(ENTRY)[:at], ENTRY.key)


def test_another_keys_entry_is_none() -> None:
    """What lies under the wrong key is not given to anybody."""
    with pytest.raises(CorruptEntry, match="another key"):
        unpack(pack(ENTRY), b"o" * 32)


def test_another_format_is_none() -> None:
    """What a newer version wrote is not guessed at."""
    with pytest.raises(CorruptEntry, match="format 2"):
        unpack(msgspec.msgpack.encode([2, ENTRY]), ENTRY.key)


def test_fields_stay_in_their_order() -> None:
    """Entries lie in tiers by the order of their fields: a new one comes last, or the format changes."""
    assert Entry.__struct_fields__[:6] == ("key", "scope", "model", "form", "dialect", "data")
    assert Entry.__struct_fields__[-1] == "estimated"
