"""Where things are kept for their owners for a while: bytes under an owner and an ID, bounded in bytes and in age.

A shelf knows nothing of what lies on it. What was put or renewed longest ago goes first when there is no room, an
owner's own things before those of others; nobody ever gets at what another owner put.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

ENTRY_BYTES: Final = 512
"""What keeping a thing takes up beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfLimits:
    """How much is kept, and for how long."""

    max_bytes: int
    """Of everything together."""
    owner_bytes: int
    """Of what one owner has."""
    keep_s: float
    """Since a thing was put or renewed last, in seconds."""


class Shelf(Protocol):
    """Keeps things for their owners."""

    async def put(self, owner: str, name: str, value: bytes) -> None:
        """Keep a thing, in place of one of the same name; what there is no room for at all is not kept.

        Raises:
            Overloaded: The shelf cannot be reached; nobody knows whether it is there.
        """
        ...

    async def get(self, owner: str, name: str) -> bytes | None:
        """Return a thing; None if its owner has none of that name, or no more.

        Raises:
            Overloaded: The shelf cannot be reached.
        """
        ...

    async def renew(self, owner: str, names: Iterable[str]) -> None:
        """Have things begin their time anew, in the order of their names; those that are gone stay gone.

        Raises:
            Overloaded: The shelf cannot be reached.
        """
        ...

    def keep_for(self, owner: str, keep_s: float | None) -> None:
        """Keep what an owner puts or renews from now on for so long at most; None for as long as that of others."""
        ...

    async def delete(self, owner: str, name: str) -> bool:
        """Take a thing away; tell whether it was there.

        Raises:
            Overloaded: The shelf cannot be reached; nobody knows whether it is gone.
        """
        ...


@dataclass(slots=True)
class _Entry:
    value: bytes
    size: int
    until_s: float


class MemoryShelf:
    """A shelf in this process's memory, gone with it: what the others do is measured by it.

    Attributes:
        when_sized: Called with an owner and how many bytes more, or less, what they have takes up.
    """

    when_sized: Callable[[str, int], None] | None = None

    def __init__(self, limits: ShelfLimits, clock: Callable[[], float]) -> None:
        """Begin with nothing.

        Args:
            limits: How much is kept, and for how long.
            clock: Says the seconds.
        """
        self._limits = limits
        self._clock = clock
        # Oldest first, in both.
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._owners: dict[str, OrderedDict[str, None]] = {}
        self._owned: dict[str, int] = {}
        self._keep_s: dict[str, float] = {}
        self.bytes = 0
        """Taken up by everything together."""
        self.dropped = 0
        """Things that had to make room before their time."""

    def __len__(self) -> int:
        """Return how many things there are."""
        return len(self._entries)

    def adopt(self, limits: ShelfLimits) -> None:
        """Go by other limits from now on; what they have no room for goes. Times that run are left as they are."""
        self._limits = limits
        for owner in list(self._owners):
            self._make_room(owner)

    def keep_for(self, owner: str, keep_s: float | None) -> None:
        """See `Shelf`."""
        if keep_s is None:
            self._keep_s.pop(owner, None)
        else:
            self._keep_s[owner] = keep_s

    def keeps_s(self, owner: str) -> float:
        """Return for how long what an owner puts now is kept."""
        return min(self._limits.keep_s, self._keep_s.get(owner, self._limits.keep_s))

    async def put(self, owner: str, name: str, value: bytes) -> None:
        """See `Shelf`."""
        self.expire()
        self._remove(owner, name)
        size = ENTRY_BYTES + len(owner) + len(name) + len(value)
        if size > min(self._limits.owner_bytes, self._limits.max_bytes):
            self.dropped += 1
            return
        self._entries[owner, name] = _Entry(value, size, self._clock() + self.keeps_s(owner))
        self._owners.setdefault(owner, OrderedDict())[name] = None
        self._owned[owner] = self._owned.get(owner, 0) + size
        self._resized(owner, size)
        self._make_room(owner)

    async def get(self, owner: str, name: str) -> bytes | None:
        """See `Shelf`."""
        self.expire()
        entry = self._entries.get((owner, name))
        # Limits may have changed since: what lies behind need not be younger.
        return None if entry is None or entry.until_s <= self._clock() else entry.value

    async def renew(self, owner: str, names: Iterable[str]) -> None:
        """See `Shelf`."""
        self.expire()
        until_s = self._clock() + self.keeps_s(owner)
        for name in names:
            entry = self._entries.get((owner, name))
            if entry is not None:
                entry.until_s = until_s
                self._entries.move_to_end((owner, name))
                self._owners[owner].move_to_end(name)

    async def delete(self, owner: str, name: str) -> bool:
        """See `Shelf`."""
        self.expire()
        return self._remove(owner, name)

    def lines(self) -> Iterator[str]:
        """Yield what lies here in Prometheus's text format."""
        yield "# HELP narthex_kept_responses Responses that are kept for their owners in this process."
        yield "# TYPE narthex_kept_responses gauge"
        yield f"narthex_kept_responses {len(self)}"
        yield "# HELP narthex_kept_responses_bytes Memory that they take up."
        yield "# TYPE narthex_kept_responses_bytes gauge"
        yield f"narthex_kept_responses_bytes {self.bytes}"
        yield "# HELP narthex_kept_responses_dropped_total Responses that had to make room before their time."
        yield "# TYPE narthex_kept_responses_dropped_total counter"
        yield f"narthex_kept_responses_dropped_total {self.dropped}"

    def expire(self) -> None:
        """Remove what is over."""
        now_s = self._clock()
        self._expire_shorter(now_s)
        while self._entries:
            (owner, name), oldest = next(iter(self._entries.items()))
            if oldest.until_s > now_s:
                return
            self._remove(owner, name)

    def _expire_shorter(self, now_s: float) -> None:
        """Remove what is over of owners whose things go sooner than those that were put before them."""
        for owner in [one for one in self._keep_s if one in self._owners]:
            while names := self._owners.get(owner):
                oldest = next(iter(names))
                if self._entries[owner, oldest].until_s > now_s:
                    break
                self._remove(owner, oldest)

    def _make_room(self, owner: str) -> None:
        while self._owned.get(owner, 0) > self._limits.owner_bytes:
            self._drop(owner, next(iter(self._owners[owner])))
        while self.bytes > self._limits.max_bytes:
            self._drop(*next(iter(self._entries)))

    def _drop(self, owner: str, name: str) -> None:
        self._remove(owner, name)
        self.dropped += 1

    def _remove(self, owner: str, name: str) -> bool:
        entry = self._entries.pop((owner, name), None)
        if entry is None:
            return False
        self._resized(owner, -entry.size)
        names = self._owners[owner]
        del names[name]
        if names:
            self._owned[owner] -= entry.size
        else:
            del self._owners[owner], self._owned[owner]
        return True

    def _resized(self, owner: str, more: int) -> None:
        self.bytes += more
        if self.when_sized is not None:
            self.when_sized(owner, more)
