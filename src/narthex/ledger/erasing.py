"""What the ledger holds of persons beside the database: entries that were set aside."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from narthex.ledger.unfit import FILE

_decode: Final = msgspec.json.Decoder(dict[str, object]).decode


def unfit_of(folder: Path, user_id: str) -> list[str]:
    """Return the lines about a user's calls among the entries that were set aside."""
    path = folder / FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line for line in lines if _entry(line.encode()).get("user_id") == user_id]


def rename_unfit(folder: Path, names: Collection[str], instead: str, *, organisation_id: str | None = None) -> int:
    """Put a word in place of the names of end users in the entries that were set aside; return how many lines changed.

    With an organisation only its entries are changed. Whoever sets more entries aside meanwhile waits until it is done.
    """
    path, wanted = folder / FILE, frozenset(name for name in names if name)
    if not wanted or not path.is_file():
        return 0
    with _locked(path) as source:
        data = _whole(source)
        old = data.splitlines(keepends=True)
        lines = [_renamed(line, wanted, instead, organisation_id) for line in old]
        changed = sum(new != before for new, before in zip(lines, old, strict=True))
        if changed:
            # In place, so that whoever waits for the lock writes into the file that stays.
            written = b"".join(lines)
            os.pwrite(source, written + b"\0" * max(0, len(data) - len(written)), 0)
            os.fsync(source)
            os.ftruncate(source, len(written))
    return changed


def _renamed(line: bytes, names: frozenset[str], instead: str, organisation_id: str | None) -> bytes:
    entry = _entry(line)
    if entry.get("end_user") not in names or organisation_id not in {None, entry.get("organisation_id")}:
        return line
    # What the database said may quote the entry.
    return msgspec.json.encode({"why": instead, "entry": {**entry, "end_user": instead}}) + b"\n"


def _entry(line: bytes) -> dict[str, object]:
    """Return the entry of a line; nothing of one that is damaged."""
    try:
        entry = _decode(line).get("entry")
    except (msgspec.DecodeError, msgspec.ValidationError):
        return {}
    return entry if isinstance(entry, dict) else {}


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _whole(descriptor: int) -> bytes:
    parts: list[bytes] = []
    while part := os.pread(descriptor, 1 << 20, sum(map(len, parts))):
        parts.append(part)
    return b"".join(parts)
