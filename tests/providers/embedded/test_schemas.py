"""JSON schemas that may be handed to the engine."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest
from narthex.providers.embedded.schemas import Schema, check_schema, moved


def _deep(depth: int) -> Schema:
    schema: Schema = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (_deep(100), "nested"),
        ({"anyOf": [{"type": "string"}] * 3_000}, "parts"),
        ({"properties": {f"p{number}": True for number in range(257)}}, "257|256 properties"),
        ({"enum": list(range(501))}, "500 values"),
        ({"const": "x" * 2_001}, "2000 characters"),
    ],
)
def test_what_would_choke_the_engine_is_refused(schema: Schema, reason: str) -> None:
    """Each limit refuses with its reason, and names the place in the request."""
    with pytest.raises(InvalidRequest, match=reason) as caught:
        check_schema(schema, "response_format.json_schema.schema")
    assert caught.value.param == "response_format.json_schema.schema"


def test_ordinary_schemas_pass() -> None:
    """What people write is far below the limits."""
    check_schema({"type": "object", "properties": {"a": _deep(10), "b": {"enum": ["x", "y"]}}}, "here")


def test_references_move_with_the_schema() -> None:
    """References into the schema itself point to its new place; names and values that look like them stay."""
    schema: Schema = {
        "type": "object",
        "properties": {"$ref": {"$ref": "#/$defs/leaf"}, "self": {"$ref": "#"}, "other": {"$ref": "https://x/y"}},
        "$defs": {"leaf": {"const": {"$ref": "#/kept"}}, "list": {"anyOf": [{"$ref": "#/$defs/leaf"}, 5]}},
    }
    assert moved(schema, "#/$defs/tool_0") == {
        "type": "object",
        "properties": {
            "$ref": {"$ref": "#/$defs/tool_0/$defs/leaf"},
            "self": {"$ref": "#/$defs/tool_0"},
            "other": {"$ref": "https://x/y"},
        },
        "$defs": {
            "leaf": {"const": {"$ref": "#/kept"}},
            "list": {"anyOf": [{"$ref": "#/$defs/tool_0/$defs/leaf"}, 5]},
        },
    }
