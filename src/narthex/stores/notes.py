"""Notes that processes leave each other, and which of them hold.

A note says of one topic how it stands; there is one at a time, and what it says is nobody's business here. All writers
meet at one table, which gives each note it takes a version: what came later is newer, whatever clocks say. How long a
note speaks for is told in seconds from now, so that no two clocks need agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol


class Manner(StrEnum):
    """With what right a note is written, the strongest first."""

    HAND = "hand"
    """Somebody wants it so: it holds."""
    EVENT = "event"
    """Something happened: it holds unless the topic is held by hand."""
    CLAIM = "claim"
    """It follows from the note that its writer knows: it holds if that is still the last one and not held by hand."""
    RESTORE = "restore"
    """It was there before the table lost it: it holds where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A note on its way to the table."""

    topic: str
    text: str
    manner: Manner
    base: int = 0
    """Version of the note that its writer knows; 0 for none."""
    held: bool = False
    """Whether it is to be replaced by hand only."""
    left_s: float = 0.0
    """For how long what it says goes on, in seconds from now."""
    keep_s: float | None = None
    """When it is forgotten, in seconds from now; None for never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note as the table has it."""

    topic: str
    text: str
    version: int
    held: bool
    left_s: float
    """For how long what it says goes on, in seconds from when it was read."""
    writer: str
    """The process that wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a draft."""

    taken: bool
    note: Note
    """The note that holds now: the draft's, or the one that it could not replace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Everything on the table."""

    born: str
    """Stands for the table itself: another value means that what was on it is lost."""
    notes: tuple[Note, ...]


class Table(Protocol):
    """Where the notes lie."""

    async def post(self, draft: Draft, writer: str) -> Verdict:
        """Put a note on the table, if it may replace what is there, and tell all readers.

        Raises:
            StoreUnavailable: Nobody knows whether it is there.
        """
        ...

    async def load(self) -> Contents:
        """Return all notes.

        Raises:
            StoreUnavailable: The table cannot be read.
        """
        ...


@dataclass(slots=True)
class _Kept:
    note: Note
    until_s: float
    forget_s: float | None


class MemoryTable:
    """The notes in memory, for processes that are none of their own: what the other tables do is measured by it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin with an empty table.

        Args:
            clock: Says the seconds, to everybody alike.
        """
        self._clock = clock
        self._version = 0
        self._lives = 0
        self._kept: dict[str, _Kept] = {}
        self.readers: list[Callable[[Note], None]] = []

    def lose(self) -> None:
        """Lose everything, as a server does that kept nothing on disk."""
        self._kept.clear()
        self._lives += 1

    def put(self, draft: Draft, writer: str) -> Verdict:
        """Put a note on the table, if it may replace what is there, and tell all readers."""
        stored = self._stored(draft.topic)
        if stored is not None and not may_replace(draft, stored):
            return Verdict(taken=False, note=stored)
        self._version += 1
        note = Note(
            topic=draft.topic,
            text=draft.text,
            version=self._version,
            held=draft.held,
            left_s=draft.left_s,
            writer=writer,
        )
        now_s = self._clock()
        forget_s = None if draft.keep_s is None else now_s + draft.keep_s
        self._kept[draft.topic] = _Kept(note, now_s + draft.left_s, forget_s)
        for reader in self.readers:
            reader(note)
        return Verdict(taken=True, note=note)

    def contents(self) -> Contents:
        """Return all notes."""
        notes = (self._stored(topic) for topic in list(self._kept))
        return Contents(born=str(self._lives), notes=tuple(note for note in notes if note is not None))

    async def post(self, draft: Draft, writer: str) -> Verdict:
        """See `Table`."""
        return self.put(draft, writer)

    async def load(self) -> Contents:
        """See `Table`."""
        return self.contents()

    def _stored(self, topic: str) -> Note | None:
        kept = self._kept.get(topic)
        if kept is None:
            return None
        now_s = self._clock()
        if kept.forget_s is not None and kept.forget_s <= now_s:
            del self._kept[topic]
            return None
        return replace(kept.note, left_s=max(0.0, kept.until_s - now_s))


def may_replace(draft: Draft, stored: Note) -> bool:
    """Tell whether a draft holds against the note that is there."""
    match draft.manner:
        case Manner.HAND:
            return True
        case Manner.EVENT:
            return not stored.held
        case Manner.CLAIM:
            return not stored.held and stored.version == draft.base
        case Manner.RESTORE:
            return False
