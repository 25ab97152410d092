"""Several streams made one: what comes of whom, when, and in which order it goes on. Pure, without I/O.

Whoever joins is told of each source what arrives and how it ends, in whatever order that happens, and says what goes
on. Of each source its events come in their order, none is lost of one that is wanted, none comes twice; and all is over
only when every source has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from narthex.errors import NarthexError
from narthex.types.events import Ended, Event, Finished, is_content
from narthex.types.merging import MergeMode


class Said(NamedTuple):
    """An event of a source that goes on."""

    source: int
    event: Event


class Over(NamedTuple):
    """The end of a source that goes on."""

    source: int
    error: NarthexError | None
    """Why its answer is not whole; None if it is."""


Step = Said | Over


class Joining(Protocol):
    """A way of making several streams one."""

    @property
    def winner(self) -> int | None:
        """The only source that is still wanted, where one has been chosen."""
        ...

    @property
    def over(self) -> bool:
        """Whether every source has ended."""
        ...

    def arrive(self, source: int, event: Event) -> Sequence[Step]:
        """Take in an event, and return what goes on now."""
        ...

    def end(self, source: int, error: NarthexError | None) -> Sequence[Step]:
        """Take in the end of a source, once, and return what goes on now."""
        ...


class Interleaving:
    """Everything goes on as it arrives."""

    def __init__(self, sources: int) -> None:
        self._open = set(range(sources))

    @property
    def winner(self) -> int | None:
        """Nobody: all are wanted."""
        return None

    @property
    def over(self) -> bool:
        """Whether every source has ended."""
        return not self._open

    def arrive(self, source: int, event: Event) -> Sequence[Step]:
        """Return the event."""
        return (Said(source, event),)

    def end(self, source: int, error: NarthexError | None) -> Sequence[Step]:
        """Return the end."""
        self._open.discard(source)
        return (Over(source, error),)


class Racing:
    """The source whose first content comes first goes on alone; where none has any, the first that ends well."""

    def __init__(self, sources: int) -> None:
        self.winner: int | None = None
        self._open = set(range(sources))
        self._held: dict[int, list[Event]] = {source: [] for source in range(sources)}
        self._ended: dict[int, NarthexError | None] = {}

    @property
    def over(self) -> bool:
        """Whether every source has ended."""
        return not self._open

    def arrive(self, source: int, event: Event) -> Sequence[Step]:
        """Hold events back until somebody says something."""
        if self.winner == source:
            return (Said(source, event),)
        if self.winner is not None:
            return ()
        self._held[source].append(event)
        return self._win(source) if _says(event) else ()

    def end(self, source: int, error: NarthexError | None) -> Sequence[Step]:
        """Return the end of the winner; if it was the last, and nobody has said anything, all there is."""
        self._open.discard(source)
        if self.winner is not None:
            return (Over(source, error),) if source == self.winner else ()
        self._ended[source] = error
        if self._open:
            return ()
        well = next((one for one, why in self._ended.items() if why is None), None)
        if well is not None:
            return (*self._win(well), Over(well, None))
        return [Over(one, why) for one, why in self._ended.items()]

    def _win(self, source: int) -> Sequence[Step]:
        self.winner = source
        held, self._held = self._held[source], {}
        return [Said(source, event) for event in held]


class Queueing:
    """One source after the other, in their order; what comes before its turn is held."""

    def __init__(self, sources: int) -> None:
        self._sources = sources
        self.turn = 0
        """Whose turn it is; the number of sources when all have had theirs."""
        self._held: dict[int, list[Step]] = {}
        self._ended: set[int] = set()

    @property
    def winner(self) -> int | None:
        """Nobody: all are wanted."""
        return None

    @property
    def over(self) -> bool:
        """Whether every source has ended."""
        return self.turn == self._sources

    def arrive(self, source: int, event: Event) -> Sequence[Step]:
        """Return the event if it is the turn of its source."""
        return self._take(source, Said(source, event))

    def end(self, source: int, error: NarthexError | None) -> Sequence[Step]:
        """Return the end, and what was held of those whose turn it is then."""
        self._ended.add(source)
        steps = list(self._take(source, Over(source, error)))
        while self.turn in self._ended:
            self.turn += 1
            steps += self._held.pop(self.turn, ())
        return steps

    def _take(self, source: int, step: Step) -> Sequence[Step]:
        if source == self.turn:
            return (step,)
        self._held.setdefault(source, []).append(step)
        return ()


def joining(mode: MergeMode, sources: int) -> Joining:
    """Return the way of a mode; answers for a judge are told apart by who collects them."""
    match mode:
        case "interleave" | "best_of":
            return Interleaving(sources)
        case "race":
            return Racing(sources)
        case "sequence":
            return Queueing(sources)


def _says(event: Event) -> bool:
    """Tell whether an event wins a race: an answer that ends without a word has said nothing."""
    return is_content(event) and not isinstance(event, Finished | Ended)
