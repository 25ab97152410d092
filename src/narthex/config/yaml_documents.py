"""YAML read by the core schema of YAML 1.2, with the place of every key.

`no` and `on` are words, `0o17` and `1e3` are numbers, duplicate keys and merge keys are refused.
See https://yaml.org/spec/1.2.2/#103-core-schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from narthex.config.origins import KeyPath
from narthex.config.toml_places import Places

_MAX_NODES = 100_000
_MAX_DEPTH = 50
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TAG_PREFIX = "tag:yaml.org,2002:"

_Event = yaml.events.Event


class YamlProblem(Exception):
    """The text is not the YAML that is read here."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        """Keep the place, counted from 1."""
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


def read_yaml(text: str) -> tuple[object, Places]:
    """Return the one document of a YAML text, and where each key and list item stands.

    Raises:
        YamlProblem: It is not valid, holds a duplicate key or an unknown tag, or is unreasonably large.
    """
    try:
        return _Composer(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        if mark and "\t" in "".join(text.split("\n")[mark.line : mark.line + 1]):
            message = f"{message}; indent with spaces, not with tabs"
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YamlProblem(message, line=place[0], column=place[1]) from error
    except yaml.YAMLError as error:
        raise YamlProblem(str(error).partition("\n")[0], line=1, column=1) from error


class _Composer:
    """Builds plain values from parser events."""

    def __init__(self, text: str) -> None:
        # The C loader is optional in PyYAML; both give the same events.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events: Iterator[_Event] = yaml.parse(text, Loader=loader)
        self._anchors: dict[str, object] = {}
        self._places: Places = {}
        self._nodes = 0

    def document(self) -> tuple[object, Places]:
        value: object = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _problem(event, "a second document begins here; keep one")
                value = self._value(next(self._events), ())
        return value, self._places

    def _value(self, event: _Event, path: KeyPath) -> object:
        self._count(event, path)
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        anchor = getattr(event, "anchor", None)
        value = self._fresh(event, path)
        if anchor:
            self._anchors[anchor] = value
        return value

    def _fresh(self, event: _Event, path: KeyPath) -> object:
        match event:
            case yaml.MappingStartEvent():
                _refuse_tag(event, event.tag, ("map",))
                return self._mapping(path)
            case yaml.SequenceStartEvent():
                _refuse_tag(event, event.tag, ("seq",))
                return self._sequence(path)
            case yaml.ScalarEvent():
                return _scalar(event)
            case _:
                raise _problem(event, "a value was expected here")

    def _mapping(self, path: KeyPath) -> dict[str, object]:
        values: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = _key(event)
            if key in values:
                raise _problem(event, f'the key "{key}" stands here a second time; keep one')
            self._note((*path, key), event)
            values[key] = self._value(next(self._events), (*path, key))
        return values

    def _sequence(self, path: KeyPath) -> list[object]:
        values: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            here = (*path, len(values))
            self._note(here, event)
            values.append(self._value(event, here))
        return values

    def _aliased(self, event: yaml.AliasEvent) -> object:
        name = str(event.anchor)
        if name not in self._anchors:
            raise _problem(event, f'the alias "*{name}" names no anchor above it')
        value = self._anchors[name]
        self._nodes += _size(value)
        return value

    def _count(self, event: _Event, path: KeyPath) -> None:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise _problem(event, f"more than {_MAX_NODES} values")
        if len(path) > _MAX_DEPTH:
            raise _problem(event, f"nested more than {_MAX_DEPTH} deep")

    def _note(self, path: KeyPath, event: _Event) -> None:
        self._places[path] = _place(event)


def _key(event: _Event) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise _problem(event, "a key must be plain text")
    text = str(event.value)
    if text == "<<" and not event.style:  # None or empty, by loader
        raise _problem(event, "merge keys (`<<`) are not part of YAML 1.2; repeat the values")
    return text


def _scalar(event: yaml.ScalarEvent) -> object:
    _refuse_tag(event, event.tag, ("str", "int", "float", "bool", "null"))
    text = str(event.value)
    if event.style or (event.tag or "").endswith(":str") or event.tag == "!":
        return text
    return _plain(event, text)


def _plain(event: _Event, text: str) -> object:
    """Resolve an unquoted scalar by the core schema."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return _TRUE.fullmatch(text) is not None
    return _number(event, text)


def _number(event: _Event, text: str) -> object:
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if not _NUMBER.fullmatch(text) and not _OCTAL.fullmatch(text) and not _HEXADECIMAL.fullmatch(text):
        return text
    try:
        if _INTEGER.fullmatch(text):
            return int(text)
        return float(text) if _NUMBER.fullmatch(text) else int(text, 0)
    except ValueError as error:
        raise _problem(event, "a number with too many digits") from error


def _refuse_tag(event: _Event, tag: str | None, known: tuple[str, ...]) -> None:
    if tag and tag != "!" and tag.removeprefix(_TAG_PREFIX) not in known:
        raise _problem(event, f'the tag "{tag.replace(_TAG_PREFIX, "!!")}" is not read here; remove it')


def _size(value: object) -> int:
    """Count the values inside a value: an alias costs what it stands for."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def _problem(event: _Event, message: str) -> YamlProblem:
    line, column = _place(event)
    return YamlProblem(message, line=line, column=column)


def _place(event: _Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
