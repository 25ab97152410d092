"""The cache as the pipeline knows it: entries under keys, over all tiers, void ones and old ones left out."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from time import monotonic, perf_counter_ns
from typing import Final, NamedTuple

from msgspec.structs import replace

from narthex.cache.coherence import Coherence, entry_tag
from narthex.cache.entries import Entry, Standing
from narthex.cache.figures import CacheFigures, MissReason
from narthex.cache.invalidation import Invalidation
from narthex.cache.leases import Lease, Turn
from narthex.cache.tiers.contract import LeasingTier, Tier
from narthex.cache.tiers.memory import Held, MemoryTier

Spawn = Callable[[Coroutine[object, object, None]], object]
"""Has work done beside the call."""

logger = logging.getLogger(__name__)

MEMORY: Final = "memory"


class Found(NamedTuple):
    """An entry that may be given."""

    held: Held
    standing: Standing
    tier: str
    """Where it lay."""
    age_ms: int
    """How old it is."""

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
        leasing: The tier that says whose turn it is to ask; None where everybody does.
        coherence: What others are told of that, and tell; None where there are no others.
        figures: What the cache did.
        max_entry_bytes: Size beyond which no answer is kept.
        alone_s: For how long an answer is given that this process has asked for while it is alone; without end all are,
            whoever asked for them.
    """

    def __init__(
        self,
        *,
        policy: str,
        max_bytes: int,
        max_entry_bytes: int,
        below: Sequence[Tier] = (),
        leasing: LeasingTier | None = None,
        shared: bool = False,
        spawn: Spawn | None = None,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1_000),
    ) -> None:
        self.memory = MemoryTier(policy=policy, max_bytes=max_bytes)
        self.below = tuple(below)
        self.leasing = leasing
        self.invalidation = Invalidation()
        self.coherence = Coherence(self.invalidation) if shared else None
        if self.coherence is not None:
            self.coherence.when_heard = self._drop
        self.figures = CacheFigures()
        self.max_entry_bytes = max_entry_bytes
        self.now_ms = clock_ms
        self.refuses: Callable[[Entry], bool] | None = None
        """Tells whether an entry is of somebody who was erased meanwhile."""
        self.when_kept: Callable[[Entry], None] | None = None
        """Told of each answer that was kept, if anybody wants to know."""
        self.when_gone: Callable[[Sequence[bytes] | None], object] | None = None
        """Told of entries that were let go of, by their keys; None for some that were declared void."""
        self._spawn = spawn
        self._is_alone = False
        self.alone_s = math.inf

    def be_alone(self, is_alone: bool) -> None:
        """Be without those who tell this process what they have declared void, or with them again.

        Alone it gives what it has asked for itself no longer than `alone_s` ago, and the rest in place of errors: so
        none is given later than that after it was declared void anywhere.
        """
        if is_alone:
            logger.warning("cache: nothing is heard of what others declare void; %s", self._given_alone)
        self._is_alone = is_alone

    @property
    def _given_alone(self) -> str:
        if self.alone_s == math.inf:
            return "all is given"
        return f"what was asked for here is given for {self.alone_s:g} s, and the rest in place of errors"

    def _is_doubtful(self, held: Held) -> bool:
        return self.alone_s < math.inf and monotonic() - held.asked_at >= self.alone_s

    def find(self, key: bytes) -> Found | MissReason:
        """Return the entry under a key that lies in memory, or why there is none that may be given."""
        held = self.memory.get(key)
        if held is None:
            return "absent"
        if held.checked != self.invalidation.count and self._is_void(held):
            self.memory.remove(key)
            return "void"
        found = self._found(held, MEMORY)
        if found.standing == "gone":
            self.memory.remove(key)
            return "expired"
        return found._replace(standing="for errors") if self._is_alone and self._is_doubtful(held) else found

    async def search(self, key: bytes, why: MissReason, turn: Turn | None = None) -> Found | MissReason:
        """Return the entry that a tier below has, and bring it up; or why there is none.

        Args:
            key: Of the entry.
            why: What is wrong with the one in memory.
            turn: Is told whose turn it is to ask, if it is to be asked.
        """
        for number, tier in enumerate(() if self._is_alone and self.alone_s < math.inf else self.below):
            begin = perf_counter_ns()
            entry = await self._sought(tier, key, turn)
            took_ns = perf_counter_ns() - begin
            tier.figures.took(took_ns)
            self.figures.latencies[tier.name].note(took_ns)
            against = None if entry is None else self._against_shared(entry)
            if entry is not None and against is None:
                tier.figures.hits += 1
                return await self._brought(entry, number, turn)
            tier.figures.misses += 1
            why = against or why
            if entry is not None and turn is not None and self.leasing is not None and tier is self.leasing:
                # What lies there is of no use, and so nobody was given a lease.
                await self.leasing.lead(key, turn)
        # Another call may have brought it meanwhile.
        return self.find(key) if self.memory.peek(key) is not None else why

    def turn(self) -> Turn | None:
        """Return what a look is told whose turn it is to ask with; None where nobody has to wait for others."""
        return Turn() if self.leasing is not None and self.leasing.is_leasing() else None

    async def bring_up(self, key: bytes) -> bool:
        """Bring the entry of a tier below into memory before it is asked for; no look of a call is counted."""
        for number, tier in enumerate(() if self._is_alone else self.below):
            entry = await tier.get(key)
            if entry is not None and self._against_shared(entry) is None:
                await self._brought(entry, number, None)
                return True
        return False

    def taken_over(self, entry: Entry, tier: str) -> Found | None:
        """Bring up the entry that another process has made, from this tier; None where it is void."""
        return None if self._against_shared(entry) else self._found(self._brought_up(entry), tier)

    async def renewed(self, key: bytes, turn: Turn) -> bool:
        """Bring up what another process has fetched since the entry in memory was made, and tell whether it has.

        Where it has not, `turn` says whose turn it is to fetch it anew.
        """
        leasing, held = self.leasing, self.memory.peek(key)
        if leasing is None:
            return False
        entry = await leasing.get_in_turn(key, turn)
        if entry is None:
            return False
        if (held is None or entry.made_ms > held.entry.made_ms) and self._against_shared(entry) is None:
            self._brought_up(entry)
            return True
        await leasing.lead(key, turn)
        return False

    async def _sought(self, tier: Tier, key: bytes, turn: Turn | None) -> Entry | None:
        if turn is not None and self.leasing is not None and tier is self.leasing:
            return await self.leasing.get_in_turn(key, turn)
        return await tier.get(key)

    async def _brought(self, entry: Entry, number: int, turn: Turn | None) -> Found:
        """Bring an entry into all tiers above the one that it lies in."""
        for tier in self.below[:number]:
            await tier.put(entry)
        if turn is not None:
            turn.give_up("kept")
        return self._found(self._brought_up(entry), self.below[number].name)

    def _found(self, held: Held, tier: str) -> Found:
        now_ms = self.now_ms()
        return Found(held, held.entry.standing(now_ms), tier, now_ms - held.entry.made_ms)

    def _is_void(self, held: Held) -> bool:
        """Tell whether an entry in memory has been declared void; looked at once for each declaration."""
        invalidation = self.invalidation
        if invalidation.is_void(held.entry.tags, held.entry.number):
            return True
        held.checked = invalidation.count
        return False

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

    def keep(self, entry: Entry, lease: Lease | None = None) -> bool:
        """Keep an entry in all tiers, and end the lease with it; False if it is too large, or void already."""
        why = self._unfit(entry)
        if why is not None:
            self.figures.refuse(why, entry.scope)
            if lease is not None:
                lease.end("alone")
            return False
        self.memory.put(entry, monotonic() - entry.took_ms / 1_000)
        self.figures.keep(entry.scope)
        if self.when_kept is not None:
            self.when_kept(entry)
        if self.below and self._spawn is not None:
            self._spawn(self._keep_below(entry, lease))
        return True

    def _unfit(self, entry: Entry) -> str | None:
        if len(entry.data) > self.max_entry_bytes:
            return "too large"
        is_void = self.is_overtaken(entry.key, entry.tags, entry.number)
        return "void" if is_void or (self.refuses is not None and self.refuses(entry)) else None

    def is_overtaken(self, key: bytes, tags: Sequence[str], number: int) -> bool:
        """Tell whether an answer to what was asked when `number` was the last declaration is void, by tag or by key."""
        return self.invalidation.is_void((*tags, entry_tag(key)), number)

    async def _keep_below(self, entry: Entry, lease: Lease | None) -> None:
        number = number_for_others(self, entry.number)
        if number is not None:
            entry = replace(entry, number=number)
            for tier in self.below:
                await tier.put(entry)
        if lease is not None:
            lease.end("alone" if number is None else "kept")

    def forget(self, keys: Sequence[bytes]) -> int:
        """Let go of entries; return how many of them were in memory. What is being asked for meanwhile is not kept."""
        tags = [entry_tag(key) for key in keys]
        self.invalidation.declare(tags=tags)
        if self.below and self._spawn is not None:
            self._spawn(self._forget_below(keys))
        if self.coherence is not None:
            self.coherence.declare(tags=tags)
        return self._drop(keys)

    def _drop(self, keys: Sequence[bytes]) -> int:
        if self.when_gone is not None:
            self.when_gone(keys)
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
        if self.when_gone is not None:
            self.when_gone(None)

    def clear(self, scope: str | None = None, *, sweeps: bool = True) -> int:
        """Let go of everything, or of what is of a scope, where it `sweeps`; return how many entries were in memory."""
        if self.below and self._spawn is not None:
            self._spawn(self._clear_below(scope))
        if scope is not None:
            self.declare_void(tags=[scope_tag(scope)])
            return self.sweep() if sweeps else 0
        self.invalidation.declare_all()
        if self.coherence is not None:
            self.coherence.declare(everything=True)
        if self.when_gone is not None:
            self.when_gone(None)
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


def number_for_others(cache: Cache, number: int) -> int | None:
    """Return the number under which others know what was void when something was asked; None if none is known."""
    return number if cache.coherence is None else cache.coherence.number_at(number)


def scope_tag(scope: str) -> str:
    """Return the tag of all entries of a scope."""
    return f"scope:{scope}"
