"""Changing one field in place gives what re-encoding would give, or declines."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from narthex.wire.splice import add_field, replace_model

words = st.sampled_from(["model", "gpt-4o", "a", '"model"', "mo\\del", "\\", '"', "modèle", "\u2028", ""]) | st.text(
    max_size=6
)
values = st.recursive(
    words | st.none() | st.booleans() | st.integers(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(words, values, max_size=4)
spacings = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


def escaped(text: str, every: int) -> str:
    """Spell every `every`th letter of the word `model`, inside the strings of a JSON text, as an escape."""
    letters = 0

    def spell(token: re.Match[str]) -> str:
        nonlocal letters
        if token[0] not in "model":
            return token[0]
        letters += 1
        return token[0] if letters % every else f"\\u{ord(token[0]):04x}"

    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda string: re.sub(r"\\u[0-9a-fA-F]{4}|\\.|[^\\]", spell, string[0]), text)


@given(
    body=bodies,
    old=words,
    new=words,
    spacing=spacings,
    every=st.sampled_from([1, 2, 7, 1000]),
)
@example(body={"x": "model"}, old="a", new="b", spacing=(",", ":"), every=1000)
@example(body={"messages": ['"model":"a"']}, old="a", new="b", spacing=(",", ":"), every=1000)
def test_replaces_exactly_the_model(
    body: dict[str, object], old: str, new: str, spacing: tuple[str, str], every: int
) -> None:
    """Where it answers at all, the result is the same object with another top-level `model`."""
    document = {**body, "model": old}
    text = escaped(json.dumps(document, separators=spacing, ensure_ascii=every == 7), every)
    raw = text.encode()
    assert json.loads(raw)["model"] == old
    spliced = replace_model(raw, old, new)
    if spliced is not None:
        assert json.loads(spliced) == {**document, "model": new}


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"A/a","messages":[]}',
        b'{"messages":[],"model" : "A/a"}',
        b'{\n  "model": "\\u0041/a"\n}',
        b'{"model":"A\\/a","x":"a"}',
    ],
)
def test_leaves_every_other_byte(body: bytes) -> None:
    """Spacing, order and spelling of the rest stay as the caller wrote them."""
    spliced = replace_model(body, "A/a", "other/b")
    assert spliced is not None
    head, _, tail = spliced.partition(b'"other/b"')
    assert body.startswith(head)
    assert body.endswith(tail)
    assert msgspec.json.decode(spliced)["model"] == "other/b"


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","x":{"model":"a"}}',
        b'{"model":"a","model":"a"}',
        b'{"\\u006dodel":"a"}',
        b'{"\\u006Dodel":"a","x":"y"}',
        b'{"mo\\u0064el":"a","x":"model"}',
        b'{"x":"y"}',
        b'{"model":7}',
        b'{"model":"b"}',
    ],
)
def test_declines_where_it_could_err(body: bytes) -> None:
    """A second `"model"`, a key spelled with escapes or another value is left to re-encoding."""
    assert replace_model(body, "a", "b") is None


def test_writes_a_name_that_needs_escapes() -> None:
    """The new name is written as JSON."""
    assert replace_model(b'{"model":"a"}', "a", 'x"\\') == b'{"model":"x\\"\\\\"}'


@given(bodies.filter(bool), spacings, st.sampled_from(["", "\n", " \r\n\t"]))
def test_adds_a_member(body: dict[str, object], spacing: tuple[str, str], end: str) -> None:
    """A member added in place is the same object with one member more."""
    body.pop("added", None)
    raw = (json.dumps(body or {"a": 1}, separators=spacing) + end).encode()
    added = add_field(raw, "added", b'{"x":[1]}')
    assert added is not None
    assert json.loads(added) == {**json.loads(raw), "added": {"x": [1]}}


@pytest.mark.parametrize("body", [b"", b"   ", b"[1]", b'{"a":1} x'])
def test_adds_nothing_to_what_is_no_object(body: bytes) -> None:
    """A body that does not end as an object is left to the caller."""
    assert add_field(body, "a", b"1") is None
