"""Which virtual keys were used, when and from where: marked in memory by every call, and written by nobody here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

MOST_ADDRESSES: Final = 20_000
"""Pairs of key and address that wait to be written; beyond it the key alone is marked."""


@dataclass(slots=True)
class Use:
    """When a key was used, and from where."""

    first_ms: int
    last_ms: int
    addresses: dict[str, int] = field(default_factory=dict)
    """When it was first used from each, as far as known, in Unix time in milliseconds."""

    def add(self, other: Use) -> None:
        """Take in what is known of other uses of the same key."""
        self.first_ms, self.last_ms = min(self.first_ms, other.first_ms), max(self.last_ms, other.last_ms)
        for address, at in other.addresses.items():
            self.addresses[address] = min(at, self.addresses.get(address, at))

    @property
    def began_at(self) -> str:
        """The address that it was used from first; empty where none is known."""
        return min(self.addresses, key=self.addresses.__getitem__, default="")


class Sightings:
    """Marks uses on the event loop, which never waits for it; a thread takes them away."""

    def __init__(self, *, clock: Callable[[], float] = time.time, most: int = MOST_ADDRESSES) -> None:
        """Have seen nothing yet.

        Args:
            clock: Tells Unix time in seconds.
            most: Pairs of key and address that are held at once.
        """
        self._clock, self._most = clock, most
        self._seen: dict[tuple[str, str], list[float]] = {}

    def saw(self, key_id: str, peer: tuple[str, int] | None) -> None:
        """Mark that a key was used just now.

        Args:
            key_id: Of the key.
            peer: Address and port that the call came from, if it is known.
        """
        where = (key_id, "" if peer is None else peer[0])
        now, times = self._clock(), self._seen.get(where)
        if times is not None:
            times[1] = now
        elif len(self._seen) < self._most:
            self._seen[where] = [now, now]
        else:
            # There are as many keys as somebody made, and as many addresses as somebody pretends.
            self._seen.setdefault((key_id, ""), [now, now])[1] = now

    def take(self) -> dict[str, Use]:
        """Return what was seen since, by the IDs of keys; from any thread."""
        uses: dict[str, Use] = {}
        while self._seen:
            # One by one: what is marked meanwhile is taken now or the next time, and never lost.
            (key_id, address), (first, last) = self._seen.popitem()
            merge(uses, {key_id: Use(_ms(first), _ms(last), {address: _ms(first)} if address else {})})
        return uses


def merge(uses: dict[str, Use], more: Mapping[str, Use]) -> None:
    """Add uses to those that are known."""
    for key_id, use in more.items():
        known = uses.get(key_id)
        if known is None:
            uses[key_id] = use
        else:
            known.add(use)


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)
