"""JSON schemas that may be handed to the engine.

The engine turns a schema into a grammar and holds every token against it. What it cannot turn it refuses; what would
take it minutes or gigabytes is refused here: two thousand optional properties take half a minute on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from narthex.errors import InvalidRequest

Schema = dict[str, object]

MAX_DEPTH = 64
MAX_NODES = 4_000
MAX_PROPERTIES = 256
MAX_ENUM = 500
MAX_TEXT = 2_000

_NAMED = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
"""Keywords whose members are named by the caller: a property may be called `$ref`."""
_LITERAL = frozenset({"const", "enum", "default", "example", "examples"})
"""Keywords that hold values, not schemas."""


def check_schema(schema: Mapping[str, object], param: str) -> None:
    """Make sure that a schema is of a size that the engine can take.

    Args:
        schema: As the caller sent it.
        param: Where it stands in the request.

    Raises:
        InvalidRequest: It is too big in some way; the message says which.
    """
    for node, (value, depth) in enumerate(_walk(schema)):
        if node >= MAX_NODES:
            raise _too_big(param, f"it has more than {MAX_NODES} parts")
        if depth > MAX_DEPTH:
            raise _too_big(param, f"it is nested more than {MAX_DEPTH} deep")
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise _too_big(param, f"it holds a text of more than {MAX_TEXT} characters")
        if isinstance(value, dict):
            _check_members(value, param)


def _check_members(value: dict[str, object], param: str) -> None:
    properties, choices = value.get("properties"), value.get("enum")
    if isinstance(properties, dict) and len(properties) > MAX_PROPERTIES:
        raise _too_big(param, f"an object has more than {MAX_PROPERTIES} properties")
    if isinstance(choices, list) and len(choices) > MAX_ENUM:
        raise _too_big(param, f"an enum has more than {MAX_ENUM} values")


def _too_big(param: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"{param}: the embedded model cannot follow this JSON schema: {reason}", param=param)


def _walk(root: object) -> Iterator[tuple[object, int]]:
    """Yield everything inside with its depth, without recursion: the depth is the caller's choice."""
    left: list[tuple[object, int]] = [(root, 0)]
    while left:
        value, depth = left.pop()
        yield value, depth
        if isinstance(value, dict):
            left += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            left += [(inner, depth + 1) for inner in value]


def moved(schema: Mapping[str, object], place: str) -> Schema:
    """Return a schema with its references into itself changed for its new place inside a bigger one.

    Args:
        schema: Checked, so of limited depth.
        place: Where it will stand, as a pointer such as `#/$defs/tool_0`.
    """
    return _moved_members(schema, lambda pointer: place + pointer.removeprefix("#"))


def _moved_members(schema: Mapping[str, object], to: Callable[[str], str]) -> Schema:
    changed: Schema = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str) and value.startswith("#"):
            changed[key] = to(value)
        elif key in _NAMED and isinstance(value, dict):
            changed[key] = {name: _moved(inner, to) for name, inner in value.items()}
        else:
            changed[key] = value if key in _LITERAL else _moved(value, to)
    return changed


def _moved(value: object, to: Callable[[str], str]) -> object:
    if isinstance(value, dict):
        return _moved_members(value, to)
    if isinstance(value, list):
        return [_moved(inner, to) for inner in value]
    return value
