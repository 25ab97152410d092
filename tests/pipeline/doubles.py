"""An engine around providers that do what a test says, in this process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TypeVar

from narthex.cache.disk_session import Place
from narthex.cache.store import Cache
from narthex.caching import Caching
from narthex.compression.compressor import Compressor
from narthex.compression.contract import Policy as Squeezing
from narthex.compression.dictionaries import MemoryDictionaries
from narthex.config.cache_settings import CacheSettings
from narthex.config.response_settings import ResponseSettings
from narthex.config.settings import IdempotencySettings
from narthex.errors import NarthexError
from narthex.ledger.entries import Entry, Opened
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.quotas import Quotas
from narthex.ledger.prices import Prices
from narthex.pipeline.background import Background
from narthex.pipeline.billing import Billing
from narthex.pipeline.cascades import Cascades
from narthex.pipeline.chain import default_stages
from narthex.pipeline.contract import Check, Spawn, Stage
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.fallbacks import Fallbacks
from narthex.pipeline.gateway import Engine, TaskKeeper
from narthex.pipeline.recorder import Recorder
from narthex.pipeline.recovery import Recovery
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.pipeline.replay import Kept
from narthex.pipeline.responses import Responses, shelf_limits
from narthex.pipeline.settle import Settlement
from narthex.pipeline.stages.admit import Doorkeeper
from narthex.pipeline.stages.idempotency import Idempotency
from narthex.pipeline.stages.own import Own
from narthex.pipeline.stages.recall import Recall
from narthex.pipeline.stages.remember import Remember
from narthex.pipeline.stages.reserve import Reserve
from narthex.providers.catalog import Catalog, Target
from narthex.providers.contract import (
    Call,
    EventsReply,
    Feed,
    Health,
    Provider,
    Reply,
    StreamReply,
    Timeouts,
    Told,
    WholeReply,
)
from narthex.resilience.decisions import Policy
from narthex.resilience.idempotency import IdempotencyStore
from narthex.routing.conditions import Means
from narthex.routing.figures import Figures
from narthex.routing.router import Router
from narthex.routing.strategies import Surroundings
from narthex.routing.virtual import VirtualModel
from narthex.stores.shelves import MemoryShelf
from narthex.streams.recordings import Recordings
from narthex.streams.stream import Frame, Stream
from narthex.telemetry.metrics import Metrics
from narthex.telemetry.request_log import RequestLine, RequestLog
from narthex.tenancy.keys import Keyring
from narthex.types.catalog import ModelFacts, Price
from narthex.types.dialects import Dialect, Operation
from narthex.types.events import Event
from narthex.types.limits import Limit

OPENAI = frozenset({Dialect.OPENAI_CHAT, Dialect.OPENAI_EMBEDDINGS})
ANTHROPIC = frozenset({Dialect.ANTHROPIC_MESSAGES, Dialect.ANTHROPIC_COUNT_TOKENS})
INNER: frozenset[Dialect] = frozenset()

CHAT = {"model": "up/m", "messages": [{"role": "user", "content": "Hi"}]}
MESSAGE = {**CHAT, "max_tokens": 50}


T = TypeVar("T")


class Double:
    """A provider that gives the replies put up, one each, and remembers its calls."""

    kind = "openai"

    def __init__(self, *replies: Reply | NarthexError, name: str = "up", dialects: frozenset[Dialect] = OPENAI) -> None:
        self.name = name
        self.dialects = dialects
        self.calls: list[Call] = []
        self._replies = list(replies)

    async def send(self, call: Call) -> Reply:
        """Remember the call and give the next reply."""
        self.calls.append(call)
        reply = self._replies.pop(0)
        if isinstance(reply, NarthexError):
            raise reply
        return reply

    async def list_models(self) -> tuple[ModelFacts, ...]:
        """Return none: it serves whatever is asked for."""
        return ()

    def health(self) -> Health:
        """Return that it is well."""
        return Health(status="ok")

    async def aclose(self) -> None:
        """Do nothing."""


def surroundings(catalog: Catalog) -> tuple[Means, Surroundings]:
    """Return what a router looks at."""
    means = Means(now=time.time, random=Random(1), canonical=catalog.meant)
    live = Figures(time.monotonic)
    return means, Surroundings(live=live, clock=time.monotonic, random=Random(1), facts_of=catalog.facts)


class Pages:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.calls: dict[str, Opened] = {}
        self.progress: dict[str, int] = {}
        self.entries: dict[str, tuple[Entry, ...]] = {}

    def opened(self, call: Opened, price: Price | None) -> None:
        """Take note of a call that goes out, once."""
        del price
        assert call.id not in self.calls
        self.calls[call.id] = call

    def came(self, name: str, output_tokens: int) -> None:
        """Take note of how much of an answer has come."""
        self.progress[name] = output_tokens

    def settled(self, name: str, entries: tuple[Entry, ...]) -> None:
        """Take note of what came of it, once, with at least one entry."""
        assert name not in self.entries
        if name.endswith(":saved"):
            # Of an answer from the cache: nothing went out for it.
            self.entries[name] = entries
            return
        assert name in self.calls
        assert [entry.id for entry in entries] == [f"{name}:{number}" for number in range(len(entries))]
        assert entries
        self.entries[name] = entries


def _caching(settings: CacheSettings, spawn: Spawn, place: Place | None) -> Caching:
    compressor = None if place is None else Compressor({"cache": Squeezing()}, MemoryDictionaries())
    return Caching(settings, spawn, compressor=compressor, place=place)


class House:
    """An engine, and what it writes down."""

    fallbacks: tuple[str, ...] = ()

    def __init__(
        self,
        *providers: Provider,
        keys: Iterable[tuple[str, str]] = (),
        default_model: str = "",
        virtual: Sequence[VirtualModel] = (),
        remembering: IdempotencySettings | None = None,
        responses: ResponseSettings | None = None,
        price: Callable[[str], Price | None] = lambda _model: None,
        limits: Iterable[Limit] = (),
        cache: CacheSettings | None = None,
        place: Place | None = None,
        **aliases: str,
    ) -> None:
        self.pages = Pages()
        self.meters = Meters(limits)
        self.billing = Billing(self.pages, Prices(price), self.meters)
        self.metrics = Metrics()
        self.doorkeeper = Doorkeeper()
        self.tasks = TaskKeeper()
        self.registry = Registry(KeepPolicy(), {})
        self.catalog = Catalog(
            [(provider, Timeouts()) for provider in providers], aliases=aliases, default_model=default_model
        )
        self.router = Router(*surroundings(self.catalog), models=virtual)
        self.cascades = Cascades(virtual)
        chain = Fallbacks(self.catalog, self.router) if virtual else self._others
        self.recovery = Recovery(chain=chain, policy=Policy(retries=0), sleep=self._pause, further=self.billing.further)
        self.pauses: list[float] = []
        self.keyring = Keyring(keys)
        # Never started: its lines stay in the queue, where tests can see them.
        self._log = RequestLog(Path("logs"), max_file_bytes=65_536, keep_files=1, metrics=self.metrics)
        settlement = Settlement(self.metrics, self._log, billing=self.billing)
        self.caching = None if cache is None else _caching(cache, self.tasks.spawn, place)
        recall = self._recalling(settlement)
        self._stages = self._built(remembering or IdempotencySettings(), responses or ResponseSettings(), recall)
        self.background.handle = self._handle
        self.engine = Engine(self._stages, settlement)

    def _recalling(self, settlement: Settlement) -> Recall | None:
        if self.caching is None:
            return None
        return self.caching.stage(settlement, self.billing, self.pages, self.catalog.resolve)

    def _built(
        self, remembering: IdempotencySettings, responses: ResponseSettings, recall: Recall | None
    ) -> list[Check | Stage]:
        return default_stages(
            keyring=self.keyring,
            doorkeeper=self.doorkeeper,
            idempotency=Idempotency(remembering, self.tasks.spawn),
            remember=self._remember(responses),
            own=Own(self.registry, {}, self.tasks.spawn, Recorder(Recordings(Path("recordings")))),
            catalog=self.catalog,
            router=self.router,
            spawn=self.tasks.spawn,
            recovery=self.recovery,
            cascades=self.cascades,
            recall=recall,
            reserve=Reserve(self.billing),
        )

    async def _handle(self, work: Exchange) -> Stream:
        return await self.engine.handle(work)

    def _remember(self, settings: ResponseSettings) -> Remember:
        self.shelf = MemoryShelf(shelf_limits(settings), time.monotonic)
        self.responses = Responses(self.shelf, settings, self.tasks.spawn, max_input_bytes=1_000_000)
        self.background = Background(self.responses, self.registry, self.tasks.spawn, Quotas(self.meters))
        return Remember(self.responses, self.background)

    @property
    def cache(self) -> Cache:
        """Where answers are that may be given again."""
        assert self.caching is not None
        return self.caching.cache

    @property
    def remembered(self) -> IdempotencyStore[Kept]:
        """What is remembered under idempotency keys."""
        return self.stage(Idempotency).store

    def stage(self, kind: type[T]) -> T:
        """Return the stage of this kind."""
        return next(stage for stage in self._stages if isinstance(stage, kind))

    def _others(self, _exchange: Exchange) -> list[Target]:
        return [self.catalog.resolve(name) for name in self.fallbacks]

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    @property
    def entries(self) -> list[Entry]:
        """What was written in the ledger, call by call."""
        return [entry for entries in self.pages.entries.values() for entry in entries]

    @property
    def lines(self) -> list[RequestLine]:
        """What was logged."""
        return list(self._log._queue)

    async def settled(self) -> None:
        """Wait until every task of the engine has ended."""
        tasks = set(self.tasks._tasks)
        if tasks:
            await asyncio.wait(tasks)


def exchange(
    body: object,
    *,
    dialect: Dialect = Dialect.OPENAI_CHAT,
    operation: Operation = Operation.CHAT,
    headers: Mapping[bytes, bytes] | None = None,
) -> Exchange:
    """Return a call; a body that is not bytes is written as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Exchange(dialect, raw, headers or {}, operation=operation)


def whole(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> WholeReply:
    """Return a whole answer."""
    return WholeReply(status, headers or {"content-type": "application/json"}, body)


def streamed(
    pieces: Iterable[bytes], *, error: BaseException | None = None, hold: bool = False, paused: list[str] | None = None
) -> StreamReply:
    """Return a streamed answer.

    Args:
        pieces: Of its body.
        error: What happens after them, if they do not just end.
        hold: Whether nothing happens after them, for good.
        paused: Where it is noted that the provider was told to pause and to go on.
    """
    notes = [] if paused is None else paused

    async def pump(feed: Feed, told: Told | None = None) -> None:
        for piece in pieces:
            feed(piece)
            await asyncio.sleep(0)
        if hold:
            await asyncio.Event().wait()
        if error is not None:
            raise error

    return StreamReply(
        200,
        {"content-type": "text/event-stream"},
        pump,
        lambda: notes.append("pause"),
        lambda: notes.append("resume"),
        lambda: notes.append("hurry"),
    )


def at_once(pieces: list[bytes], error: BaseException) -> StreamReply:
    """Return a reply that was there to its break before anybody read it."""

    async def pump(feed: Feed, told: Told | None = None) -> None:
        for piece in pieces:
            feed(piece)
        raise error

    return replace(streamed([]), pump=pump)


def told(*events: Event, error: BaseException | None = None, closed: list[str] | None = None) -> EventsReply:
    """Return an answer in the inner vocabulary; `closed` notes that its iterator was closed."""

    async def tell() -> AsyncIterator[Event]:
        try:
            for event in events:
                yield event
                await asyncio.sleep(0)
            if error is not None:
                raise error
        finally:
            if closed is not None:
                closed.append("closed")

    return EventsReply(tell())


async def read(answer: Stream) -> list[Frame]:
    """Read an answer to its end."""
    reader = answer.reader()
    frames: list[Frame] = []
    while await reader.wait():
        frames += reader.take()
    return frames
