"""Takes over the journals of processes that are gone: at the start of the next, or by hand."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from narthex.ledger.entries import Entry
from narthex.ledger.journal import Abandoned, abandoned
from narthex.ledger.records import left_behind
from narthex.ledger.unfit import Sieve

logger = logging.getLogger(__name__)

_TOO_OLD: Final = "older than entries are kept: it may be in the sums already"
_GROUP: Final = 1_000
"""Entries that are written in one transaction."""


class Taken(NamedTuple):
    """What came of taking over journals."""

    journals: int
    """How many were taken over; they are empty now."""
    entries: int
    """How many entries of them were not there yet."""
    kept: int
    """How many were left: of processes that live, or unreadable."""


def take_over(root: Path, rows: Sieve, unreadable: set[str], *, since: int = 0) -> Taken:
    """Take over what processes that are gone have left behind in a folder of journals.

    A journal that cannot be read, as that of a newer version, is left to who can, and keeps nobody waiting. Entries of
    a time whose entries are removed by their age are set aside: they may have been there, and are in the sums then.

    Args:
        root: The folder.
        rows: Where entries end up.
        since: From when on entries are kept, in milliseconds of Unix time.
        unreadable: Names of journals of which the log has told already that they cannot be read; more are added.

    Raises:
        Exception: It could not be written; what was not is there for the next who comes.
    """
    journals = found = 0
    for journal in abandoned(root):
        written = False
        try:
            entries = _left_in(journal, unreadable)
            if entries is None:
                continue
            rows.set_aside([entry for entry in entries if entry.at < since], _TOO_OLD)
            entries = [entry for entry in entries if entry.at >= since]
            for start in range(0, len(entries), _GROUP):
                found += rows.add(entries[start : start + _GROUP])
            written = True
        finally:
            journal.close(remove=written)
        journals += 1
    kept = sum(one.is_dir() for one in root.iterdir()) if root.is_dir() else 0
    return Taken(journals, found, kept)


def _left_in(journal: Abandoned, unreadable: set[str]) -> Sequence[Entry] | None:
    """Return the entries of a journal; None if it cannot be read, which the log tells once."""
    try:
        return left_behind(journal.records())
    except (msgspec.MsgspecError, ValueError, OSError) as error:
        if journal.folder.name not in unreadable:
            unreadable.add(journal.folder.name)
            logger.error("the journal %s cannot be read, and is left as it is: %s", journal.folder, error)  # noqa: TRY400 - the line says it all
        return None
