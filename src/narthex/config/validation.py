"""The values so far against the declared options: every misfit in words, and the settings that remain without them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from narthex.config.layers import Layers
from narthex.config.options import annotation_at, homes_of, is_number, is_secret, names_at, option_at
from narthex.config.origins import KeyPath
from narthex.config.problems import Problem, did_you_mean, kind_of, nearest, shown
from narthex.config.settings import Settings

_MAX_ROUNDS = 20
_LEADING_NUMBER = re.compile(r"\s*([-+]?\d+(?:[._]\d+)*)")
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "path_type": "a path in quotes",
    "tuple_type": "a list in [brackets]",
    "dict_type": "a table of names and values",
    "model_type": "a section of names and values",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """What validation made of the values."""

    settings: Settings
    """Of everything that fits; defaults stand in for what does not."""
    problems: tuple[Problem, ...]
    pruned: tuple[KeyPath, ...]
    """What had to be left out."""


def validate(layers: Layers) -> Validated:
    """Check all values; misfits are reported and left out, so that what remains can still be looked at."""
    values = cast("dict[str, object]", json.loads(json.dumps(layers.values)))
    # Strict JSON refuses the default, because that is a path already and no text.
    values.setdefault("data_dir", str(Settings.model_fields["data_dir"].default))
    problems: list[Problem] = []
    pruned: list[KeyPath] = []
    for _ in range(_MAX_ROUNDS):
        try:
            # JSON in strict mode is the strictness wanted: no text for numbers, no numbers for truth; paths are text.
            settings = Settings.model_validate_json(json.dumps(values), strict=True)
            return Validated(settings=settings, problems=tuple(problems), pruned=tuple(pruned))
        except ValidationError as error:
            found = error.errors(include_url=False)
        problems += [_problem(details, layers) for details in found if _path(details) not in pruned]
        pruned += [_prune(values, details) for details in found]
    return Validated(settings=Settings(), problems=tuple(problems), pruned=((),))


def _prune(values: dict[str, object], details: ErrorDetails) -> KeyPath:
    """Take the misfit out of the values, or what lacks something; of a list nothing else, so the whole list."""
    path = _path(details)
    path = path[:-1] if details["type"] == "missing" else path
    while not _take_out(values, path):
        path = path[:-1]
    return path


def _take_out(values: dict[str, object], path: KeyPath) -> bool:
    """Remove what stands at a path in tables; False if that is an item of a list."""
    if not path:
        values.clear()
        return True
    holder: object = values
    for part in path[:-1]:
        holder = _below(holder, part)
    if isinstance(holder, list):
        return False
    if isinstance(holder, dict):
        cast("dict[object, object]", holder).pop(path[-1], None)
    return True


def _below(holder: object, part: str | int) -> object:
    """Return what stands below; None if it has been taken out already."""
    if isinstance(holder, dict):
        return cast("dict[object, object]", holder).get(part)
    return cast("list[object]", holder)[part] if isinstance(holder, list) and isinstance(part, int) else None


def _path(details: ErrorDetails) -> KeyPath:
    path = details["loc"]
    return path[:-1] if _is_about_name(details) else path


def _is_about_name(details: ErrorDetails) -> bool:
    """Tell whether a name is at fault, not what stands under it; an unknown key may itself be called `[key]`."""
    return details["loc"][-1:] == ("[key]",) and details["type"].startswith("string_")


def _problem(details: ErrorDetails, layers: Layers) -> Problem:
    path = _path(details)
    return Problem(message=_message(details, path), path=path, origin=layers.origin_of(path))


def _message(details: ErrorDetails, path: KeyPath) -> str:
    kind, value = details["type"], details["input"]
    if _is_about_name(details):
        return "not a usable name; use letters, digits, `.`, `_` and `-`, beginning with a letter or digit, at most 64"
    if kind == "missing":
        option = option_at(path)
        return f"is missing; add it: {option.description if option else ''}"
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind in _BOUNDS:
        word, phrase = _BOUNDS[kind]
        return f"must be {phrase} {str(_context(details)[word]).removesuffix('.0')}, got {_got(value, path)}"
    if kind == "literal_error":
        return _not_a_choice(str(_context(details)["expected"]), value, path)
    expected = _EXPECTED.get(kind)
    return _wrong_kind(expected, value, path) if expected else f"{details['msg']}, got {_got(value, path)}"


def _context(details: ErrorDetails) -> Mapping[str, object]:
    return details.get("ctx", {})


def _unknown_key(path: KeyPath) -> str:
    name = str(path[-1])
    near = nearest(name, names_at(path[:-1]))
    if near:
        return f'unknown key; did you mean "{near}"?'
    homes = homes_of(name)
    if homes:
        return f'unknown key here; it belongs to "{homes[0]}"'
    known = ", ".join(names_at(path[:-1]))
    return f"unknown key; known here: {known}"


def _not_a_choice(expected: str, value: object, path: KeyPath) -> str:
    words = re.findall(r"'([^']*)'", expected)
    remedy = did_you_mean(value, words) if isinstance(value, str) else ""
    return f"expected {expected.replace(chr(39), chr(34))}, got {_got(value, path)}{remedy}"


def _wrong_kind(expected: str, value: object, path: KeyPath) -> str:
    if value is None:
        return f"expected {expected}, got nothing; give it a value or remove the line"
    return f"expected {expected}, got {_got(value, path)}{_hint(value, path)}"


def _hint(value: object, path: KeyPath) -> str:
    """Say what to write instead, where that is plain."""
    annotation = annotation_at(path)
    if is_secret(path):
        return ""
    if is_number(annotation) and isinstance(value, str):
        number = _LEADING_NUMBER.match(value)
        return f"; write {number[1]} without quotes" if number else ""
    if annotation is bool and str(value).lower() in {"yes", "on", "1", "no", "off", "0", "true", "false"}:
        return f"; write {'true' if str(value).lower() in {'yes', 'on', '1', 'true'} else 'false'}"
    if annotation is str and isinstance(value, int | float) and not isinstance(value, bool):
        return f'; write "{value}"'
    return ""


def _got(value: object, path: KeyPath) -> str:
    return kind_of(value) if is_secret(path) or isinstance(value, dict | list) else shown(value)
