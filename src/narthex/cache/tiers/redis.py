"""The second tier: entries in a Redis or Valkey, which several processes have in common.

Nobody waits for it beyond a few milliseconds: what has not come by then is not there, and a server that is slow again
and again is left alone for a while. What is put is written beside the call, in groups; where too much waits, it is not
written at all.

    narthex:cache:erased    until when who was erased is gone from here, in milliseconds of Unix time
    narthex:cache:e:KEY     an entry: its scope, and a frame of the compression; it goes when it is of no use any more

Calls of this process that look for the same at once share one look, where they ask for a turn as well.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar, cast

from narthex.cache.entries import CorruptEntry, Entry
from narthex.cache.leases import Outcome, Turn
from narthex.cache.live import LiveAnswers
from narthex.cache.tier_figures import TierFigures
from narthex.cache.tiers.packing import Packing, scope_of
from narthex.cache.tiers.redis_dictionaries import LIFE_MS as DICTIONARY_LIFE_MS
from narthex.cache.tiers.redis_dictionaries import RedisDictionaries, pages
from narthex.cache.tiers.redis_leases import RedisLeases
from narthex.cache.tiers.redis_line import RedisLine
from narthex.errors import FrameUnreadable
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
_GROUP: Final = 64
_GROUP_BYTES: Final = 1_048_576
MAX_ASKED: Final = 1_024
"""Looks at once, whatever their time: the answers to them lie in memory together."""
_LOOK_S: Final = 0.000_1
"""What a look for 64 kB takes of one connection: more at once than fit into the time of a look come too late anyway."""
_LEAST_ASKED: Final = 64
_LOGGED_EVERY_S: Final = 60.0

_T = TypeVar("_T")
Spawn = Callable[[Coroutine[object, object, None]], object]


class _Look:
    """A look, and how many calls wait for it."""

    __slots__ = ("task", "turn", "waiters")

    def __init__(self, work: Coroutine[object, object, Entry | None], turn: Turn) -> None:
        # In a task of its own, which is not ended where it is late: the client would lose the connection with it.
        self.task = asyncio.ensure_future(work)
        self.turn = turn
        self.waiters = 0


class Rests:
    """Leaves a server alone for a while that is slow again and again, each time for longer.

    Attributes:
        slow: Answers in succession that came too late.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin with one that is quick."""
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Forget what was: it is another connection."""
        self._until_s = 0.0
        self.was_quick()

    def was_quick(self) -> None:
        """Take note of an answer in time."""
        self.slow, self._rest_s = 0, FIRST_REST_S

    def was_slow(self, budget_s: float) -> None:
        """Take note of one that came too late for its time."""
        self.slow += 1
        if self.slow < SLOW_TIMES or not self.are_over:
            return
        self._until_s = self._clock() + self._rest_s
        said = "cache: redis does not answer within %g ms; it is left alone for %g s"
        logger.warning(said, budget_s * 1_000, self._rest_s)
        self._rest_s, self.slow = min(2 * self._rest_s, LONGEST_REST_S), SLOW_TIMES - 1

    @property
    def are_over(self) -> bool:
        """Whether it may be asked."""
        return self._clock() >= self._until_s


class RedisTier:
    """Entries in Redis.

    Attributes:
        leases: Says whose turn it is to ask; None where everybody does.
    """

    name = "redis"

    def __init__(
        self,
        packing: Packing,
        *,
        prefix: str,
        budget_s: float,
        lease_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1_000),
    ) -> None:
        """Prepare; it is of use while it has a connection.

        Args:
            packing: Makes entries smaller.
            prefix: Begins every name on the server.
            budget_s: How long a look may take.
            lease_s: How long a lease holds without being renewed; None for no leases.
            clock: Says the seconds.
            now_ms: Says the milliseconds of Unix time.
        """
        self.figures = TierFigures()
        self.budget_s = budget_s
        self._packing = packing
        self._stem, self._erased = f"{prefix}:cache:e:", f"{prefix}:cache:erased"
        self._dictionaries = RedisDictionaries(packing, prefix, clock)
        self._clock, self._now_ms = clock, now_ms
        self._client: Redis | None = None
        self._waiting: dict[bytes, Entry] = {}
        self._waiting_bytes = 0
        self._woken = asyncio.Event()
        self._line, self._asked = RedisLine(), set[_Look]()
        self._shared: dict[bytes, _Look] = {}
        self.leases = None if lease_s is None else RedisLeases(prefix, lease_s)
        self.live: LiveAnswers | None = None if self.leases is None else self.leases.live
        if self.leases is not None:
            self.leases.when_ending = self._woken.set
        self._rests = Rests(clock)
        self._logged_at = -_LOGGED_EVERY_S

    # -- its life --------------------------------------------------------------------------------------------------

    def joined(self, client: Redis) -> None:
        """Look there from now on."""
        self._client = client
        self._dictionaries.joined()
        self._rests.begin()
        self._woken.set()

    def left(self) -> None:
        """Look there no more: the connection is lost."""
        self._client = None
        self._line.left()
        if self.leases is not None:
            self.leases.left()

    @property
    def is_quick(self) -> bool:
        """Whether it is there, and has answered in time of late."""
        return self._client is not None and self._rests.are_over

    async def write(self, client: Redis) -> None:
        """Write what is put until cancelled."""
        while True:
            raise_if_cancelled()
            self._woken.clear()
            while self._waiting or (self.leases is not None and self.leases.is_due):
                await self._write(client)
                raise_if_cancelled()
            try:
                async with asyncio.timeout(PING_S):
                    await self._woken.wait()
            except TimeoutError:
                await client.ping()

    async def carry(self, client: Redis) -> None:
        """Carry looks to the server until cancelled."""
        await self._line.run(client)

    # -- looking -----------------------------------------------------------------------------------------------------

    async def get(self, key: bytes) -> Entry | None:
        """See `Tier`."""
        return await self._get(key, None)

    def is_leasing(self) -> bool:
        """See `LeasingTier`."""
        return self.leases is not None and self.is_quick

    async def get_in_turn(self, key: bytes, turn: Turn) -> Entry | None:
        """See `LeasingTier`."""
        return await self._get(key, turn)

    async def lead(self, key: bytes, turn: Turn) -> None:
        """See `LeasingTier`."""
        client = self._client
        if client is not None and self.is_leasing() and self._has_room():
            asked = Turn()
            await self._told(_Look(self._turned(key, asked), asked), turn)

    async def told(self, key: bytes, within_s: float) -> Outcome | None:
        """See `LeasingTier`."""
        return "alone" if self.leases is None or self._client is None else await self.leases.told(key, within_s)

    async def _get(self, key: bytes, turn: Turn | None) -> Entry | None:
        waiting = self._waiting.get(key)
        if waiting is not None:
            return waiting
        look = None if turn is None else self._shared.get(key)
        if look is None:
            client = self._client
            if client is None or not self.is_quick or not self._has_room():
                return None
            asked = Turn()
            look = _Look(self._found(client, key, None if turn is None else asked), asked)
            if turn is not None:
                self._shared[key] = look
        try:
            return await self._told(look, turn)
        finally:
            if not look.waiters and self._shared.get(key) is look:
                del self._shared[key]

    def _has_room(self) -> bool:
        """Tell whether one more may be asked, and count the look that may not."""
        if len(self._asked) < min(MAX_ASKED, max(_LEAST_ASKED, int(self.budget_s / _LOOK_S))):
            return True
        self.figures.unasked += 1
        return False

    async def _told(self, look: _Look, turn: Turn | None) -> Entry | None:
        """Wait for a look in its time; the first of those who do takes its turn."""
        if look not in self._asked:
            self._asked.add(look)
            look.task.add_done_callback(lambda _: self._answered(look))
        look.waiters += 1
        try:
            done, _ = await asyncio.wait((look.task,), timeout=self.budget_s)
            if not done:
                self.figures.failures += 1
                self._rests.was_slow(self.budget_s)
                return None
            if turn is not None:
                turn.take(look.turn)
            return None if look.task.cancelled() or look.task.exception() is not None else look.task.result()
        finally:
            look.waiters -= 1
            if not look.waiters:
                look.turn.give_up()

    def _answered(self, look: _Look) -> None:
        self._asked.discard(look)
        if not look.waiters:
            # They are gone: it is somebody else's turn.
            look.turn.give_up()
        error = None if look.task.cancelled() else look.task.exception()
        if error is not None:
            self.figures.failures += 1
            _tell(error)

    async def _turned(self, key: bytes, turn: Turn) -> None:
        assert self.leases is not None
        await self.leases.look(self._line, self._name(key), key, turn, always=True)

    async def _found(self, client: Redis, key: bytes, turn: Turn | None) -> Entry | None:
        begin = self._clock()
        if turn is None or self.leases is None:
            value = cast("bytes | None", await self._line.ask("GET", self._name(key)))
        else:
            value = await self.leases.look(self._line, self._name(key), key, turn)
        if self._clock() - begin <= self.budget_s:
            self._rests.was_quick()
        if value is None:
            return None
        try:
            return await self._dictionaries.read(client, value, key)
        except (CorruptEntry, FrameUnreadable) as error:
            self.figures.failures += 1
            logger.warning("cache: an entry in redis is given up: %s", error)
            await client.unlink(self._name(key))
            return None

    # -- putting -----------------------------------------------------------------------------------------------------

    async def put(self, entry: Entry) -> None:
        """See `Tier`; it is written in a moment."""
        self._unwait(entry.key)
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
        async for names in pages(client, self._stem):
            if scope is not None and names:
                heads = client.pipeline(transaction=False)
                for name in names:
                    heads.getrange(name, 0, 2 + len(scope.encode()))
                told = cast("list[bytes]", await heads.execute())
                names = [name for name, head in zip(names, told, strict=True) if scope_of(head) == scope]  # noqa: PLW2901
            if names:
                await client.unlink(*names)

    async def erase(self, concerns: Callable[[Entry], bool], before_ms: int) -> None:
        """Take away what is somebody's, and the dictionaries that were told before a time, if nobody has yet."""
        for entry in tuple(self._waiting.values()):
            if concerns(entry):
                self._unwait(entry.key)
        if self._client is not None:
            await self._tried(self._erase(self._client, concerns, before_ms))

    async def _erase(self, client: Redis, concerns: Callable[[Entry], bool], before_ms: int) -> None:
        if int(await client.get(self._erased) or 0) >= before_ms:
            return
        await self._dictionaries.forget_before(client, before_ms, self._now_ms())
        async for names in pages(client, self._stem):
            for name in names:
                value = cast("bytes | None", await client.get(name))
                key = bytes.fromhex(name.decode().removeprefix(self._stem))
                if value is not None and await self._packing.concerns(value, key, concerns):
                    await client.unlink(name)
        await client.set(self._erased, before_ms, px=DICTIONARY_LIFE_MS)

    def _unwait(self, key: bytes) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            self._waiting_bytes -= waiting.size_bytes

    async def _write(self, client: Redis) -> None:
        """Write what has waited longest."""
        pipe, group, places, size = client.pipeline(transaction=False), list[Entry](), list[int](), 0
        for entry in tuple(self._waiting.values())[:_GROUP]:
            left_ms = entry.made_ms + entry.kept_ms - self._now_ms()
            group.append(entry)
            if left_ms <= 0:
                continue
            value = await self._packing.written(entry)
            self._dictionaries.publish(pipe, value)
            places.append(len(pipe))
            pipe.set(self._name(entry.key), value, px=left_ms)
            size += len(value)
            if size >= _GROUP_BYTES:
                break
        if self.leases is not None and self.leases.ending:
            written = {entry.key for entry in group}
            self.leases.end(pipe, self._waiting.keys() - written)
        told = await pipe.execute(raise_on_error=False)
        for entry in group:
            if self._waiting.get(entry.key) is entry:
                self._unwait(entry.key)
        self._count([told[place] for place in places])

    def _count(self, told: Sequence[object]) -> None:
        refused = [one for one in told if isinstance(one, Exception)]
        self.figures.written += len(told) - len(refused)
        self.figures.dropped += len(refused)
        if refused and self._clock() - self._logged_at >= _LOGGED_EVERY_S:
            self._logged_at = self._clock()
            logger.warning("cache: redis takes no entries: %s", refused[0])

    def _name(self, key: bytes) -> str:
        return self._stem + key.hex()

    async def _tried(self, asked: Awaitable[_T]) -> None:
        # Wanted only where it is configured, and not cheap to load.
        from redis import RedisError  # noqa: PLC0415

        with suppress(RedisError, OSError, TimeoutError):
            await asked


def _tell(error: BaseException) -> None:
    """Say that a look failed; of a lost connection the session learns by itself, and tells of it."""
    from redis.exceptions import ResponseError  # noqa: PLC0415 - as above

    refused = isinstance(error, ResponseError)
    logger.log(logging.WARNING if refused else logging.DEBUG, "cache: a look into redis failed: %s", error)
