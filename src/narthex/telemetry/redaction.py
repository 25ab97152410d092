"""Takes names out of request logs that were written, and lines that are too old."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec

from narthex.telemetry.request_log import alone

_PATTERN: Final = "requests*.jsonl"
_decode: Final = msgspec.json.Decoder(dict[str, object]).decode

Line = dict[str, object]
Edit = Callable[[Line], Line | None]
"""Returns a line as it is to be: the same where it stays, None where it goes."""


def redact(folder: Path, names: Collection[str], *, instead: str) -> int:
    """Put a word in place of the names of keys in all request logs; return how many lines were changed.

    A server that runs waits with its next lines until that is done.
    """
    return _rewrite(folder, lambda line: {**line, "key": instead} if line.get("key") in names else line)


def rename_keys(folder: Path, named: Callable[[str, float], str]) -> int:
    """Put others in place of names of keys, by the name and when its call began; return how many lines changed."""

    def edit(line: Line) -> Line:
        key, at = line.get("key"), line.get("at")
        if not isinstance(key, str) or not isinstance(at, int | float):
            return line
        name = named(key, at)
        return line if name == key else {**line, "key": name}

    return _rewrite(folder, edit)


def drop_before(folder: Path, since: float) -> int:
    """Take all lines of before a moment, in Unix time in seconds, out of the request logs; return how many."""
    return _rewrite(folder, lambda line: None if _is_before(line, since) else line)


def drop_of_workspaces(folder: Path, since: Mapping[str, float]) -> int:
    """Do so with the lines of workspaces, by their IDs from when on theirs are kept; others stay."""

    def edit(line: Line) -> Line | None:
        began = since.get(str(line.get("workspace")))
        return None if began is not None and _is_before(line, began) else line

    return _rewrite(folder, edit) if since else 0


def _is_before(line: Line, since: float) -> bool:
    at = line.get("at")
    return isinstance(at, int | float) and at < since


def _rewrite(folder: Path, edit: Edit) -> int:
    if not folder.is_dir():
        return 0
    with alone(folder):
        return sum(_rewrite_file(path, edit) for path in sorted(folder.glob(_PATTERN)))


def _rewrite_file(path: Path, edit: Edit) -> int:
    count, kept = 0, bytearray()
    for line in path.read_bytes().splitlines(keepends=True):
        new = _line(line, edit)
        count += new != line
        kept += new
    if count:
        beside = path.with_name(f".{path.name}.new")
        beside.touch(mode=0o600)
        beside.write_bytes(kept)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    return count


def _line(line: bytes, edit: Edit) -> bytes:
    """Return a line as it is to be; one that is damaged stays as it is."""
    try:
        said = _decode(line)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return line
    new = edit(said)
    if new is None:
        return b""
    return line if new is said else msgspec.json.encode(new) + b"\n"
