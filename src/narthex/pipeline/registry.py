"""All streamed answers of this process, by their owners: those that are kept, and those that run past.

An ID is its owner's: another's cannot be seen, guessed or taken by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from narthex.errors import Overloaded, RateLimited, StreamExists, StreamExpired, StreamNotFound, StreamRunning
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.handles import Answer, Elsewhere, Handle, OwnHandle, Question
from narthex.pipeline.owned import OnDisconnect, Owned, StreamReport
from narthex.streams.log import Log, LogBounds
from narthex.streams.stream import Stream
from narthex.tenancy.readings import Readings

Key = tuple[str, str]
"""Owner and ID."""

_REMEMBERED: Final = 10_000
"""IDs of streams that were kept, of which it is still said that they expired."""

_BREATH_REPORTS: Final = 8
"""Reports after which other tasks get a turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepPolicy:
    """What is kept of streamed answers, and for how long."""

    always: bool = False
    """Whether all are, and not only those that ask for it."""
    on_disconnect: OnDisconnect = "cancel"
    """What becomes of a call when nobody reads its answer any more, unless its request says."""
    keep_s: float = 600.0
    """After the end."""
    bounds: LogBounds = field(default_factory=LogBounds)
    max_total_bytes: int = 268_435_456
    max_per_owner: int = 1_000
    """Answers being written at once."""
    pause_limit_s: float = 120.0


class Registry:
    """Finds streams for their owners, and forgets them in time.

    Attributes:
        policy: What is kept.
        held_bytes: Memory that all kept answers take up.
        elsewhere: The streams of other processes; None where none are shared.
        answers: What answers questions about streams of this process, whichever process asks.
        readings: Where it is noted who reads what others asked for.
    """

    elsewhere: Elsewhere | None = None

    def __init__(self, policy: KeepPolicy, live: Mapping[str, Exchange], readings: Readings | None = None) -> None:
        """Begin without any.

        Args:
            policy: What is kept.
            live: The streamed calls under way that are not kept, by the ID of their request.
            readings: Where it is noted who reads what others asked for.
        """
        self.readings = readings or Readings()
        self.policy = policy
        self.held_bytes = 0
        self.answers: Mapping[Question, Answer] = {}
        self._live = live
        self._kept: dict[Key, Owned] = {}
        self._ended: dict[Key, asyncio.TimerHandle] = {}
        self._expired: dict[Key, None] = {}
        self._running: dict[str, int] = {}
        self._handles: dict[str, Owned] = {}

    def open(
        self,
        exchange: Exchange,
        *,
        id: str | None,  # noqa: A002 - its name
        on_disconnect: OnDisconnect | None,
        first_number: int = 1,
    ) -> Owned:
        """Begin to keep the answer to a call.

        Args:
            exchange: The call.
            id: The caller's own choice; by default the ID of the request.
            on_disconnect: What becomes of the call when nobody reads any more; by default what the policy says.
            first_number: Of its first event.

        Raises:
            StreamExists: The ID stands for another stream of the same owner.
            RateLimited: The owner has as many under way as it may.
        """
        assert exchange.caller is not None
        owner = exchange.caller.owner
        key = (owner, id or exchange.id)
        known = self._kept.get(key)
        if known is not None:
            if known.began or not known.ended:
                raise StreamExists(param="x-narthex-stream-id")
            # It failed before there was anything to read: its caller tries again.
            self._drop(key)
        self._check_room(owner)
        log = Log(exchange.dialect, self.policy.bounds, weigh=self.weigh, first_number=first_number)
        log.detached = (on_disconnect or self.policy.on_disconnect) == "detach"
        owned = Owned(exchange, id=key[1], owner=owner, log=log, node=self._node)
        self._kept[key] = owned
        self._running[owner] = self._running.get(owner, 0) + 1
        self._expired.pop(key, None)
        log.on_close(lambda _log: self._closed(key))
        if self.elsewhere is not None:
            self.elsewhere.opened(owned)
        return owned

    async def claim(self, exchange: Exchange, *, id: str, on_disconnect: OnDisconnect | None) -> Owned:  # noqa: A002 - its name
        """Do as `open`, for an ID that another process may have taken: see there."""
        assert exchange.caller is not None
        owner, elsewhere = exchange.caller.owner, self.elsewhere
        if elsewhere is None or (owner, id) in self._kept:
            return self.open(exchange, id=id, on_disconnect=on_disconnect)
        await elsewhere.claim(owner, id, digest=exchange.digest, dialect=exchange.dialect, request=exchange.id)
        try:
            return self.open(exchange, id=id, on_disconnect=on_disconnect)
        except BaseException:
            if (owner, id) not in self._kept:
                elsewhere.forgotten(owner, id)
            raise

    def find(self, owner: str, id: str) -> Owned:  # noqa: A002 - its name
        """Return a stream of this owner.

        Raises:
            StreamNotFound: There is none, or it is another's.
            StreamExpired: It was kept, and is no more.
        """
        owned = self._kept.get((owner, id))
        if owned is not None:
            return owned
        exchange = self._live.get(id)
        if exchange is not None and exchange.caller is not None and exchange.caller.owner == owner:
            return self._passing(exchange)
        paused = self._handles.get(id)
        if paused is not None and paused.owner == owner:
            return paused
        if (owner, id) in self._expired:
            raise StreamExpired
        raise StreamNotFound

    async def look_up(self, owner: str, id: str) -> Handle:  # noqa: A002 - its name
        """Return a stream of this owner, whichever process writes it.

        Raises:
            StreamNotFound: There is none, or it is another's.
            StreamExpired: It was kept, and is no more.
            StreamUnreachable: It is not here, and others cannot be asked.
        """
        try:
            owned = self.find(owner, id)
        except StreamNotFound:
            if self.elsewhere is None:
                raise
            return await self.elsewhere.find(owner, id)
        return self.handle(owned)

    def handle(self, owned: Owned) -> Handle:
        """Return the handle of a stream of this process."""
        return OwnHandle(owned, pause_limit_s=self.policy.pause_limit_s, told=self.touched, answers=self.answers)

    async def listing(self, owner: str) -> list[StreamReport]:
        """Return how the streams of an owner stand, the newest first, of all processes that can be asked."""
        found: dict[str, StreamReport] = {}
        for number, one in enumerate(self.of(owner), start=1):
            found[one.id] = one.report()
            if not number % _BREATH_REPORTS:
                await asyncio.sleep(0)
        if self.elsewhere is not None:
            for report in await self.elsewhere.reports(owner):
                found.setdefault(report.id, report)
        return sorted(found.values(), key=lambda report: report.created_at, reverse=True)

    async def delete(self, owner: str, id: str) -> None:  # noqa: A002 - its name
        """Hold a stream that has ended no longer, whichever process wrote it.

        Raises:
            StreamRunning: It has not ended.
            NarthexError: It cannot be found: see `look_up`.
        """
        try:
            self.forget(self.find(owner, id))
        except StreamNotFound:
            if self.elsewhere is None:
                raise
            await self.elsewhere.forget(owner, id)

    def of(self, owner: str) -> list[Owned]:
        """Return the streams of an owner, the newest first."""
        kept = [one for one in self._kept.values() if one.owner == owner]
        mine = [one for one in self._live.values() if one.caller is not None and one.caller.owner == owner]
        paused = [one for one in self._handles.values() if one.owner == owner and one.id not in self._live]
        return sorted([*kept, *map(self._passing, mine), *paused], key=lambda one: one.begun_at, reverse=True)

    def forget(self, owned: Owned) -> None:
        """Hold a stream that has ended no longer.

        Raises:
            StreamRunning: It has not ended.
        """
        if not owned.ended:
            raise StreamRunning
        self._drop((owned.owner, owned.id))

    async def drain(self, timeout_s: float) -> None:
        """Wait until what is kept has ended, for so many seconds at most; then end the rest, saying why."""
        quiet = asyncio.Event()
        running: list[Stream] = [one.log for one in self._kept.values() if one.log is not None and not one.ended]
        left = set(running)

        def ended(log: Stream) -> None:
            left.discard(log)
            if not left:
                quiet.set()

        for log in running:
            log.on_close(ended)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s if running else 0):
                await quiet.wait()
        for owned in [one for one in self._kept.values() if not one.ended]:
            owned.cancel(Overloaded("this server stops; the answer is not whole"))

    def adopt(self, policy: KeepPolicy) -> None:
        """Go by another policy from now on; logs that are open keep their bounds."""
        self.policy = policy

    def lines(self) -> Iterator[str]:
        """Yield how much is kept in Prometheus's text format.

        https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        yield "# HELP narthex_streams_kept Streamed answers that are kept, under way and ended."
        yield "# TYPE narthex_streams_kept gauge"
        yield f"narthex_streams_kept {len(self._kept)}"
        yield "# HELP narthex_streams_kept_bytes Memory that kept answers take up."
        yield "# TYPE narthex_streams_kept_bytes gauge"
        yield f"narthex_streams_kept_bytes {self.held_bytes}"

    def _check_room(self, owner: str) -> None:
        running = self._running.get(owner, 0)
        if running >= self.policy.max_per_owner:
            raise RateLimited(
                f"{running} kept streams of yours are under way, as many as `streams.max_per_owner` allows: end some, "
                "or ask without `x-narthex-stream-id` and `x-narthex-on-disconnect`",
                retry_after_s=1,
            )
        if self.held_bytes > self.policy.max_total_bytes:
            raise Overloaded(
                "kept streams that are under way take up all that `streams.max_total_bytes` allows; try again in a "
                "moment, or ask without `x-narthex-stream-id` and `x-narthex-on-disconnect`",
                retry_after_s=1,
            )

    def _passing(self, exchange: Exchange) -> Owned:
        """Return the handle of a stream that is not kept: the same one each time, as it may be paused."""
        known = self._handles.get(exchange.id)
        if known is not None:
            return known
        assert exchange.caller is not None
        owned = Owned(exchange, id=exchange.id, owner=exchange.caller.owner, log=None, node=self._node)
        if exchange.answer is not None and not exchange.answer.closed:
            self._handles[exchange.id] = owned
            exchange.answer.on_close(lambda _stream: self._let_go(exchange.id))
        return owned

    def _let_go(self, id: str) -> None:  # noqa: A002 - its name
        owned = self._handles[id]
        if owned.answer is not None and owned.answer.halted:
            # Somebody still waits for what has come, and only this handle lets it go on.
            owned.on_resume = lambda: self._handles.pop(id, None)
        else:
            del self._handles[id]

    @property
    def _node(self) -> str | None:
        return None if self.elsewhere is None else self.elsewhere.node

    def touched(self, owned: Owned) -> None:
        """Tell other processes at once how a stream of this one stands."""
        if self.elsewhere is not None:
            self.elsewhere.touched(owned)

    def weigh(self, more: int) -> None:
        """Take note of memory that is taken up, or no longer; what ended first makes room."""
        self.held_bytes += more
        while self.held_bytes > self.policy.max_total_bytes and self._ended:
            self._drop(next(iter(self._ended)))

    def _closed(self, key: Key) -> None:
        owner = key[0]
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]
        self._ended[key] = asyncio.get_running_loop().call_later(self.policy.keep_s, self._drop, key)

    def _drop(self, key: Key) -> None:
        owned, timer = self._kept.pop(key, None), self._ended.pop(key, None)
        if timer is not None:
            timer.cancel()
        if owned is None or owned.log is None:
            return
        self.held_bytes -= owned.log.held_bytes
        if owned.log.halted:
            # Nobody finds it any more who could go on with it.
            owned.resume()
        if self.elsewhere is not None:
            self.elsewhere.forgotten(*key)
        self._expired[key] = None
        if len(self._expired) > _REMEMBERED:
            del self._expired[next(iter(self._expired))]
