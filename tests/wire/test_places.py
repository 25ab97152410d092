"""Where parts of JSON stand: exactly, whatever the text looks like, or not at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.wire.places import Unplaced, edited, items, members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n\t", "\r :  ")])


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), SEPARATORS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_members_stand_where_they_are_said_to(value: dict[str, object], how: tuple[str, str], plain: bool) -> None:
    """Each value of an object, read at its place alone, is that of its key."""
    text = b" " + json.dumps(value, separators=how, ensure_ascii=plain).encode() + b"\n"
    found = members(text, (0, len(text)))
    assert {key: json.loads(text[begin:end]) for key, (begin, end) in found.items()} == value


@given(st.lists(VALUES, max_size=5), SEPARATORS)
@settings(max_examples=60, deadline=None)
def test_items_stand_in_their_order(value: list[object], how: tuple[str, str]) -> None:
    """Each item of an array, read at its place alone, is the one of its number."""
    text = b"xx" + json.dumps(value, separators=how).encode()
    assert [json.loads(text[begin:end]) for begin, end in items(text, (2, len(text)))] == value


@pytest.mark.parametrize("text", [b"", b"[1]", b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"a":1} x', b"{"])
def test_what_is_not_clear_is_not_placed(text: bytes) -> None:
    """No object, half of one, and one in which a key stands twice have no places."""
    with pytest.raises(Unplaced):
        members(text, (0, len(text)))


@pytest.mark.parametrize("text", [b"", b"{}", b"[1", b"1"])
def test_no_array_has_no_items(text: bytes) -> None:
    """What is no array has no items."""
    with pytest.raises(Unplaced):
        items(text, (0, len(text)))


def test_edits_change_nothing_else() -> None:
    """Edits are made where they are said, in whatever order they come."""
    assert edited(b"abcdef", [(4, 4, b"X"), (1, 2, b"")]) == b"acdXef"
    assert edited(b"abc", []) == b"abc"
