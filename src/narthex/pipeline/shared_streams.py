"""The streams of several processes as one: ours are copied for the others, theirs are read and controlled from here.

Each process gives a sign of life every second. One that gives none is held for dead: whoever looks ends its streams for
it, with an event that says so. A process that lives, and was only cut off from Redis, finds its streams ended there,
goes on for its own readers, and copies them no longer.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from narthex.errors import (
    ProducerLost,
    StreamExists,
    StreamExpired,
    StreamNotFound,
    StreamRunning,
    StreamUnreachable,
)
from narthex.pipeline.copying import Copying
from narthex.pipeline.far_handles import FarHandle
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.handles import Elsewhere, Handle
from narthex.pipeline.mirroring import Mirroring, decode_report, last_words
from narthex.pipeline.node_calls import Asked, NodeCalls, Reply
from narthex.pipeline.owned import Owned, StreamReport, Told
from narthex.pipeline.registry import Registry
from narthex.stores.link import LinkSettings, RedisLink, StoreUnavailable, raise_if_cancelled
from narthex.stores.redis_streams import StreamStore
from narthex.stores.stream_records import Names, StreamFacts, StreamKey
from narthex.streams.mirror import Mirror

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

BEAT_S: Final = 1.0
LIFE_S: Final = 4.0
"""How long a sign of life holds."""
WATCH_S: Final = 0.5
"""How often it is looked whether those live whose streams are read here."""
SWEEP_S: Final = 5.0
"""How often it is looked whether others have died."""
AWAY_S: Final = 15.0
"""How long readers of streams of others wait for Redis, before they are let go."""
CLAIM_S: Final = 0.25
"""How long a call waits at most until it is known whether its ID is free."""
ANSWER_S: Final = 10.0
"""How long an answer is waited for that takes the other process a while to work out."""
FLUSH_S: Final = 1.0
"""How long a process that stops takes at most to copy what is left."""
_MAX_ASKED: Final = 32
"""Questions to Redis at once; the others wait."""

_T = TypeVar("_T")


_encode_report = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStreamsStatus:
    """How copying and following stand."""

    node: str
    """Name of this process among all."""
    state: str
    """Of the connection."""
    behind_streams: int
    behind_events: int
    """Events that are not copied yet."""
    copied_events: int
    followed: int
    """Streams of others that are read here."""


class SharedStreams:
    """Streams that several processes share.

    Attributes:
        node: Name of this process among all; another one each time that it starts.
    """

    def __init__(
        self, settings: LinkSettings, registry: Registry, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Prepare; nothing is opened before `start`.

        Args:
            settings: Where Redis is.
            registry: The streams of this process.
            sleep: Waits between two signs of life, and the like.
        """
        self.node = secrets.token_hex(8)
        self._link = RedisLink(settings, what="redis (streams)", as_text=False)
        self._timeout_s = settings.timeout_s
        self._names = Names(settings.prefix)
        self._registry = registry
        self._sleep = sleep
        self._tasks = TaskKeeper()
        self._nudged = asyncio.Event()
        self.copying = Copying(self._names, self.node, keep_s=lambda: registry.policy.keep_s, sleep=sleep)
        self.calls = NodeCalls(
            self.node, registry, ours=self.copying.of, touched=self.copying.touch, spawn=self._tasks.spawn
        )
        self.mirrors = Mirroring(bounds=lambda: registry.policy.bounds, weigh=registry.weigh, woken=self._nudged.set)
        self._store: StreamStore | None = None
        self._up_since = 0.0
        self._away: asyncio.TimerHandle | None = None
        self._seen = "0"
        self._gate = asyncio.Semaphore(_MAX_ASKED)

    # -- its life --------------------------------------------------------------------------------------------------

    async def start(self, *, wait_s: float) -> None:
        """Begin to share; returns when it is known whether Redis is there, after so many seconds at the latest."""
        self._tasks.spawn(self._link.run(self._session, ended=self._left))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._link.tried.wait()

    async def aclose(self) -> None:
        """Copy what is left, say farewell, and end."""
        from redis import RedisError  # noqa: PLC0415 - wanted only where it is configured, and not cheap to load

        with suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(FLUSH_S):
                while self._store is not None and not self.copying.idle:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.005)
                if self._store is not None:
                    await self._store.nodes.leave(self.node)
        await self._tasks.aclose()
        if self._away is not None:
            self._away.cancel()

    async def _session(self, client: Redis) -> None:
        store = StreamStore(client, self._names)
        await store.prepare()
        await store.nodes.beat(self.node, _ms(LIFE_S))
        self._link.connected()
        self._store, self._up_since = store, monotonic()
        if self._away is not None:
            self._away.cancel()
            self._away = None
        self.copying.recheck()
        try:
            async with asyncio.TaskGroup() as group:
                for work in (self._beat, self.copying.run, self._listen, self._nudge, self._watch):
                    group.create_task(work(store))
        except ExceptionGroup as failed:
            # One broke, and the others were ended for it.
            raise failed.exceptions[0] from failed

    def _left(self) -> None:
        self._store = None
        self.calls.break_off()
        if self._away is None:
            self._away = asyncio.get_running_loop().call_later(AWAY_S, self.mirrors.drop_all)

    async def _beat(self, store: StreamStore) -> None:
        while True:
            raise_if_cancelled()
            await self._sleep(BEAT_S)
            await store.nodes.beat(self.node, _ms(LIFE_S))

    async def _listen(self, store: StreamStore) -> None:
        """Take in what is new of the streams that are followed, and what others say."""
        block_ms = max(1, min(1_000, int(self._timeout_s * 500)))
        while True:
            raise_if_cancelled()
            inbox = (self.node, self._seen)
            messages, news = await store.news(inbox, self.mirrors.wanted(), block_ms)
            for key, entries in news:
                self.mirrors.took(key, entries)
            for name, message in messages:
                self._seen = name
                await self.calls.heard(message, send=store.nodes.send)

    async def _nudge(self, store: StreamStore) -> None:
        """Have it listened anew when there is more to follow."""
        while True:
            raise_if_cancelled()
            await self._nudged.wait()
            self._nudged.clear()
            await store.nodes.send(self.node, b"")

    async def _watch(self, store: StreamStore) -> None:
        """End the streams of processes that died, those first that are read here."""
        swept_at = monotonic()
        while True:
            raise_if_cancelled()
            await self._sleep(WATCH_S)
            self.mirrors.tidy()
            followed = self.mirrors.by_node()
            if not self._may_judge:
                continue
            for node in await store.nodes.dead(list(followed)) if followed else []:
                for key, _ in followed[node]:
                    await self._lose(store, key)
            if monotonic() - swept_at >= SWEEP_S:
                swept_at = monotonic()
                await self._sweep(store)

    async def _sweep(self, store: StreamStore) -> None:
        """End what processes that died have left open."""
        nodes = [node for node in await store.nodes.all() if node != self.node]
        for node in await store.nodes.dead(nodes) if nodes else []:
            for key in await store.left_open(node):
                await self._lose(store, key)
            await store.nodes.bury(node)

    @property
    def _may_judge(self) -> bool:
        """Whether it can be known here who is dead: when Redis was away, nobody could give it a sign of life."""
        return self._store is not None and monotonic() - self._up_since >= LIFE_S + BEAT_S

    async def _lose(self, store: StreamStore, key: StreamKey) -> StreamFacts | None:
        """End a stream whose process is dead, unless another has; return what is known of it then."""
        facts = await store.facts(key)
        if facts is None or not facts.report:
            # Nothing of it is left, or nothing was ever there.
            self.mirrors.lost(key)
            return None
        if not facts.ended:
            error = ProducerLost()
            words = last_words(key.id, facts, facts.last + 1, error)
            report = _encode_report(_lost(facts, error, len(words)))
            keep_s = self._registry.policy.keep_s
            if await store.lose(key, facts, words, report=report, keep_s=keep_s):
                logger.warning("stream %s was ended: the process that wrote it died", key.id)
            facts = await store.facts(key)
        return facts

    # -- ours for others -------------------------------------------------------------------------------------------

    async def claim(self, owner: str, id: str, *, digest: bytes, dialect: str, request: str) -> None:  # noqa: A002 - its name
        """See `Elsewhere`."""
        key = self._names.key(owner, id)
        facts = StreamFacts(
            node=self.node, digest=digest, dialect=dialect, request=request, last=0, ended="", report=b""
        )

        async def claimed(store: StreamStore) -> bool:
            await self.copying.let_go(store)
            return await store.claim(key, facts)

        try:
            async with asyncio.timeout(CLAIM_S):
                free = await self._asked(claimed)
        except (StreamUnreachable, TimeoutError):
            # Then it is ours alone; whichever comes first to Redis with it is seen by others.
            return
        except asyncio.CancelledError:
            # It may be taken by now, for a call that nobody wants any more.
            if self.copying.of(key) is None:
                self.copying.forget(key)
            raise
        if not free:
            raise StreamExists(param="x-narthex-stream-id")

    def opened(self, owned: Owned) -> None:
        """See `Elsewhere`."""
        self.copying.add(owned)

    def touched(self, owned: Owned) -> None:
        """See `Elsewhere`."""
        self.copying.touch(owned)

    def forgotten(self, owner: str, id: str) -> None:  # noqa: A002 - its name
        """See `Elsewhere`."""
        self.copying.forget(self._names.key(owner, id))

    # -- theirs ----------------------------------------------------------------------------------------------------

    async def find(self, owner: str, id: str) -> Handle:  # noqa: A002 - its name
        """See `Elsewhere`."""
        key = self._names.key(owner, id)
        return FarHandle(self, key, await self.facts(key))

    async def facts(self, key: StreamKey) -> StreamFacts:
        """Return what is known of a stream, which is ended first if its process is dead.

        Raises:
            StreamNotFound: There is none.
            StreamExpired: There was one.
            StreamUnreachable: Redis cannot be asked.
        """
        facts = await self._asked(lambda store: store.facts(key))
        if facts is not None and not facts.ended and await self.is_dead(facts.node):
            facts = await self._asked(lambda store: self._lose(store, key))
        if facts is None:
            raise StreamExpired if await self._asked(lambda store: store.was(key)) else StreamNotFound
        return facts

    async def forget(self, owner: str, id: str) -> None:  # noqa: A002 - its name
        """See `Elsewhere`."""
        key = self._names.key(owner, id)
        facts = await self.facts(key)
        node = facts.node
        if not await self._asked(lambda store: store.nodes.dead([node])):
            try:
                await self.ask(node, key, "delete")
            except (StreamNotFound, StreamExpired):
                pass
        elif not facts.ended:
            raise StreamRunning
        await self._asked(lambda store: store.forget(node, [key]))
        self.mirrors.forget(key)

    async def reports(self, owner: str) -> list[StreamReport]:
        """See `Elsewhere`."""
        try:
            listed = await self._asked(lambda store: store.listed(self._names.key(owner, "").owner))
        except StreamUnreachable:
            return []
        return [decode_report(facts.report) for _, facts in listed if facts.report]

    async def is_dead(self, node: str) -> bool:
        """See `Elsewhere`."""
        return self._may_judge and bool(await self._asked(lambda store: store.nodes.dead([node])))

    async def mirror(self, key: StreamKey) -> Mirror:
        """Return a stream of another process, as it is followed here."""
        return (await self._asked(lambda store: self.mirrors.open(store, key))).mirror

    async def ask(self, node: str, key: StreamKey, word: Asked, number: int = 0) -> Reply:
        """Ask the process that writes a stream: see `NodeCalls.ask`."""
        timeout_s = ANSWER_S if word in {"timeline", "record"} else self._timeout_s
        return await self.calls.ask(node, key, word, number, send=self._send, timeout_s=timeout_s)

    async def _send(self, node: str, message: bytes) -> None:
        await self._asked(lambda store: store.nodes.send(node, message))

    async def _asked(self, question: Callable[[StreamStore], Awaitable[_T]]) -> _T:
        """Ask Redis.

        Raises:
            StreamUnreachable: It does not answer.
        """
        from redis import RedisError  # noqa: PLC0415 - wanted only where it is configured, and not cheap to load

        try:
            async with self._gate:
                # As of now: while others asked it may have been lost.
                if self._store is None:
                    raise StreamUnreachable(retry_after_s=1)
                return await question(self._store)
        except (RedisError, OSError, TimeoutError, StoreUnavailable) as error:
            raise StreamUnreachable(retry_after_s=1) from error

    # -- what is told of it ----------------------------------------------------------------------------------------

    def status(self) -> SharedStreamsStatus:
        """Return how copying and following stand."""
        streams, events = self.copying.behind
        return SharedStreamsStatus(
            node=self.node,
            state=self._link.status().state,
            behind_streams=streams,
            behind_events=events,
            copied_events=self.copying.events_total,
            followed=len(self.mirrors),
        )

    def lines(self) -> Iterator[str]:
        """Yield that in Prometheus's text format."""
        status = self.status()
        yield "# HELP narthex_streams_copied_events_total Events of kept answers that were copied to Redis."
        yield "# TYPE narthex_streams_copied_events_total counter"
        yield f"narthex_streams_copied_events_total {status.copied_events}"
        yield "# HELP narthex_streams_behind_events Events of kept answers that are not copied to Redis yet."
        yield "# TYPE narthex_streams_behind_events gauge"
        yield f"narthex_streams_behind_events {status.behind_events}"
        yield "# HELP narthex_streams_followed Streams of other processes that are read at this one."
        yield "# TYPE narthex_streams_followed gauge"
        yield f"narthex_streams_followed {status.followed}"


def _lost(facts: StreamFacts, error: ProducerLost, more_bytes: int) -> StreamReport:
    """Return how a stream stands whose process died."""
    report = decode_report(facts.report)
    progress = msgspec.structs.replace(report.progress, bytes=report.progress.bytes + more_bytes, events=facts.last + 1)
    return msgspec.structs.replace(
        report,
        status="failed",
        last_seq=facts.last + 1,
        readers=0,
        progress=progress,
        error=Told(code=error.code, message=error.message),
    )


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)


_conforms: type[Elsewhere] = SharedStreams
