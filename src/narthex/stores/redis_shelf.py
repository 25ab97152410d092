"""A shelf in Redis or Valkey, which several processes have in common.

What is put is held here until it is written there, in groups, so that nobody waits for the server; whatever is asked
for meanwhile is found here. An owner's things have a limit in bytes, kept by the script that puts them; for all owners
together the server's own limit of memory counts, and `max_bytes` only for what waits to be written. Whose storage it
takes up is counted by the same scripts, as `narthex.stores.redis_storage` says.

    narthex:response:OWNER:NAME      a thing, which goes by itself when its time is over
    narthex:responses:OWNER          the names, by when they were put or renewed last
    narthex:responses:OWNER:sizes    what each takes up, and under the empty name all of them
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar, cast

from narthex.errors import Overloaded
from narthex.stores.link import LinkSettings, RedisLink, raise_if_cancelled
from narthex.stores.redis_storage import COUNTING, counting_keys
from narthex.stores.shelves import ENTRY_BYTES, MemoryShelf, ShelfLimits
from narthex.stores.stream_records import Names

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

PING_S: Final = 1.0
"""How often it is looked whether the server is there while there is nothing to write."""
AGAIN_S: Final = 0.05
"""When it is looked again for what is not there: another process may be writing it just now."""
FLUSH_S: Final = 1.0
"""How long a process that stops takes at most to write what is left."""
_GROUP: Final = 64
_GROUP_BYTES: Final = 1_048_576
TRIES: Final = 5
"""How often a thing is sent by itself that does not get through, before it is given up."""
MAX_GIVEN_UP: Final = 10_000
"""Things without room of which it is known that what they were to replace is to go."""
_LOOKS: Final = 16
_MAX_ASKED: Final = 32
"""Questions to the server at once; the others wait."""

_T = TypeVar("_T")
_Key = tuple[str, str]
"""Owner and name."""

_Scopes = Callable[[str], tuple[str, str]]
"""Return the organisation and the workspace whose storage an owner's things take up; empty where nobody counts."""

_COMMON: Final = (
    COUNTING
    + """
local thing, order, sizes = unpack(KEYS)
local stem = ARGV[1]
local function uncount(name)
  local size = redis.call('HGET', sizes, name)
  if size then
    redis.call('HDEL', sizes, name)
    redis.call('HINCRBY', sizes, '', -tonumber(size))
  end
  redis.call('ZREM', order, name)
  unkeep(stem .. name)
end
local function live(keep_ms)
  for _, key in ipairs({order, sizes}) do
    if redis.call('PTTL', key) < tonumber(keep_ms) then redis.call('PEXPIRE', key, keep_ms) end
  end
end
"""
)

_PUT: Final = (
    _COMMON
    + """
local _, name, size, most, keep_ms, one, other, value = unpack(ARGV)
most = tonumber(most)
if tonumber(size) > most then
  uncount(name)
  redis.call('DEL', thing)
  return 1
end
-- Before all else that is written: a server without memory refuses only what comes first.
redis.call('SET', thing, value, 'PX', keep_ms)
uncount(name)
redis.call('HSET', sizes, name, size)
redis.call('HINCRBY', sizes, '', size)
if one ~= '' then keep(thing, size, keep_ms, one, other) end
redis.call('ZADD', order, string.format('%.0f', now_us()), name)
local dropped = 0
while true do
  local oldest = redis.call('ZRANGE', order, 0, 0)[1]
  if not oldest then
    redis.call('DEL', sizes)
    break
  elseif redis.call('EXISTS', stem .. oldest) == 0 then
    uncount(oldest)
  elseif tonumber(redis.call('HGET', sizes, '') or '0') > most then
    redis.call('DEL', stem .. oldest)
    uncount(oldest)
    dropped = dropped + 1
  else
    break
  end
end
live(keep_ms)
return dropped
"""
)

_RENEW: Final = (
    _COMMON
    + """
local keep_ms = ARGV[2]
local now = now_us()
for index = 3, #ARGV do
  if redis.call('PEXPIRE', stem .. ARGV[index], keep_ms) == 1 then
    redis.call('ZADD', order, string.format('%.0f', now + index), ARGV[index])
    keep_longer(stem .. ARGV[index], keep_ms)
  end
end
live(keep_ms)
"""
)

_DELETE: Final = (
    _COMMON
    + """
uncount(ARGV[2])
return redis.call('DEL', thing)
"""
)


class _Table:
    """The things on a server, over a connection that holds."""

    def __init__(self, client: Redis, names: Names, scopes_of: _Scopes) -> None:
        self.client = client
        self._names = names
        self._scopes_of = scopes_of
        self._counting = counting_keys(names.prefix)
        self._put = ""
        self._renew = client.register_script(_RENEW)
        self._delete = client.register_script(_DELETE)

    async def prepare(self) -> None:
        """Make ready."""
        # Text whatever other answers are read as.
        self._put = str(await self.client.script_load(_PUT))

    async def put(
        self, things: Iterable[tuple[_Key, bytes]], limits: ShelfLimits, keeps_s: Callable[[str], float]
    ) -> list[object]:
        """Put things, each for as long as its owner's are kept.

        Returns for each how many others had to make room, or what is wrong with it.
        """
        pipe = self.client.pipeline(transaction=False)
        for (owner, name), value in things:
            stem, keys = self._keys(owner, name)
            size = ENTRY_BYTES + len(owner) + len(name) + len(value)
            sizes, scopes = (size, limits.owner_bytes, _ms(keeps_s(owner))), self._scopes_of(owner)
            arguments: list[bytes | str | int] = [stem, _raw(name), *sizes, *scopes, value]
            pipe.evalsha(self._put, len(keys), *keys, *arguments)
        return cast("list[object]", await pipe.execute(raise_on_error=False))

    async def get(self, owner: str, name: str) -> bytes | None:
        """See `Shelf`."""
        return cast("bytes | None", await self.client.get(self._keys(owner, name)[1][0]))

    async def renew(self, owner: str, names: Iterable[str], keep_s: float) -> None:
        """See `Shelf`."""
        stem, keys = self._keys(owner, "")
        await self._renew(keys=keys, args=[stem, _ms(keep_s), *map(_raw, names)])

    async def delete(self, owner: str, name: str) -> bool:
        """See `Shelf`."""
        stem, keys = self._keys(owner, name)
        return bool(await self._delete(keys=keys, args=[stem, _raw(name)]))

    def _keys(self, owner: str, name: str) -> tuple[bytes, list[bytes | str]]:
        """Return how the keys of an owner's things begin, and the keys of one with what is known of all."""
        prefix, mark = self._names.prefix, self._names.key(owner, "").owner
        stem, order = f"{prefix}:response:{mark}:".encode(), f"{prefix}:responses:{mark}"
        return stem, [stem + _raw(name), order, f"{order}:sizes", *self._counting]


def _uncounted(owner: str) -> tuple[str, str]:
    del owner
    return "", ""


class RedisShelf:
    """A shelf in Redis, written behind.

    Attributes:
        waiting: What is not in Redis yet.
    """

    def __init__(
        self,
        settings: LinkSettings,
        limits: ShelfLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            settings: Where the server is.
            limits: How much is kept, and for how long.
            clock: Says the seconds.
            sleep: Waits before it is looked again.
        """
        self._link = RedisLink(settings, what="redis (responses)", as_text=False, clock=clock)
        self._names = Names(settings.prefix)
        self._timeout_s = settings.timeout_s
        self._limits = limits
        self._sleep = sleep
        self._waiting = self.waiting = MemoryShelf(limits, clock)
        self._scopes_of: _Scopes = _uncounted
        # Oldest first. What is here and not waiting was given up, and is to go there as well.
        self._owed: dict[_Key, None] = {}
        self._careful = 0
        """How many things are sent one by one, because as many did not get through together."""
        self._failing: bytes | None = None
        """What did not get through by itself, and how often that was tried."""
        self._failures = 0
        self._woken = asyncio.Event()
        self._table: _Table | None = None
        self._gate = asyncio.Semaphore(_MAX_ASKED)

    # -- its life --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what is put, until cancelled."""
        await self._link.run(self._session, ended=self._left)

    async def ready(self, timeout_s: float) -> None:
        """Wait until it is known whether the server is there, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._link.tried.wait()

    async def flush(self) -> None:
        """Wait until all is written, for a second at most; at once where the server is away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                while self._owed and self._table is not None:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.005)

    async def _session(self, client: Redis) -> None:
        table = _Table(client, self._names, self._scopes_of)
        await table.prepare()
        self._link.connected()
        self._table = table
        while True:
            raise_if_cancelled()
            self._woken.clear()
            while self._owed:
                await self._write(table)
                raise_if_cancelled()
            try:
                async with asyncio.timeout(PING_S):
                    await self._woken.wait()
            except TimeoutError:
                await client.ping()

    def _left(self) -> None:
        self._table = None

    async def _write(self, table: _Table) -> None:
        """Write what has waited longest."""
        # Wanted only where it is configured, and not cheap to load.
        from redis.exceptions import OutOfMemoryError  # noqa: PLC0415

        group = await self._group(table)
        for (key, value), told in zip(group, await self._put(table, group) if group else (), strict=True):
            if isinstance(told, OutOfMemoryError):
                # All that waits would wait for it.
                await self._give_up(key, value, told)
                continue
            if isinstance(told, Exception):
                raise told
            if await self._waiting.get(*key) is value:
                await self._waiting.delete(*key)
                self._owed.pop(key, None)

    async def _put(self, table: _Table, group: list[tuple[_Key, bytes]]) -> list[object]:
        from redis import RedisError  # noqa: PLC0415 - as above

        try:
            told = await table.put(group, self._limits, self._waiting.keeps_s)
        except (RedisError, OSError, TimeoutError) as error:
            if len(group) > 1:
                self._careful = len(group)
            else:
                await self._tried(*group[0], error)
            raise
        self._careful = max(0, self._careful - len(group))
        self._failing = None
        return told

    async def _tried(self, key: _Key, value: bytes, error: Exception) -> None:
        """Take note that a thing did not get through, to a server that was there a moment before."""
        if self._failing is not value:
            self._failing, self._failures = value, 0
        self._failures += 1
        if self._failures >= TRIES:
            self._failing = None
            await self._give_up(key, value, error)

    async def _give_up(self, key: _Key, value: bytes, why: Exception) -> None:
        """Hold a thing no longer; it is still owed to Redis that what it was to replace goes."""
        logger.warning("the response %s is not kept: Redis: %s", key[1], str(why) or type(why).__name__)
        if await self._waiting.get(*key) is value:
            await self._waiting.delete(*key)

    async def _group(self, table: _Table) -> list[tuple[_Key, bytes]]:
        group: list[tuple[_Key, bytes]] = []
        size = 0
        for key in list(islice(self._owed, 1 if self._careful or self._failing is not None else _GROUP)):
            value = await self._waiting.get(*key)
            if value is not None:
                group.append((key, value))
                size += len(value)
                if size >= _GROUP_BYTES:
                    break
                continue
            # There was no room for it: what it was to replace is no longer true.
            await table.delete(*key)
            if await self._waiting.get(*key) is None:
                self._owed.pop(key, None)
        return group

    def __len__(self) -> int:
        """Return how many things are not in Redis yet."""
        return len(self._waiting)

    # -- what lies here --------------------------------------------------------------------------------------------

    def adopt(self, limits: ShelfLimits) -> None:
        """Go by other limits from now on; what lies in Redis makes room when something is put."""
        self._limits = limits
        self._waiting.adopt(limits)

    def count_for(self, scopes_of: _Scopes) -> None:
        """Count what is put whose it is, in Redis; before `run`.

        Args:
            scopes_of: Returns the organisation and the workspace of an owner.
        """
        self._scopes_of = scopes_of

    def keep_for(self, owner: str, keep_s: float | None) -> None:
        """See `Shelf`."""
        self._waiting.keep_for(owner, keep_s)

    async def put(self, owner: str, name: str, value: bytes) -> None:
        """See `Shelf`; it is written in a moment, or when the server is back."""
        await self._waiting.put(owner, name, value)
        self._owed[owner, name] = None
        await self._bound()
        self._woken.set()

    async def get(self, owner: str, name: str) -> bytes | None:
        """See `Shelf`."""
        held = await self._waiting.get(owner, name)
        if held is not None or (owner, name) in self._owed:
            return held
        found = await self._asked(lambda table: table.get(owner, name))
        if found is None:
            await self._sleep(AGAIN_S)
            found = await self._asked(lambda table: table.get(owner, name))
        return found

    async def renew(self, owner: str, names: Iterable[str]) -> None:
        """See `Shelf`."""
        names = list(names)
        await self._waiting.renew(owner, names)
        if not all((owner, name) in self._owed for name in names):
            await self._asked(lambda table: table.renew(owner, names, self._waiting.keeps_s(owner)))

    async def delete(self, owner: str, name: str) -> bool:
        """See `Shelf`."""
        if (owner, name) in self._owed:
            await self._written(owner, name)
        return await self._asked(lambda table: table.delete(owner, name))

    def lines(self) -> Iterator[str]:
        """Yield what is not in Redis yet in Prometheus's text format."""
        return self._waiting.lines()

    async def _bound(self) -> None:
        """Forget what was given up longest ago; what it was to replace goes in time."""
        for _ in range(_LOOKS):
            if len(self._owed) - len(self._waiting) <= MAX_GIVEN_UP:
                return
            key = next(iter(self._owed))
            del self._owed[key]
            if await self._waiting.get(*key) is not None:
                self._owed[key] = None

    async def _written(self, owner: str, name: str) -> None:
        """Wait until a thing is written: what is on its way cannot be called back."""
        try:
            async with asyncio.timeout(self._timeout_s):
                while (owner, name) in self._owed:
                    if self._table is None:
                        raise _away()
                    await asyncio.sleep(0.002)
        except TimeoutError:
            raise _away() from None

    async def _asked(self, question: Callable[[_Table], Awaitable[_T]]) -> _T:
        """Ask the server.

        Raises:
            Overloaded: It does not answer.
        """
        from redis import RedisError  # noqa: PLC0415 - as above

        try:
            async with self._gate:
                # As of now: while others asked it may have been lost.
                if self._table is None:
                    raise _away()
                return await question(self._table)
        except (RedisError, OSError, TimeoutError) as error:
            raise _away() from error


def _away() -> Overloaded:
    return Overloaded(
        "Redis, which keeps responses for all processes, cannot be reached; try again in a moment", retry_after_s=1
    )


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "backslashreplace")


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
