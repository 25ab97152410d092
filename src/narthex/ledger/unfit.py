"""Entries that no database takes: set aside in a file, so that no other entry waits for them."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import msgspec

from narthex.ledger.entries import Entry

logger = logging.getLogger(__name__)

FILE: Final = "unfit.jsonl"
_encode = msgspec.json.Encoder().encode


class UnfitEntries(Exception):
    """The database works, and does not take one of these entries."""


class Rows(Protocol):
    """Where entries end up."""

    def add(self, entries: Sequence[Entry]) -> int:
        """Write entries, those that are there already excepted; return how many were new. It blocks.

        Raises:
            UnfitEntries: One of them is not taken, whenever it is tried, and none of them is written.
            Exception: They could not be written, and none of them is.
        """
        ...


@runtime_checkable
class Forgetting(Protocol):
    """Rows that know who was erased."""

    def forgotten(self, entry: Entry) -> Entry:
        """Return an entry in which nobody stands by name who was erased. It blocks.

        Raises:
            Exception: That cannot be known at the moment.
        """
        ...


class Sieve:
    """Writes what can be written, and sets aside what cannot.

    Attributes:
        unfit: Entries that were set aside.
    """

    def __init__(self, rows: Rows, folder: Path) -> None:
        """Take where entries end up, and the folder of the file for those that cannot."""
        self._rows = rows
        self._forgotten = rows.forgotten if isinstance(rows, Forgetting) else None
        self._path = folder / FILE
        self._aside: set[str] = set()
        self.unfit = 0

    def add(self, entries: Sequence[Entry]) -> int:
        """Write entries as `Rows.add` does; those that are not taken are in a file then.

        Raises:
            Exception: They could not be written for another reason, and may be tried again.
        """
        try:
            return self._rows.add(entries)
        except UnfitEntries as error:
            if len(entries) == 1:
                self._set_aside(entries[0], error)
                return 0
            # Found by halves: few of many are unfit, if any.
            middle = len(entries) // 2
            return self.add(entries[:middle]) + self.add(entries[middle:])

    def set_aside(self, entries: Sequence[Entry], why: str) -> None:
        """Set entries aside of which nobody knows whether they are counted."""
        for entry in entries:
            self._set_aside(entry, why)

    def _set_aside(self, entry: Entry, why: Exception | str) -> None:
        if entry.id in self._aside:
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # Not while somebody is erased from it; whoever was erased before is asked for behind the lock.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, self._line(entry, str(why)))
        finally:
            os.close(descriptor)
        self._aside.add(entry.id)
        self.unfit += 1
        logger.error("the ledger does not take entry %s, which is set aside in %s: %s", entry.id, self._path, why)

    def _line(self, entry: Entry, why: str) -> bytes:
        kept = entry if self._forgotten is None else self._forgotten(entry)
        # What the database said may quote the entry.
        said = why if kept.end_user == entry.end_user else kept.end_user
        return _encode({"why": said, "entry": msgspec.structs.asdict(kept)}) + b"\n"
