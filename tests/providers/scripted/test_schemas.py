"""JSON schemas, checked against an implementation that we did not write."""

from __future__ import annotations

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.providers.scripted.schemas import Schema, UnsupportedSchema, same

CASES: list[tuple[dict[str, object] | bool, list[object], list[object]]] = [
    (True, [1, None], []),
    (False, [], [1, None]),
    ({"type": "integer"}, [1, 1.0, -3], [1.5, True, "1"]),
    ({"type": ["string", "null"]}, ["a", None], [1]),
    ({"enum": [1, "a", [True]]}, [1, 1.0, "a", [True]], [True, [1]]),
    ({"const": {"a": 1}}, [{"a": 1}], [{"a": 1, "b": 2}, {}]),
    ({"minimum": 1, "exclusiveMaximum": 2}, [1, 1.9, "x"], [2, 0]),
    ({"exclusiveMinimum": 1, "maximum": 2}, [2], [1]),
    ({"multipleOf": 0.01}, [0.07, 19.99], [0.005]),
    ({"minLength": 2, "maxLength": 3}, ["ab", 1], ["a", "abcd"]),
    ({"pattern": "^a+$"}, ["aa", 3], ["ab"]),
    ({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, [["a", 1], [], ["a"]], [[1], ["a", "b"]]),
    ({"items": [{"type": "string"}], "$schema": "http://json-schema.org/draft-07/schema#"}, [["a", 1]], [[1]]),
    ({"minItems": 1, "maxItems": 2, "uniqueItems": True}, [[1], [1, 2], [1, True]], [[], [1, 1], [1, 2, 3]]),
    ({"contains": {"const": 1}, "maxContains": 1}, [[1, 2]], [[2], [1, 1]]),
    ({"properties": {"a": {"type": "string"}}, "required": ["a"]}, [{"a": "x", "b": 1}, 3], [{}, {"a": 1}]),
    ({"properties": {"a": True}, "additionalProperties": False}, [{"a": 1}, {}], [{"b": 1}]),
    (
        {"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
        [{"x1": 1, "y": "s"}],
        [{"x1": "s"}, {"y": 1}],
    ),
    ({"propertyNames": {"maxLength": 2}}, [{"ab": 1}], [{"abc": 1}]),
    ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 2}]),
    ({"dependentRequired": {"a": ["b"]}}, [{"a": 1, "b": 2}, {"c": 1}], [{"a": 1}]),
    ({"dependentSchemas": {"a": {"required": ["b"]}}}, [{"a": 1, "b": 2}], [{"a": 1}]),
    ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, [1], [3]),
    ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, ["a", 6], [4]),
    ({"oneOf": [{"type": "integer"}, {"minimum": 5}]}, [1, 5.5], [6, 1.5]),
    ({"not": {"type": "string"}}, [1], ["a"]),
    ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}}, ["ab", 2], ["a", 1]),
    (
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "object", "properties": {"next": {"$ref": "#"}}}}},
        [{"next": {"next": {}}}],
        [{"next": 1}],
    ),
    ({"$defs": {"s": {"minLength": 3}}, "$ref": "#/$defs/s", "maxLength": 4}, ["abc"], ["ab", "abcde"]),
]


@pytest.mark.parametrize(("schema", "good", "bad"), CASES, ids=range(len(CASES)))
def test_keywords_mean_what_the_standard_says(
    schema: dict[str, object] | bool, good: list[object], bad: list[object]
) -> None:
    """Every keyword takes and refuses what another implementation takes and refuses."""
    ours = Schema(schema)
    theirs = jsonschema_rs.validator_for(schema)
    for value in good:
        assert ours.fits(value, schema), value
        assert theirs.is_valid(value), value
    for value in bad:
        assert not ours.fits(value, schema), value
        assert not theirs.is_valid(value), value


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "https://example.com/schema"}, "inside the schema"),
        ({"$ref": "#/nowhere"}, "leads nowhere"),
        ({"$ref": "#"}, "circle"),
        ({"type": "text"}, "no type"),
        ({"minimum": "1"}, "expected a number"),
        ({"required": "a"}, "expected a list"),
        ({"properties": []}, "expected an object"),
        ({"pattern": "("}, "cannot be read"),
        ({"pattern": 1}, "must be a string"),
        ({"multipleOf": 0}, "above zero"),
        ({"unevaluatedProperties": False}, "not supported"),
        ({"allOf": [3]}, "must be an object or a boolean"),
    ],
)
def test_what_is_not_understood_is_refused(schema: dict[str, object], words: str) -> None:
    """A schema that cannot be followed is named, never passed over."""
    values: list[object] = [1.5, "a", {}]
    with pytest.raises(UnsupportedSchema, match=words):
        [Schema(schema).fits(value, schema) for value in values]


def test_endless_schemas_end() -> None:
    """A schema that never comes to a value is refused."""
    schema = {"allOf": [{"$ref": "#"}]}
    with pytest.raises(UnsupportedSchema, match="nests too deeply"):
        Schema(schema).fits(1, schema)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=200)
@given(_JSON, _JSON)
def test_equality_is_that_of_json(left: object, right: object) -> None:
    """Values are equal as the standard has it, `true` and `1` apart."""
    assert same(left, right) == jsonschema_rs.is_valid({"const": left}, right)
