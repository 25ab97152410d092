"""The second tier: entries in a Redis or Valkey, which several processes have in common.

Nobody waits for it beyond a few milliseconds: what has not come by then is not there, and a server that is slow again
and again is left alone for a while. What is put is written beside the call, in groups; where too much waits, it is not
written at all.

    narthex:cache:e:KEY     an entry: its scope, and a frame of the compression; it goes when it is of no use any more
    narthex:cache:d:ID      a dictionary of the compression, for processes that have not learned it themselves
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar, cast

from narthex.cache.entries import CorruptEntry, Entry
from narthex.cache.tier_figures import TierFigures
from narthex.cache.tiers.packing import Packing, dictionary_from, dictionary_written, scope_of
from narthex.errors import DictionaryMissing, FrameUnreadable
from narthex.stores.link import raise_if_cancelled

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 512
"""Entries that wait to be written."""
MAX_WAITING_BYTES: Final = 33_554_432
PING_S: Final = 1.0
"""How often it is looked whether the server is there while there is nothing to write."""
SLOW_TIMES: Final = 3
"""After so many answers in succession that came too late the server is left alone."""
FIRST_REST_S: Final = 1.0
"""For how long, at first; it doubles each time up to the longest."""
LONGEST_REST_S: Final = 30.0
DICTIONARY_MS: Final = 100 * 86_400_000
"""How long a dictionary lies there after it was told last: longer than any entry."""
TOLD_AGAIN_S: Final = 864_000.0
_GROUP: Final = 64
_GROUP_BYTES: Final = 1_048_576
_MAX_ASKED: Final = 64
"""Looks at once; further ones find nothing."""
_LOGGED_EVERY_S: Final = 60.0

_T = TypeVar("_T")
Spawn = Callable[[Coroutine[object, object, None]], object]


class RedisTier:
    """Entries in Redis."""

    name = "redis"

    def __init__(
        self,
        packing: Packing,
        *,
        prefix: str,
        budget_s: float,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1_000),
    ) -> None:
        """Prepare; it is of use while it has a connection.

        Args:
            packing: Makes entries smaller.
            prefix: Begins every name on the server.
            budget_s: How long a look may take.
            clock: Says the seconds.
            now_ms: Says the milliseconds of Unix time.
        """
        self.figures = TierFigures()
        self.budget_s = budget_s
        self._packing = packing
        self._stem, self._dictionaries = f"{prefix}:cache:e:", f"{prefix}:cache:d:"
        self._clock, self._now_ms = clock, now_ms
        self._client: Redis | None = None
        self._waiting: dict[bytes, Entry] = {}
        self._waiting_bytes = 0
        self._woken = asyncio.Event()
        self._asked: set[asyncio.Task[Entry | None]] = set()
        self._slow = 0
        self._rest_s, self._rests_until = FIRST_REST_S, 0.0
        self._published: dict[bytes, float] = {}
        self._logged_at = -_LOGGED_EVERY_S

    # -- its life --------------------------------------------------------------------------------------------------

    def joined(self, client: Redis) -> None:
        """Look there from now on."""
        self._client = client
        self._slow, self._rest_s, self._rests_until = 0, FIRST_REST_S, 0.0
        self._woken.set()

    def left(self) -> None:
        """Look there no more: the connection is lost."""
        self._client = None

    @property
    def is_quick(self) -> bool:
        """Whether it is there, and has answered in time of late."""
        return self._client is not None and self._clock() >= self._rests_until

    async def write(self, client: Redis) -> None:
        """Write what is put until cancelled."""
        while True:
            raise_if_cancelled()
            self._woken.clear()
            while self._waiting:
                await self._write(client)
                raise_if_cancelled()
            try:
                async with asyncio.timeout(PING_S):
                    await self._woken.wait()
            except TimeoutError:
                await client.ping()

    # -- looking -----------------------------------------------------------------------------------------------------

    async def get(self, key: bytes) -> Entry | None:
        """See `Tier`."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            return waiting
        client = self._client
        if client is None or not self.is_quick or len(self._asked) >= _MAX_ASKED:
            return None
        # In a task of its own, which is not ended where it is late: the client would lose the connection with it.
        task = asyncio.ensure_future(self._found(client, key))
        self._asked.add(task)
        task.add_done_callback(self._answered)
        done, _ = await asyncio.wait((task,), timeout=self.budget_s)
        if not done:
            self._late()
            return None
        return None if task.cancelled() or task.exception() is not None else task.result()

    def _answered(self, task: asyncio.Task[Entry | None]) -> None:
        self._asked.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            # The session learns of a lost connection by itself, and tells of it.
            self.figures.failures += 1
            logger.debug("cache: redis: %s", error)

    def _late(self) -> None:
        self.figures.failures += 1
        self._slow += 1
        if self._slow >= SLOW_TIMES and self.is_quick:
            self._rests_until = self._clock() + self._rest_s
            logger.warning(
                "cache: redis does not answer within %g ms; it is left alone for %g s",
                self.budget_s * 1_000,
                self._rest_s,
            )
            self._rest_s, self._slow = min(2 * self._rest_s, LONGEST_REST_S), SLOW_TIMES - 1

    async def _found(self, client: Redis, key: bytes) -> Entry | None:
        begin = self._clock()
        value = cast("bytes | None", await client.get(self._name(key)))
        if self._clock() - begin <= self.budget_s:
            self._slow, self._rest_s = 0, FIRST_REST_S
        if value is None:
            return None
        try:
            return await self._read(client, value, key)
        except (CorruptEntry, FrameUnreadable) as error:
            self.figures.failures += 1
            logger.warning("cache: an entry in redis is given up: %s", error)
            await client.unlink(self._name(key))
            return None

    async def _read(self, client: Redis, value: bytes, key: bytes) -> Entry:
        try:
            return await self._packing.read(value, key)
        except DictionaryMissing:
            name = self._packing.dictionary_name(value)
            told = cast("bytes | None", await client.get(self._dictionaries + name.hex()))
            if told is None:
                raise
            await self._packing.learn(dictionary_from(told, name))
            return await self._packing.read(value, key)

    # -- putting -----------------------------------------------------------------------------------------------------

    async def put(self, entry: Entry) -> None:
        """See `Tier`; it is written in a moment."""
        before = self._waiting.pop(entry.key, None)
        if before is not None:
            self._waiting_bytes -= before.size_bytes
        size = entry.size_bytes
        is_full = len(self._waiting) >= MAX_WAITING or self._waiting_bytes + size > MAX_WAITING_BYTES
        if self._client is None or is_full:
            self.figures.dropped += 1
            return
        self._waiting[entry.key] = entry
        self._waiting_bytes += size
        self._woken.set()

    async def remove(self, keys: Sequence[bytes]) -> None:
        """See `Tier`."""
        for key in keys:
            self._unwait(key)
        client = self._client
        if client is not None and keys:
            await self._tried(client.unlink(*(self._name(key) for key in keys)))

    async def clear(self, scope: str | None = None) -> None:
        """See `Tier`; it takes the longer, the more lies there."""
        for entry in tuple(self._waiting.values()):
            if scope is None or entry.scope == scope:
                self._unwait(entry.key)
        client = self._client
        if client is not None:
            await self._tried(self._clear(client, scope))

    async def _clear(self, client: Redis, scope: str | None) -> None:
        cursor = 0
        while True:
            cursor, page = await client.scan(cursor, match=f"{self._stem}*", count=_GROUP * 8)
            names = cast("list[bytes]", page)
            if scope is not None and names:
                heads = client.pipeline(transaction=False)
                for name in names:
                    heads.getrange(name, 0, 2 + len(scope.encode()))
                told = cast("list[bytes]", await heads.execute())
                names = [name for name, head in zip(names, told, strict=True) if scope_of(head) == scope]
            if names:
                await client.unlink(*names)
            if not cursor:
                return

    def _unwait(self, key: bytes) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            self._waiting_bytes -= waiting.size_bytes

    async def _write(self, client: Redis) -> None:
        """Write what has waited longest."""
        pipe, group, size = client.pipeline(transaction=False), list[Entry](), 0
        for entry in tuple(self._waiting.values())[:_GROUP]:
            left_ms = entry.made_ms + entry.kept_ms - self._now_ms()
            group.append(entry)
            if left_ms <= 0:
                continue
            value = await self._packing.written(entry)
            self._publish(pipe, value)
            pipe.set(self._name(entry.key), value, px=left_ms)
            size += len(value)
            if size >= _GROUP_BYTES:
                break
        told = await pipe.execute(raise_on_error=False)
        for entry in group:
            if self._waiting.get(entry.key) is entry:
                self._unwait(entry.key)
        self._count(told)

    def _count(self, told: Sequence[object]) -> None:
        refused = [one for one in told if isinstance(one, Exception)]
        self.figures.written += len(told) - len(refused)
        self.figures.dropped += len(refused)
        if refused and self._clock() - self._logged_at >= _LOGGED_EVERY_S:
            self._logged_at = self._clock()
            logger.warning("cache: redis takes no entries: %s", refused[0])

    def _publish(self, pipe: Redis, value: bytes) -> None:
        """Have others read what is written with a dictionary of ours."""
        made = self._packing.dictionary_of(value)
        if made is None or self._clock() - self._published.get(made.id, -TOLD_AGAIN_S) < TOLD_AGAIN_S:
            return
        self._published[made.id] = self._clock()
        pipe.set(self._dictionaries + made.id.hex(), dictionary_written(made), px=DICTIONARY_MS)

    def _name(self, key: bytes) -> str:
        return self._stem + key.hex()

    async def _tried(self, asked: Awaitable[_T]) -> None:
        # Wanted only where it is configured, and not cheap to load.
        from redis import RedisError  # noqa: PLC0415

        with suppress(RedisError, OSError, TimeoutError):
            await asked
