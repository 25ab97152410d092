"""JSON answers: taken as they are, repaired and marked, or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.pipeline.forms.json_form import UnformedJson, check_schema, read_json

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_json_is_unchanged(value: object) -> None:
    """What is JSON is read as it is and not marked."""
    formed = read_json(f" {json.dumps(value)}\n")
    assert formed.value == value
    assert not formed.repaired


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Sure: {"a": [1, 2]} — there you are.', {"a": [1, 2]}),
        ('{"a": 1,}', {"a": 1}),
        ("[1, 2,\n]", [1, 2]),
        ('{"a": {"b": [1, 2', {"a": {"b": [1, 2]}}),
        ('{"a": "cut of', {"a": "cut of"}),
        ('{"a": "back\\', {"a": "back"}),
        ('{"a": "}]"} tail', {"a": "}]"}),
    ],
)
def test_broken_json_is_repaired_and_marked(text: str, value: object) -> None:
    """What stands around the value is left out, what was left open is closed, and the answer is marked."""
    formed = read_json(text)
    assert formed.value == value
    assert formed.repaired


@pytest.mark.parametrize("text", ["", "nothing here", "{a: 1}", "{]", '{"a"', '{"a": tru'])
def test_what_cannot_be_repaired_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(UnformedJson):
        read_json(text)


@given(_VALUES.filter(lambda value: isinstance(value, list | dict)), st.text(alphabet="abc .,:\n", max_size=10))
def test_a_value_inside_a_chat_is_found(value: object, chat: str) -> None:
    """A value with chat before and behind it is the value."""
    assert read_json(f"{chat}{json.dumps(value)}{chat}").value == value


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text breaks the reader."""
    try:
        read_json(text)
    except UnformedJson:
        return


def test_a_schema_is_held() -> None:
    """A value that does not fit its schema is told where; one that does is not; a schema that is none is refused."""
    schema: dict[str, object] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    assert check_schema({"a": 1}, schema) is None
    problem = check_schema({"a": "x"}, schema)
    assert problem is not None
    assert problem.startswith("a: ")
    with pytest.raises(ValueError, match="no such type"):
        check_schema(1, {"type": "no such type"})
