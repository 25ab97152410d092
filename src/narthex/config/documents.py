"""Configuration files: found, read, and kept with the place of every value."""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from narthex.config.origins import KeyPath, Origin
from narthex.config.problems import Problem
from narthex.config.toml_places import Places, toml_places

FILE_NAMES = ("narthex.toml", "narthex.yaml", "narthex.yml")
"""What a configuration file is called where none is named."""

_MAX_BYTES = 4_194_304
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TOML_TWICE = re.compile(r"Cannot declare (\(.*\)) twice")
_QUOTED = re.compile(r"'([^']*)'")
_TOML_REMEDIES = {
    "Invalid value": "text needs quotes, truth is `true` or `false`, a list ends in `]`",
    "Expected '=' after a key in a key/value pair": "write `key = value`, and the names of tables in `[brackets]`",
    "Invalid statement": "write `key = value` or `[table]`",
    "Unclosed array": "close it with `]`",
    "Illegal character '\\n'": "close the quotes on the same line",
    "Cannot overwrite a value": "the key stands here a second time; keep one",
    "Expected newline or end of document after a statement": "one `key = value` a line; text needs quotes",
}


@dataclass(slots=True)
class Document:
    """What a file says, and where."""

    path: Path | None = None
    """The file; None if there is none."""
    digest: bytes | None = None
    """SHA-256 of what was read."""
    values: dict[str, object] = field(default_factory=dict)
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    is_broken: bool = False
    """Whether it could not be read, so that `values` says nothing."""


def find_file(*, named: Path | None, environ: Mapping[str, str], directory: Path) -> tuple[Path | None, list[Problem]]:
    """Return the file to read: the one named, else the one in `directory`, else the user's own.

    Two candidates in one folder are a problem: one of them would be silently ignored.
    """
    variable = environ.get("NARTHEX_CONFIG")
    chosen = named or (Path(variable) if variable else None)
    if chosen is not None:
        return (directory / chosen.expanduser()), []
    for folder in (directory, _user_folder(environ)):
        found = [folder / name for name in FILE_NAMES if (folder / name).is_file()]
        if len(found) > 1:
            message = f"{found[1].name} stands beside it; keep one, or name one with `--config`"
            return found[0], [Problem(message=message, origin=_origin(found[0], directory))]
        if found:
            return found[0], []
    return None, []


def _user_folder(environ: Mapping[str, str]) -> Path:
    home = Path(environ["HOME"]) if environ.get("HOME") else Path("~").expanduser()
    root = environ.get("XDG_CONFIG_HOME")
    return (Path(root) if root else home / ".config") / "narthex"


def read_document(path: Path, *, directory: Path) -> Document:
    """Read one file, TOML or YAML by its ending; what is wrong with it stands in `problems`."""
    document = Document(path=path)
    text = _text(document, directory)
    if text is None:
        return document
    is_yaml = path.suffix.lower() in {".yaml", ".yml"}
    parsed = _parse_yaml(document, text, directory) if is_yaml else _parse_toml(document, text, directory)
    if parsed is None:
        return document
    values, places = parsed
    _keep(document, values, places, directory)
    return document


def _text(document: Document, directory: Path) -> str | None:
    path = cast("Path", document.path)
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "no such file").lower()
        _break(document, directory, f"cannot be read: {reason}; name another with `--config`")
        return None
    document.digest = hashlib.sha256(data).digest()
    if len(data) > _MAX_BYTES:
        _break(document, directory, f"larger than {_MAX_BYTES} bytes; this is not a configuration file")
        return None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = _place_of_byte(data, error.start)
        _break(document, directory, "not UTF-8; save the file in that encoding", place)
        return None


def _place_of_byte(data: bytes, offset: int) -> tuple[int, int]:
    start = data.rfind(b"\n", 0, offset) + 1
    return data.count(b"\n", 0, offset) + 1, len(data[start:offset].decode("utf-8", "replace")) + 1


def _parse_toml(document: Document, text: str, directory: Path) -> tuple[dict[str, object], Places] | None:
    try:
        values: dict[str, object] = tomllib.loads(text)
    except RecursionError:
        _break(document, directory, "not valid TOML: nested too deeply")
        return None
    except ValueError as error:  # also numbers with more digits than Python converts
        message, place = _toml_message(str(error), text)
        _break(document, directory, f"not valid TOML: {message}", place)
        return None
    return values, toml_places(text)


def _toml_message(raw: str, text: str) -> tuple[str, tuple[int, int]]:
    found = _TOML_PLACE.search(raw)
    message = raw[: found.start()] if found else raw
    place = (text.count("\n") + 1, 1)
    if found and found[1]:
        place = (int(found[1]), int(found[2]))
    twice = _TOML_TWICE.fullmatch(message)
    if twice:
        return f"[{'.'.join(re.findall(_QUOTED, twice[1]))}] stands here a second time; keep one", place
    remedy = _TOML_REMEDIES.get(message)
    said = message[:1].lower() + message[1:]
    return (f"{said}; {remedy}" if remedy else said), place


def _parse_yaml(document: Document, text: str, directory: Path) -> tuple[dict[str, object], Places] | None:
    from narthex.config.yaml_documents import YamlProblem, read_yaml  # noqa: PLC0415 - half of all starts need no YAML

    try:
        values, places = read_yaml(text)
    except YamlProblem as error:
        _break(document, directory, f"not valid YAML: {error.message}", (error.line, error.column))
        return None
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        _break(document, directory, "expected names with values, such as `server:`")
        return None
    return values, places


def _break(document: Document, directory: Path, message: str, place: tuple[int, int] | None = None) -> None:
    origin = _origin(cast("Path", document.path), directory, place)
    document.problems.append(Problem(message=message, origin=origin))
    document.is_broken = True


def _keep(document: Document, values: dict[str, object], places: Places, directory: Path) -> None:
    path = cast("Path", document.path)
    document.origins = {key: _origin(path, directory, place) for key, place in places.items()}
    document.values = cast("dict[str, object]", _plain(values, (), document))


def _plain(value: object, path: KeyPath, document: Document) -> object:
    """Return a value without what JSON cannot carry; what is left out is a problem."""
    if isinstance(value, dict):
        pairs = ((key, _plain(item, (*path, key), document)) for key, item in value.items())
        return {key: item for key, item in pairs if item is not _UNUSABLE}
    if isinstance(value, list):
        items = (_plain(item, (*path, index), document) for index, item in enumerate(value))
        return [item for item in items if item is not _UNUSABLE]
    message = _why_unusable(value)
    if message is None:
        return value
    document.problems.append(Problem(message=message, path=path, origin=document.origins[path]))
    return _UNUSABLE


_UNUSABLE = object()


def _why_unusable(value: object) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "expected a finite number"
    if isinstance(value, str):
        return None if value.isascii() or _is_unicode(value) else "half a surrogate pair is not a character"
    if value is None or isinstance(value, int | float):
        return None
    return "a date or time has no use here; put text in quotes"


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _origin(path: Path, directory: Path, place: tuple[int, int] | None = None) -> Origin:
    name = str(path.relative_to(directory)) if path.is_relative_to(directory) else str(path)
    line, column = place or (None, None)
    return Origin(kind="file", name=name, line=line, column=column)


def children(values: Mapping[str, object], path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Yield every leaf below `values` with its path; lists and empty tables are leaves."""
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict) and value:
            yield from children(cast("dict[str, object]", value), here)
        else:
            yield here, value
