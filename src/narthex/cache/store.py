"""The cache as the pipeline knows it: entries under keys, over all tiers, void ones and old ones left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from time import perf_counter_ns
from typing import Final, NamedTuple

from msgspec.structs import replace

from narthex.cache.coherence import Coherence, entry_tag
from narthex.cache.entries import Entry, Standing
from narthex.cache.figures import CacheFigures, MissReason
from narthex.cache.invalidation import Invalidation
from narthex.cache.tiers.contract import Tier
from narthex.cache.tiers.memory import Held, MemoryTier

Spawn = Callable[[Coroutine[object, object, None]], object]
"""Has work done beside the call."""

MEMORY: Final = "memory"


class Found(NamedTuple):
    """An entry that may be given."""

    held: Held
    standing: Standing
    tier: str
    """Where it lay."""

    @property
    def entry(self) -> Entry:
        """The entry itself."""
        return self.held.entry


class Cache:
    """Entries under keys.

    Attributes:
        memory: The first tier.
        below: The others, the nearest first.
        invalidation: What has been declared void.
        coherence: What others are told of that, and tell; None where there are no others.
        figures: What the cache did.
        max_entry_bytes: Size beyond which no answer is kept.
    """

    def __init__(
        self,
        *,
        policy: str,
        max_bytes: int,
        max_entry_bytes: int,
        below: Sequence[Tier] = (),
        shared: bool = False,
        spawn: Spawn | None = None,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1_000),
    ) -> None:
        self.memory = MemoryTier(policy=policy, max_bytes=max_bytes)
        self.below = tuple(below)
        self.invalidation = Invalidation()
        self.coherence = Coherence(self.invalidation) if shared else None
        if self.coherence is not None:
            self.coherence.when_heard = self._drop
        self.figures = CacheFigures()
        self.max_entry_bytes = max_entry_bytes
        self.now_ms = clock_ms
        self.refuses: Callable[[Entry], bool] | None = None
        """Tells whether an entry is of somebody who was erased meanwhile."""
        self._spawn = spawn

    def find(self, key: bytes) -> Found | MissReason:
        """Return the entry under a key that lies in memory, or why there is none that may be given."""
        held = self.memory.get(key)
        if held is None:
            return "absent"
        why = self._against(held.entry)
        if why is not None:
            self.memory.remove(key)
            return why
        return Found(held, held.entry.standing(self.now_ms()), MEMORY)

    async def search(self, key: bytes, why: MissReason) -> Found | MissReason:
        """Return the entry that a tier below has, and bring it up; or why there is none, `why` at first."""
        for tier in self.below:
            begin = perf_counter_ns()
            entry = await tier.get(key)
            took_ns = perf_counter_ns() - begin
            tier.figures.took(took_ns)
            self.figures.latencies[tier.name].note(took_ns)
            against = None if entry is None else self._against_shared(entry)
            if entry is not None and against is None:
                tier.figures.hits += 1
                return Found(self._brought_up(entry), entry.standing(self.now_ms()), tier.name)
            tier.figures.misses += 1
            why = against or why
        # Another call may have brought it meanwhile.
        return self.find(key) if self.memory.peek(key) is not None else why

    def _brought_up(self, entry: Entry) -> Held:
        if self.coherence is not None:
            entry = replace(entry, number=self.invalidation.number)
        return self.memory.put(entry)

    def _against_shared(self, entry: Entry) -> MissReason | None:
        """Say why an entry that lies below may not be given; there its number is a shared one."""
        if self.refuses is not None and self.refuses(entry):
            return "void"
        if self.coherence is None:
            return self._against(entry)
        if self.coherence.is_void(entry.key, entry.tags, entry.number):
            return "void"
        return "expired" if entry.standing(self.now_ms()) == "gone" else None

    def _against(self, entry: Entry) -> MissReason | None:
        if self.invalidation.is_void(entry.tags, entry.number):
            return "void"
        return "expired" if entry.standing(self.now_ms()) == "gone" else None

    def keep(self, entry: Entry) -> bool:
        """Keep an entry in all tiers; False if it is too large, or void already."""
        if len(entry.data) > self.max_entry_bytes:
            self.figures.refuse("too large", entry.scope)
            return False
        if self.invalidation.is_void(entry.tags, entry.number) or (self.refuses is not None and self.refuses(entry)):
            self.figures.refuse("void", entry.scope)
            return False
        self.memory.put(entry)
        self.figures.keep(entry.scope)
        if self.below and self._spawn is not None:
            self._spawn(self._keep_below(entry))
        return True

    async def _keep_below(self, entry: Entry) -> None:
        if self.coherence is not None:
            number = self.coherence.number_at(entry.number)
            if number is None:
                return
            entry = replace(entry, number=number)
        for tier in self.below:
            await tier.put(entry)

    def forget(self, keys: Sequence[bytes]) -> int:
        """Let go of entries; return how many of them were in memory."""
        if self.below and self._spawn is not None:
            self._spawn(self._forget_below(keys))
        if self.coherence is not None:
            self.coherence.declare(tags=map(entry_tag, keys))
        return self._drop(keys)

    def _drop(self, keys: Sequence[bytes]) -> int:
        return sum(self.memory.remove(key) for key in keys)

    async def _forget_below(self, keys: Sequence[bytes]) -> None:
        for tier in self.below:
            await tier.remove(keys)

    def declare_void(self, *, tags: Iterable[str] = (), patterns: Iterable[str] = ()) -> None:
        """Declare void whatever has one of these tags, or one that a pattern fits.

        In this process no such entry is given from now on, however many there are; `sweep` makes room where they lie.
        Others are told of it in a moment.
        """
        tags, patterns = tuple(tags), tuple(patterns)
        self.invalidation.declare(tags=tags, patterns=patterns)
        if self.coherence is not None:
            self.coherence.declare(tags=tags, patterns=patterns)

    def clear(self, scope: str | None = None) -> int:
        """Let go of everything, or of what is shared under a scope; return how many entries were in memory."""
        if self.below and self._spawn is not None:
            self._spawn(self._clear_below(scope))
        if scope is not None:
            self.declare_void(tags=[scope_tag(scope)])
            return self.sweep()
        self.invalidation.declare_all()
        if self.coherence is not None:
            self.coherence.declare(everything=True)
        return self.memory.clear()

    async def _clear_below(self, scope: str | None) -> None:
        for tier in self.below:
            await tier.clear(scope)

    def is_alive(self, entry: Entry) -> bool:
        """Tell whether an entry may be given, if only in place of an error."""
        return self._against(entry) is None

    def sweep(self) -> int:
        """Take out of memory what is void, of which nothing would be given; return how many entries that was."""
        void = [held.entry.key for held in self.memory if self.invalidation.is_void(held.entry.tags, held.entry.number)]
        return sum(self.memory.remove(key) for key in void)

    def entries(self, scope: str | None = None) -> list[Held]:
        """Return what lies in memory and may be given, of one scope or of all."""
        now_ms, found = self.now_ms(), []
        for held in self.memory:
            entry = held.entry
            if scope is not None and entry.scope != scope:
                continue
            if entry.standing(now_ms) != "gone" and not self.invalidation.is_void(entry.tags, entry.number):
                found.append(held)
        return found


def scope_tag(scope: str) -> str:
    """Return the tag of all entries of a scope."""
    return f"scope:{scope}"
