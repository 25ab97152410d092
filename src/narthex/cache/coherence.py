"""What processes that share entries tell one another: which of them are void.

Each process numbers its declarations for itself (`Invalidation`), and so nobody waits for others to know what it has
declared. Where entries lie that others read too, there is one more row of numbers, which whoever keeps them in common
gives out: an entry goes there with the shared number that was known here when its question was asked, and is read by
those who know what was declared since. A declaration made here that has no shared number yet concerns everything that
lies there. In doubt an entry is void.
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from narthex.cache.invalidation import Invalidation, pattern_of

MAX_WAITING: Final = 1_000
"""Declarations that wait to be told; where there are more, they are told as one that declares everything void."""
MAX_KNOWN: Final = 4_096
"""Steps of the shared numbers that are held; an answer that was asked for before them stays with this process."""
ENTRY_TAG: Final = "entry:"
"""Begins the tag of a single entry."""


class Declaration(msgspec.Struct, frozen=True, array_like=True):
    """What is void from now on."""

    tags: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    everything: bool = False
    name: str = ""
    """Tells it from others; begins with who made it."""

    def concerns(self, tags: Iterable[str]) -> bool:
        """Tell whether what has these tags is void."""
        if self.everything:
            return True
        tags = tuple(tags)
        if any(tag in self.tags for tag in tags):
            return True
        return any(pattern_of(pattern).fullmatch(tag) for pattern in self.patterns for tag in tags)


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A declaration and its place among all others."""

    number: int
    previous: int
    """Number of the one before; of the first of all 0."""
    declaration: Declaration


def entry_tag(key: bytes) -> str:
    """Return the tag of a single entry."""
    return f"{ENTRY_TAG}{key.hex()}"


class Coherence:
    """Knows what this process and others have declared void.

    Attributes:
        when_told: Called when there is something to tell.
        when_heard: Called with the keys of single entries that others have declared void.
        lost: How often so much was missed that everything was declared void.
        began_us: Numbers below it were given out before this process had anything in memory, by the clock that it goes
            by itself; 0 where that is another one.
    """

    def __init__(self, own: Invalidation) -> None:
        """Begin without any shared number.

        Args:
            own: What is void in this process's memory.
        """
        self.when_told: Callable[[], None] = lambda: None
        self.when_heard: Callable[[Sequence[bytes]], object] = lambda _keys: None
        self.lost = self.began_us = 0
        self._own = own
        self._shared = Invalidation()
        self._known = False
        self._writer = secrets.token_hex(8)
        self._count = 0
        self._waiting: dict[str, Declaration] = {}
        # Which shared number was known from which own number on; both rise.
        self._steps: list[tuple[int, int]] = []

    @property
    def number(self) -> int:
        """The last shared number that is known."""
        return self._shared.number

    @property
    def waiting(self) -> tuple[Declaration, ...]:
        """What was declared here and has no shared number yet, the oldest first."""
        return tuple(self._waiting.values())

    def declare(
        self, *, tags: Iterable[str] = (), patterns: Iterable[str] = (), everything: bool = False
    ) -> Declaration:
        """Take note of what was declared void here, and is to be told."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            everything = True
        self._count += 1
        name = f"{self._writer}:{self._count}"
        made = Declaration(() if everything else tuple(tags), () if everything else tuple(patterns), everything, name)
        self._waiting[name] = made
        self.when_told()
        return made

    def anew(self) -> Declaration:
        """Return the declaration with which a row of numbers begins: of all that lies where nothing is known of it."""
        return Declaration(everything=True, name="" if self._known else f"{self._writer}:0")

    def hear(self, told: Sequence[Told]) -> None:
        """Take over what was declared, in the order of the numbers."""
        for one in told:
            if one.number <= self._shared.number:
                continue
            if one.previous != self._shared.number:
                self._miss(one)
            self._take(one)
        self._step()

    def joined(self) -> None:
        """Take note that all that was declared so far is known."""
        self._known = True
        self._step()

    def _miss(self, one: Told) -> None:
        """What came between is not known: everything asked before is void."""
        if self._known:
            self._lose(one.previous)
        elif one.previous:
            # This process has just begun: only what others have written may be concerned.
            self._shared.declare_all(number=one.previous)
            if one.previous >= self.began_us:
                self._own.declare_all()

    def _lose(self, number: int) -> None:
        self.lost += 1
        self._shared.declare_all(number=number)
        self._own.declare_all()

    def _take(self, one: Told) -> None:
        said = one.declaration
        if said.everything:
            self._shared.declare_all(number=one.number)
        else:
            self._shared.declare(tags=said.tags, patterns=said.patterns, number=one.number)
        if self._waiting.pop(said.name, None) is not None or said.name.startswith(f"{self._writer}:"):
            # It has held here since it was made.
            return
        if one.number < self.began_us:
            return
        if said.everything:
            self._own.declare_all()
        else:
            self._own.declare(tags=said.tags, patterns=said.patterns)
            keys = list(_keys(said.tags))
            if keys:
                self.when_heard(keys)

    def _step(self) -> None:
        """Take note that what is asked from now on is asked with what is known now."""
        if self._known and (not self._steps or self._steps[-1][1] < self._shared.number):
            self._steps.append((self._own.declare(), self._shared.number))
            del self._steps[:-MAX_KNOWN]

    # -- entries that others read --------------------------------------------------------------------------------------

    def number_at(self, own: int) -> int | None:
        """Return which shared number was known when a question was asked; None if none was, or too long ago.

        Args:
            own: The last number of this process at that time.
        """
        place = bisect_right(self._steps, own, key=lambda step: step[0])
        return self._steps[place - 1][1] if place else None

    def is_void(self, key: bytes, tags: Iterable[str], number: int) -> bool:
        """Tell whether an entry is void that lies where others have written it, with its shared number."""
        if not self._known:
            return True
        named = (*tags, entry_tag(key))
        if self._shared.is_void(named, number):
            return True
        return any(one.concerns(named) for one in self._waiting.values())


def _keys(tags: Iterable[str]) -> Iterator[bytes]:
    for tag in tags:
        if tag.startswith(ENTRY_TAG):
            try:
                yield bytes.fromhex(tag.removeprefix(ENTRY_TAG))
            except ValueError:
                continue
