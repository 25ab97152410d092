"""Looks into the cache and changes what is kept there, on behalf of a caller: of what is theirs, or of everything."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from narthex.cache.entries import Entry, owner_of
from narthex.cache.figures import Miss
from narthex.cache.reports import CacheReport, is_of, overview, own_tags, report
from narthex.cache.semantic.contract import Category
from narthex.cache.store import Cache
from narthex.cache.tiers.memory import Held
from narthex.errors import NotFound
from narthex.pipeline.cache_terms import CachePolicy, model_tag
from narthex.pipeline.cached_answers import Unfit, said_by
from narthex.pipeline.prefetching import Prefetching
from narthex.pipeline.same_meaning import SameMeaning
from narthex.pipeline.warming import Warming

SWEPT: Final = 256
"""Entries that are taken out in one turn of the loop."""

Owner = str | None
"""Whose entries: those of everybody with None."""


class Sought(NamedTuple):
    """Which entries are listed."""

    limit: int
    after: str | None = None
    """`next` of the part before."""
    model: str | None = None
    tag: str | None = None


class Part(NamedTuple):
    """A part of a list, the latest first."""

    items: Sequence[Held]
    next: str | None


class Void(NamedTuple):
    """What is declared void; in all but keys `*` stands for anything."""

    keys: Sequence[bytes] = ()
    tags: Sequence[str] = ()
    models: Sequence[str] = ()


class CacheDesk:
    """Looks and changes.

    Attributes:
        cache: Where answers are.
        policy: Says which calls it is for.
        warming: Fills it.
        meaning: Finds answers to questions that mean the same; None where that is off.
        prefetching: Fills it with what is likely to be asked next; None where nothing does.
        settle: Waits until what was declared void lies where it survives this process, or a moment.
    """

    def __init__(self, cache: Cache, policy: CachePolicy, warming: Warming) -> None:
        self.cache = cache
        self.policy = policy
        self.warming = warming
        self.meaning: SameMeaning | None = None
        self.prefetching: Prefetching | None = None
        self.settle: Callable[[], Awaitable[object]] = _settled

    async def report(self, owner: Owner) -> CacheReport:
        """Tell how the cache does."""
        held, settings = list(self.cache.memory), self.policy.settings
        seen = await asyncio.to_thread(overview, held, self.cache.is_alive, owner)
        told = report(self.cache, owner, seen, enabled=settings.enabled, mode=settings.mode)
        if self.meaning is None:
            return told
        counts = self.cache.figures if owner is None else self.cache.figures.of(owner)
        return msgspec.structs.replace(told, semantic=self.meaning.report(counts, is_whole=owner is None))

    def reopen(self, category: Category) -> None:
        """Have answers serve other questions of a category again that was closed; its samples are counted anew.

        Raises:
            NotFound: No question is answered by another's answer.
        """
        if self.meaning is None:
            raise NotFound("the semantic cache is off: set `cache.semantic.enabled`")
        self.meaning.means.engine.reopen(category)

    def misses(self, owner: Owner, limit: int, after: str | None = None) -> tuple[list[Miss], bool]:
        """Return calls that were not answered lately, the latest first, and whether there are more.

        Args:
            owner: Whose.
            limit: How many.
            after: ID of the call behind which to begin.
        """
        counts = self.cache.figures if owner is None else self.cache.figures.of(owner)
        latest = list(reversed(counts.last_misses))
        if after is not None:
            latest = latest[next((n for n, one in enumerate(latest, 1) if one.request_id == after), len(latest)) :]
        return latest[:limit], len(latest) > limit

    def miss_of(self, owner: Owner, request_id: str) -> Miss | None:
        """Return why a call was not answered; None if it was, or that was too long ago, or it is another's."""
        miss = self.cache.figures.miss_of(request_id)
        return miss if miss is not None and (owner is None or owner_of(miss.scope) == owner) else None

    async def entries(self, owner: Owner, sought: Sought) -> Part:
        """Return a part of what lies in memory."""
        held = list(self.cache.memory)
        found = await asyncio.to_thread(self._chosen, held, owner, sought)
        items = found[: sought.limit]
        return Part(items, _place(items[-1].entry) if len(found) > sought.limit else None)

    def _chosen(self, held: Sequence[Held], owner: Owner, sought: Sought) -> list[Held]:
        chosen = (
            one
            for one in held
            if is_of(one.entry, owner) and _fits(one.entry, sought) and self.cache.is_alive(one.entry)
        )
        behind = chosen if sought.after is None else (one for one in chosen if _place(one.entry) < sought.after)
        return heapq.nlargest(sought.limit + 1, behind, key=lambda one: _place(one.entry))

    async def entry(self, owner: Owner, key: bytes) -> Held:
        """Return what lies under a key, in whatever tier.

        Raises:
            NotFound: There is nothing that may be given, or it is another's.
        """
        held = self.cache.memory.peek(key)
        if held is None and self.cache.below:
            found = await self.cache.search(key, "absent")
            held = None if isinstance(found, str) else found.held
        if held is None or not is_of(held.entry, owner) or not self.cache.is_alive(held.entry):
            raise NotFound("there is no such answer in the cache")
        return held

    async def remove(self, owner: Owner, key: bytes) -> None:
        """Let go of an entry; raises as `entry` does."""
        await self._remove(owner, key)
        await self.settle()

    async def _remove(self, owner: Owner, key: bytes) -> None:
        await self.entry(owner, key)
        self.cache.forget([key])

    async def clear(self, owner: Owner) -> int:
        """Let go of all that is an owner's, or of everything; return how many entries were in memory."""
        count = self.cache.clear(owner, sweeps=False)
        if owner is not None:
            count = await self._sweep()
        await self.settle()
        return count

    async def invalidate(self, owner: Owner, void: Void) -> int:
        """Have nothing of this be given again; return how many entries of it were in memory.

        What is under way meanwhile is not kept either.
        """
        count = 0
        for key in void.keys:
            try:
                await self._remove(owner, key)
            except NotFound:
                continue
            count += 1
        whose = "*" if owner is None else owner
        names = [f"tag:{whose}:{tag}" for tag in void.tags] + [model_tag(whose, model) for model in void.models]
        if names:
            plain = [name for name in names if "*" not in name]
            self.cache.declare_void(tags=plain, patterns=[name for name in names if "*" in name])
            count += await self._sweep()
        await self.settle()
        return count

    async def _sweep(self) -> int:
        """Make room where there is what will not be given, some of it in each turn of the loop; found in a thread."""
        held, invalidation = list(self.cache.memory), self.cache.invalidation

        def void() -> list[bytes]:
            return [one.entry.key for one in held if invalidation.is_void(one.entry.tags, one.entry.number)]

        keys, count = await asyncio.to_thread(void), 0
        for begin in range(0, len(keys), SWEPT):
            count += sum(self.cache.memory.remove(key) for key in keys[begin : begin + SWEPT] if self._is_void(key))
            await asyncio.sleep(0)
        return count

    def _is_void(self, key: bytes) -> bool:
        held = self.cache.memory.peek(key)
        return held is not None and self.cache.invalidation.is_void(held.entry.tags, held.entry.number)


async def _settled() -> None:
    """Wait for nothing."""


def content_of(held: Held) -> object:
    """Return what an entry says, as values of JSON.

    Raises:
        NotFound: It cannot be read.
    """
    entry = held.entry
    if entry.form == "body":
        return msgspec.Raw(entry.data)
    try:
        return msgspec.to_builtins(said_by(held))
    except Unfit as error:
        raise NotFound("what is kept there cannot be read") from error


def _fits(entry: Entry, sought: Sought) -> bool:
    if sought.model is not None and entry.model != sought.model:
        return False
    return sought.tag is None or sought.tag in own_tags(entry)


def _place(entry: Entry) -> str:
    """Return where an entry stands in lists: by when it was made."""
    return f"{entry.made_ms:014d}-{entry.key.hex()}"
