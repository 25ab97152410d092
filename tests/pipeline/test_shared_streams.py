"""Streams of several gateways as one, over a real server; what several processes see is proved elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from narthex.errors import (
    NodeSilent,
    ProducerLost,
    StreamEnded,
    StreamExists,
    StreamExpired,
    StreamNotFound,
    StreamUnreachable,
)
from narthex.pipeline import shared_streams
from narthex.pipeline.handles import Word
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.pipeline.shared_streams import SharedStreams
from narthex.stores.link import LinkSettings
from narthex.stores.stream_records import StreamFacts, StreamKey
from tests.pipeline.test_registry import exchange, opened
from tests.stores.servers import RedisServer, redis_server, running_redis

OWNER = "tenant:one"
WORDS: tuple[Word, ...] = ("pause", "resume")


@asynccontextmanager
async def sharing(url: str, *, timeout_s: float = 5.0) -> AsyncIterator[tuple[Registry, SharedStreams]]:
    """Give a registry whose streams are shared."""
    registry = Registry(KeepPolicy(), {})
    streams = SharedStreams(LinkSettings(url=url, timeout_s=timeout_s), registry)
    registry.elsewhere = streams
    await streams.start(wait_s=5)
    try:
        yield registry, streams
    finally:
        await streams.aclose()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis."""
    with running_redis(tmp_path) as server:
        yield server


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_written_here_and_read_there(redis: RedisServer) -> None:
    """From its first event to its end, by whoever looks it up."""
    async with sharing(redis.url) as (here, mine), sharing(redis.url) as (there, theirs):
        owned = opened(here, "name-name", size=3)
        assert owned.log is not None
        await until(lambda: mine.copying.idle)
        handle = await there.look_up(OWNER, "name-name")
        assert (handle.id, handle.digest) == ("name-name", owned.digest)
        assert (await handle.tell("report")).node == mine.node
        log = await handle.read(0)
        reader = log.reader()
        owned.log.append(b"more")
        owned.log.close()
        got: list[object] = []
        while await reader.wait():
            got += reader.take()
        assert got == [b"xxx", b"more"]
        assert [report.id for report in await there.listing(OWNER)] == ["name-name"]
        assert await there.listing("tenant:two") == []
        with pytest.raises(StreamNotFound):
            await there.look_up("tenant:two", "name-name")
        assert (mine.status().copied_events, theirs.status().followed) == (2, 1)
        text = "\n".join((*mine.lines(), *theirs.lines()))
        assert "narthex_streams_copied_events_total 2" in text
        assert "narthex_streams_followed 1" in text


async def test_an_id_is_claimed_before_it_is_used(redis: RedisServer) -> None:
    """Two that ask for it at once do not both get it; refused for another reason, it is free again."""
    async with sharing(redis.url) as (here, _), sharing(redis.url) as (there, _):
        claims = [one.claim(exchange(), id="name-name", on_disconnect=None) for one in (here, there)]
        made = await asyncio.gather(*claims, return_exceptions=True)
        assert sorted(type(one).__name__ for one in made) == ["Owned", "StreamExists"]
        full = KeepPolicy(max_per_owner=0)
        policy, there.policy = there.policy, full
        with pytest.raises(Exception, match="under way"):
            await there.claim(exchange(), id="name-free", on_disconnect=None)
        there.policy = policy
        assert (await there.claim(exchange(), id="name-free", on_disconnect=None)).id == "name-free"
        with pytest.raises(StreamExists):
            await there.claim(exchange(), id="name-free", on_disconnect=None)


async def test_controlled_and_forgotten_from_there(redis: RedisServer) -> None:
    """Every word reaches the one that writes, and its refusals come back."""
    async with sharing(redis.url) as (here, mine), sharing(redis.url) as (there, _):
        owned = opened(here, "name-name", size=3)
        await until(lambda: mine.copying.idle)
        handle = await there.look_up(OWNER, "name-name")
        told = [((await handle.tell(word)).status, owned.status) for word in WORDS]
        assert told == [("paused", "paused"), ("running", "running")]
        assert owned.log is not None
        owned.log.close()
        with pytest.raises(StreamEnded):
            await handle.tell("cancel")
        await until(lambda: mine.copying.idle)
        with pytest.raises(StreamEnded, match="done"):
            await (await there.look_up(OWNER, "name-name")).tell("pause")
        await there.delete(OWNER, "name-name")
        with pytest.raises(StreamExpired):
            here.find(OWNER, "name-name")
        with pytest.raises(StreamExpired):
            await there.look_up(OWNER, "name-name")


async def test_one_that_does_not_answer_is_told_of(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control says so; a report is the last one that is known."""
    async with sharing(redis.url, timeout_s=0.5) as (there, _), sharing(redis.url) as (here, mine):
        opened(here, "name-name", size=3)
        await until(lambda: mine.copying.idle)
        handle = await there.look_up(OWNER, "name-name")

        async def deaf(*_: object, **__: object) -> None:
            """Hear nothing."""

        monkeypatch.setattr(mine.calls, "heard", deaf)
        with pytest.raises(NodeSilent):
            await handle.tell("cancel")
        assert (await handle.tell("report")).status == "running"


async def ended_by_another(mine: SharedStreams, theirs: SharedStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have one that lives, and gives no sign of it, be held for dead by another."""

    async def silent(*_: object) -> None:
        """Give no sign of life."""

    assert theirs._store is not None
    assert mine._store is not None
    monkeypatch.setattr(mine._store.nodes, "beat", silent)
    await mine._store.nodes.leave(mine.node)
    await theirs._sweep(theirs._store)


async def test_a_living_one_that_was_ended_goes_on_for_its_own(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held for dead, it adds nothing behind the end that others wrote; its own readers get everything."""
    async with sharing(redis.url) as (here, mine), sharing(redis.url) as (there, theirs):
        owned = opened(here, "name-name", size=3)
        assert owned.log is not None
        await until(lambda: mine.copying.idle)

        await ended_by_another(mine, theirs, monkeypatch)
        owned.log.append(b"more")
        owned.log.close()
        await until(lambda: mine.copying.idle)
        assert owned.log.reader().take() == [b"xxx", b"more"]
        handle = await there.look_up(OWNER, "name-name")
        assert (await handle.tell("report")).status == "failed"
        log = await handle.read(0)
        first, last = log.reader().take()
        assert first == b"xxx"
        assert isinstance(last, bytes)
        assert b"producer_lost" in last
        assert isinstance(log.error, ProducerLost)
        # Forgotten here, it is not forgotten there, where it is held for ended.
        here.forget(owned)
        await until(lambda: mine.copying.idle)
        assert (await there.look_up(OWNER, "name-name")).id == "name-name"


async def test_without_redis_it_is_local(tmp_path: Path) -> None:
    """What is here is found and taken; of what is not, nobody says that it does not exist."""
    server = redis_server(tmp_path)
    async with sharing(server.url) as (here, mine):
        owned = await here.claim(exchange(), id="name-name", on_disconnect=None)
        assert (await (await here.look_up(OWNER, "name-name")).tell("report")).node == mine.node
        assert [report.id for report in await here.listing(OWNER)] == ["name-name"]
        with pytest.raises(StreamUnreachable):
            await here.look_up(OWNER, "name-else")
        assert owned.log is not None
        owned.log.append(b"x")
        assert (mine.status().behind_streams, mine.status().behind_events) == (1, 1)
        with server:
            await until(lambda: mine.status().behind_events == 0)
            with pytest.raises(StreamNotFound):
                await here.look_up(OWNER, "name-else")


async def test_nobody_asks_over_a_connection_that_is_gone(redis: RedisServer) -> None:
    """Whoever waited for its turn meanwhile is told so, and one that gives up leaves no question unasked."""
    async with sharing(redis.url) as (there, theirs):
        for _ in range(32):
            await theirs._gate.acquire()
        late = [asyncio.ensure_future(there.look_up(OWNER, "name-name")) for _ in range(2)]
        await asyncio.sleep(0)
        late[0].cancel()
        theirs._store = None
        theirs._gate.release()
        done = await asyncio.gather(*late, return_exceptions=True)
        assert [type(one).__name__ for one in done] == ["CancelledError", "StreamUnreachable"]


async def test_a_claim_fails_nobody(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what was forgotten cannot be told just now, the ID is taken here alone."""
    async with sharing(redis.url) as (here, mine):
        assert mine._store is not None

        async def broken(*_: object) -> None:
            raise ConnectionResetError

        monkeypatch.setattr(mine._store, "forget", broken)
        mine.copying._gone[mine._names.key(OWNER, "name-gone")] = None
        assert (await here.claim(exchange(), id="name-name", on_disconnect=None)).id == "name-name"


async def test_a_claim_of_one_who_left_is_let_go(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ID is free for whoever asks next, at any process."""
    async with sharing(redis.url) as (here, mine), sharing(redis.url) as (there, _):
        store = mine._store
        assert store is not None
        claim, taken = store.claim, asyncio.Event()

        async def slow(key: StreamKey, facts: StreamFacts) -> bool:
            answer = await claim(key, facts)
            taken.set()
            await asyncio.sleep(60)
            return answer

        monkeypatch.setattr(store, "claim", slow)
        monkeypatch.setattr(shared_streams, "CLAIM_S", 60.0)
        leaving = asyncio.ensure_future(here.claim(exchange(), id="name-name", on_disconnect=None))
        await taken.wait()
        with pytest.raises(StreamExists):
            await there.claim(exchange(), id="name-name", on_disconnect=None)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await until(lambda: mine.copying.idle)
        assert (await there.claim(exchange(), id="name-name", on_disconnect=None)).id == "name-name"
