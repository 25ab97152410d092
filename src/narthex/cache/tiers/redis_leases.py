"""Leases in Redis or Valkey: taken together with the look for the answer, in one round trip.

    narthex:cache:l:KEY     a lease: the token of whoever has it; it runs out by itself
    narthex:cache:w:KEY     the processes that wait for it to end
    narthex:cache:p:NAME    the channel on which one process is told that

Renewing and ending compare the token first: who comes too late harms nobody who has the lease since. The answer itself
is written in any case: it is one, whoever asked for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import secrets
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Final, cast

from narthex.cache.leases import Lease, Outcome, Turn
from narthex.cache.tiers.redis_line import RedisLine
from narthex.cache.tiers.redis_live import RedisLive
from narthex.stores.link import raise_if_cancelled

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

_OUTCOMES: Final[dict[bytes, Outcome]] = {b"kept": "kept", b"left": "left", b"alone": "alone"}
_WAITING_MS: Final = 600_000
"""How long it is known who waits, if nobody ends the lease."""

_MAX_KEPT: Final = 256

_LOOK: Final = """
local value = redis.call('GET', KEYS[1])
if value and ARGV[4] == '' then return {value} end
local holder = redis.call('GET', KEYS[2])
if not holder then
  redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
  return {value, -1}
end
redis.call('SADD', KEYS[3], ARGV[3])
redis.call('PEXPIRE', KEYS[3], WAITING)
return {value, math.max(0, redis.call('PTTL', KEYS[2])), holder}
""".replace("WAITING", str(_WAITING_MS))
_LOOK_SHA: Final = hashlib.sha1(_LOOK.encode(), usedforsecurity=False).hexdigest()

_RENEW: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end"
_END: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return end
redis.call('DEL', KEYS[1])
for _, name in ipairs(redis.call('SMEMBERS', KEYS[2])) do redis.call('PUBLISH', ARGV[2] .. name, ARGV[3]) end
redis.call('DEL', KEYS[2])
"""


class RedisLeases:
    """The leases that this process has, and those of others that it waits for.

    Attributes:
        lease_s: How long one holds without being renewed.
        channel: Where this process is told what came of those that it waits for.
        ending: Leases that end, and how; not told yet.
        live: Tells what is answered under these leases while it comes, and hears what is under those of others.
    """

    def __init__(self, prefix: str, lease_s: float) -> None:
        """Begin without any.

        Args:
            prefix: Begins every name on the server.
            lease_s: How long one holds without being renewed.
        """
        self.lease_s = lease_s
        self._name = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._lease, self._waiters = f"{prefix}:cache:l:", f"{prefix}:cache:w:"
        self._channels = f"{prefix}:cache:p:"
        self.channel = self._channels + self._name
        self.ending: list[tuple[Lease, Outcome]] = []
        self._held: dict[str, Lease] = {}
        self._waiting: dict[bytes, set[asyncio.Future[Outcome | None]]] = {}
        self._kept: dict[bytes, None] = {}
        """Answers that lie there since, and that nobody waited for when it was told."""
        self.live = RedisLive(prefix, self._name)
        self.live.when_begun, self.live.when_told = self._begun, lambda: self.when_ending()  # noqa: PLW0108 - comes later
        self.when_ending: Callable[[], None] = lambda: None
        """Called when there is one more that ends."""

    async def look(self, line: RedisLine, entry: str, key: bytes, turn: Turn, *, always: bool = False) -> bytes | None:
        """Return what lies under the name of an entry, and say whose turn it is if that is nothing.

        Args:
            line: Over which it is asked.
            entry: The name.
            key: Of the question.
            turn: Is told.
            always: Whether it is told in any case.
        """
        from redis.exceptions import NoScriptError  # noqa: PLC0415 - not cheap to load

        token, name = f"{self._name}:{next(self._numbers)}", key.hex()
        keys = (entry, self._lease + name, self._waiters + name)
        asked = (len(keys), *keys, token, str(self._ms), self._name, "1" if always else "")
        try:
            told = cast("list[object]", await line.ask("EVALSHA", _LOOK_SHA, *asked))
        except NoScriptError:
            told = cast("list[object]", await line.ask("EVAL", _LOOK, *asked))
        if len(told) > 1:
            holder = b"" if len(told) < 3 else cast("bytes", told[2])
            self._say(turn, key, token, cast("int", told[1]), holder.decode())
        return cast("bytes | None", told[0]) if told else None

    def _say(self, turn: Turn, key: bytes, token: str, left_ms: int, holder: str) -> None:
        if left_ms >= 0:
            turn.elsewhere_s, turn.holder = left_ms / 1_000, holder
            return
        turn.elsewhere_s, turn.lease = None, Lease(key, token, self._end)
        self._held[token] = turn.lease

    def _end(self, lease: Lease, outcome: Outcome) -> None:
        # One that was given up meanwhile, as the connection was lost, runs out by itself.
        self.live.withdraw(lease.token)
        if self._held.pop(lease.token, None) is not None:
            self.ending.append((lease, outcome))
            self.when_ending()

    def end(self, pipe: Pipeline, unwritten: Container[bytes]) -> None:
        """End what may end: all but those whose answers are still to be written, or told."""
        left: list[tuple[Lease, Outcome]] = []
        for lease, outcome in self.ending:
            if lease.key in unwritten or self.live.is_telling(lease.token):
                left.append((lease, outcome))
                continue
            name = lease.key.hex()
            names = (self._lease + name, self._waiters + name)
            pipe.eval(_END, len(names), *names, lease.token, self._channels, f"{name} {outcome}")
        self.ending = left

    @property
    def is_due(self) -> bool:
        """Whether there is one that may end, unless its answer is still to be written."""
        return any(not self.live.is_telling(lease.token) for lease, _ in self.ending)

    async def renew(self, client: Redis) -> None:
        """Renew what is held, until cancelled."""
        while True:
            raise_if_cancelled()
            await asyncio.sleep(self.lease_s / 3)
            if self._held:
                pipe = client.pipeline(transaction=False)
                for token, lease in self._held.items():
                    pipe.eval(_RENEW, 1, self._lease + lease.key.hex(), token, str(self._ms))
                await pipe.execute(raise_on_error=False)

    # -- those of others -------------------------------------------------------------------------------------------

    async def told(self, key: bytes, within_s: float) -> Outcome | None:
        """Wait until another process's lease ends; None where that is not told in time, or something can be heard."""
        if key in self._kept:
            del self._kept[key]
            return "kept"
        future: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        them = self._waiting.setdefault(key, set())
        them.add(future)
        try:
            done, _ = await asyncio.wait((future,), timeout=within_s)
            return future.result() if done else None
        finally:
            them.discard(future)
            if not them and self._waiting.get(key) is them:
                del self._waiting[key]

    def heard(self, message: object) -> None:
        """Take what was said on the channel of this process."""
        if not isinstance(message, bytes) or self.live.heard(message):
            return
        name, _, outcome = message.partition(b" ")
        try:
            key = bytes.fromhex(name.decode())
        except ValueError:
            return
        told = _OUTCOMES.get(outcome, "left")
        if told == "kept" and key not in self._waiting:
            # Whoever has just heard it as it came to its end may be asked for it in another form.
            self._kept[key] = None
            while len(self._kept) > _MAX_KEPT:
                del self._kept[next(iter(self._kept))]
        self._send_on(key, told)

    def left(self) -> None:
        """Have nobody wait any more: the connection is lost."""
        self._held.clear()
        self.ending.clear()
        self.live.left()
        for key in tuple(self._waiting):
            self._send_on(key, "alone")

    def _begun(self, key: bytes) -> None:
        self._send_on(key, None)

    def _send_on(self, key: bytes, outcome: Outcome | None) -> None:
        for future in self._waiting.get(key, ()):
            if not future.done():
                future.set_result(outcome)

    @property
    def _ms(self) -> int:
        return max(1, int(self.lease_s * 1_000))
