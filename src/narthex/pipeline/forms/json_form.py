"""JSON in a model's text: taken as it is, freed of what stands around it, or closed where it was left open."""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson

from narthex.types.json_schemas import compiled


class UnformedJson(ValueError):
    """There is no JSON value in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormedJson:
    """A JSON value, and whether the text had to be changed for it."""

    value: object
    repaired: bool


_FENCED = re.compile(r"```(?:json|JSON)?[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)


def read_json(text: str) -> FormedJson:
    """Return the JSON value that a text holds.

    Raises:
        UnformedJson: There is none, even after repair.
    """
    stripped = text.strip()
    try:
        return FormedJson(value=orjson.loads(stripped), repaired=False)
    except orjson.JSONDecodeError:
        pass
    fenced = _FENCED.search(stripped)
    for candidate in (fenced.group(1) if fenced else None, stripped):
        start = -1 if candidate is None else _start(candidate)
        if candidate is None or start < 0:
            continue
        try:
            return FormedJson(value=orjson.loads(_closed(candidate[start:])), repaired=True)
        except orjson.JSONDecodeError:
            continue
    raise UnformedJson("the text holds no JSON value")


def check_schema(value: object, schema: dict[str, object]) -> str | None:
    """Return what is wrong with a value by its JSON schema; None if nothing is.

    Raises:
        ValueError: The schema itself is not valid.
    """
    return compiled(schema)(value)


def _start(text: str) -> int:
    places = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    return min(places, default=-1)


def _closed(text: str) -> str:
    """Return the value that begins `text`, up to its end; what was left open is closed."""
    open_brackets: list[str] = []
    kept: list[str] = []
    in_string = escaped = False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = not escaped and char == "\\"
        elif char == '"':
            in_string = True
        elif char in "{[":
            open_brackets.append("}" if char == "{" else "]")
        elif char in "}]":
            _drop_trailing_comma(kept)
            if not open_brackets or open_brackets.pop() != char:
                break
        kept.append(char)
        if not open_brackets:
            return "".join(kept)
    if in_string:
        if escaped:
            kept.pop()
        kept.append('"')
    else:
        _drop_trailing_comma(kept)
    return "".join([*kept, *reversed(open_brackets)])


def _drop_trailing_comma(kept: list[str]) -> None:
    place = len(kept) - 1
    while place >= 0 and kept[place].isspace():
        place -= 1
    if place >= 0 and kept[place] == ",":
        del kept[place]
