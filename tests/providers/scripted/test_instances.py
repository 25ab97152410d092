"""Instances of schemas, checked by an implementation that we did not write."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import cast

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.providers.scripted.instances import instance
from narthex.providers.scripted.schemas import KEYWORDS, Schema, UnsupportedSchema
from narthex.testing.chance import random_for

SCHEMAS: list[dict[str, object] | bool] = [
    True,
    {},
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": ["integer", "null"]}}, "required": ["a"]},
    {"type": "object", "required": ["x"], "additionalProperties": {"type": "boolean"}, "minProperties": 3},
    {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["c"], "maxProperties": 2},
    {"type": "array", "items": {"type": "integer", "minimum": 3, "maximum": 9}, "minItems": 5, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"const": 1}, {"type": "string"}], "items": False},
    {"type": "array", "contains": {"const": "here"}, "minContains": 2},
    {"type": "array", "maxItems": 0},
    {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    {"type": "integer", "multipleOf": 7, "minimum": 20},
    {"type": "integer", "maximum": -10},
    {"type": "integer", "multipleOf": 0.5},
    {"allOf": [{"minimum": 1, "maximum": 9}, {"minimum": 5, "maximum": 7}], "type": "integer"},
    {"allOf": [{"required": ["a"], "items": {}}, {"required": ["b"], "items": {}}], "type": "object"},
    {"allOf": [{"allOf": [{"minLength": 3}]}, {"allOf": [{"maxLength": 5}]}, True], "type": "string"},
    {"type": "array", "allOf": [{"items": {"type": "integer"}}, {"items": {"minimum": 7}}], "minItems": 1},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "number", "multipleOf": 0.25, "minimum": 0.3},
    {"type": "number", "minimum": 2, "maximum": 2},
    {"minimum": 1e6},
    {"type": "string", "minLength": 100},
    {"type": "string", "maxLength": 3},
    {"type": "string", "format": "date-time"},
    {"type": "string", "format": "uuid"},
    {"type": "string", "pattern": "^[a-z]{2}[0-9]{2}$"},
    {"type": "null"},
    {"type": "boolean"},
    {"enum": ["red", "green"]},
    {"type": "string", "enum": [1, "x"]},
    {"const": [1, {"a": None}]},
    {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 0}]},
    {"allOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["a"], "properties": {"a": {"minLength": 9}}}]},
    {"allOf": [{"type": "integer", "minimum": 5}, {"type": ["integer", "string"], "maximum": 6}]},
    {
        "$ref": "#/$defs/tree",
        "$defs": {
            "tree": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
                },
                "required": ["value", "children"],
            }
        },
    },
    {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]},
    {"if": {"type": "string"}, "then": {"minLength": 1}},
    {"not": {"type": "integer"}},
    {"type": "object", "properties": {"bad": False, "good": {"type": "string"}}},
    {"type": "object", "properties": {"a": {"type": "string"}}, "dependentRequired": {"a": ["b"]}, "required": ["b"]},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=json.dumps)
def test_instances_fit(schema: dict[str, object] | bool) -> None:
    """Whatever the chance, what is made is a valid instance."""
    validator = jsonschema_rs.validator_for(schema)
    for seed in range(10):
        value = instance(schema, random_for(seed))
        assert validator.is_valid(value), value


def test_the_same_chance_gives_the_same_instance() -> None:
    """Instances are repeatable."""
    schema = SCHEMAS[2]
    assert instance(schema, random_for(1)) == instance(schema, random_for(1))


def test_property_order_is_that_of_the_schema() -> None:
    """Keys come in the order in which the schema declares them, required or not."""
    schema = {"type": "object", "properties": {key: {"type": "null"} for key in "zaqb"}, "required": ["q"]}
    assert list(cast("dict[str, object]", instance(schema, random_for(0)))) == list("zaqb")


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 6},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"enum": ["a"], "type": "integer"},
        {"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]},
        {"type": "array", "items": {"const": 1}, "uniqueItems": True, "minItems": 2},
        {"type": "string", "minLength": 30_000},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "number", "minimum": "x"},
        {"type": "text"},
        {"type": None},
        {"type": ["string", 5]},
        {"allOf": [{"$ref": "#"}]},
        {"const": 10**400, "type": "number", "multipleOf": 7},
        {"minimum": 10**400},
        {"type": "number", "multipleOf": 1e-320, "minimum": 1},
        {"type": "array", "contains": {}, "minContains": 10**400},
        {"type": "string", "format": [], "minLength": "x"},
        {"type": "object", "properties": ["a"]},
        {"type": "object", "required": 5},
        {"not": {}},
        {"$ref": "#/gone"},
        {"anyOf": [False]},
        {"type": "array", "items": {"type": "array", "minItems": 99, "items": {"type": "null"}}, "minItems": 99},
    ],
    ids=json.dumps,
)
def test_what_cannot_be_made_is_refused(schema: object) -> None:
    """A schema without a value, or beyond measure, is refused in words."""
    with pytest.raises(UnsupportedSchema, match=r"\w"):
        instance(schema, random_for(0))


_SCALARS = st.sampled_from(
    [{"type": "string"}, {"type": "integer", "minimum": -3}, {"type": "boolean"}, {"enum": ["a", 1]}, {"type": "null"}]
)
_SCHEMAS = st.recursive(
    _SCALARS,
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner, "minItems": st.integers(0, 3)})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})
        | st.builds(
            lambda properties: {"type": "object", "properties": properties, "required": sorted(properties)[:1]},
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(_SCHEMAS, st.integers())
def test_any_plain_schema_has_an_instance(schema: dict[str, object], seed: int) -> None:
    """Schemas built of the usual keywords always get a valid instance."""
    assert jsonschema_rs.is_valid(schema, instance(schema, random_for(seed)))


_NONSENSE = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.sampled_from(
        [-1, 0, 1, 2, 10**30, 10**400, "", "#", "#/items", "string", "object", "number", "(", "a|b", "\ud800"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYWORDS, "$ref", "then", "format", "minContains", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(_NONSENSE)
def test_any_nonsense_is_answered_or_refused(schema: object) -> None:
    """Whatever is given for a schema, there is a value that fits or a refusal in words, and nothing else."""
    with suppress(UnsupportedSchema):
        assert Schema(schema).fits(instance(schema, random_for(0)), schema)
