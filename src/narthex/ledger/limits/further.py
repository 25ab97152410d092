"""What a call holds beside what it held at first, because a further target is asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from narthex.ledger.limits.counters import Counter, Slot
from narthex.types.limits import Limit

Wants = tuple[tuple[Limit, str, int], ...]
"""Limits, each with the value under which it counts, and how much of it."""
Used = Callable[[Limit, str], int]
"""Says how much was used of a limit by one of those whom it concerns."""


class Held(Protocol):
    """What a call holds of some limits, until settled or released; only the first word counts."""

    def holds(self) -> Iterator[tuple[Limit, str, int]]:
        """Yield the limits, each with the value under which it counts, and how much is held."""
        ...

    def settle_each(self, used: Used) -> None:
        """Charge of each limit what was used of it in the place of what was reserved, however much it is."""
        ...

    def release(self) -> None:
        """Give everything back: nothing was used."""
        ...


class FurtherReservation(msgspec.Struct, gc=False):
    """The same, in the memory of this process."""

    _passed: Callable[[Counter], None] | None
    """Told of thresholds that are passed; None once it is settled."""
    _taken: tuple[tuple[Counter, Slot, int], ...]

    def holds(self) -> Iterator[tuple[Limit, str, int]]:
        """See `Held`."""
        for counter, _, held in self._taken:
            yield counter.limit, counter.value, held

    def settle_each(self, used: Used) -> None:
        """See `Held`."""
        passed, self._passed = self._passed, None
        if passed is not None:
            for counter, slot, held in self._taken:
                if counter.settle(slot, held, used(counter.limit, counter.value)) >= counter.alert_at:
                    passed(counter)

    def release(self) -> None:
        """See `Held`."""
        self.settle_each(_nothing)


def _nothing(_limit: Limit, _value: str) -> int:
    return 0
