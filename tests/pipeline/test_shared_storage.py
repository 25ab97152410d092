"""What several processes have stored counts for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from narthex.app import Gateway
from narthex.errors import LimitExceeded
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.quotas import Quotas, StoredBytes
from narthex.pipeline import shared_storage
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.shared_storage import SharedStorage
from narthex.stores.link import LinkSettings
from narthex.stores.redis_shelf import RedisShelf
from narthex.stores.shelves import ENTRY_BYTES, ShelfLimits
from narthex.streams.recording_files import files_in
from narthex.streams.recordings import Recordings
from narthex.types.accounts import Account
from narthex.types.dialects import Dialect
from narthex.types.limits import Limit, Measure
from tests.gateways import settings_for
from tests.ledger.limits.making import ACCOUNT
from tests.ledger.limits.test_quotas import stock
from tests.pipeline.doubles import exchange
from tests.pipeline.test_storage import CALLER, NAME_BYTES, record
from tests.stores.servers import RedisServer, running_redis
from tests.stores.test_redis_shelf import until

if TYPE_CHECKING:
    from redis.asyncio import Redis

SCRIPTED = {"demo": {"kind": "scripted", "script": {"models": ["m"], "reply": "word " * 200}}}
ASKED = {"model": "demo/m", "input": "A", "store": True}
LIMITS = ShelfLimits(max_bytes=100_000, owner_bytes=100_000, keep_s=60)
STORAGE = Measure.STORAGE


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real server."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(running: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """The server with nothing on it, and processes that tell soon."""
    monkeypatch.setattr(shared_storage, "BEAT_S", 0.005)
    from redis import Redis as Client  # noqa: PLC0415 - skipped without a server

    with Client.from_url(running.url) as client:
        client.flushall()
    return running


@asynccontextmanager
async def client_of(server: RedisServer) -> AsyncIterator[Redis]:
    """Give a client of a server."""
    from redis.asyncio import Redis as Client  # noqa: PLC0415 - skipped without a server

    client: Redis = Client.from_url(server.url, decode_responses=True)
    async with client:
        yield client


class Process:
    """What a process counts with."""

    def __init__(self, server: RedisServer, folder: Path, amount: int = 1_000_000) -> None:
        where = LinkSettings(url=server.url, prefix="t")
        self.quotas = Quotas(Meters([stock(amount, "storage_bytes")]))
        self.recordings = Recordings(folder)
        self.recordings.sizes.storage = StoredBytes(self.quotas)
        self.shelf = RedisShelf(where, LIMITS)
        self.storage = SharedStorage(where, self.quotas, self.recordings, self.shelf)
        self.tasks = TaskKeeper()

    async def __aenter__(self) -> Self:
        """Count, and hear what there is."""
        await self.recordings.look()
        self.tasks.spawn(self.shelf.run())
        self.tasks.spawn(self.storage.run())
        await self.storage.ready(5)
        await self.shelf.ready(5)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Tell nobody of the end, as one that dies."""
        await self.tasks.aclose()
        await self.recordings.aclose()

    async def put(self, name: str, size: int) -> int:
        """Keep a response, and return what it takes up."""
        self.storage.room.check(CALLER.owner, ACCOUNT, ENTRY_BYTES + size)
        await self.shelf.put(CALLER.owner, name, bytes(size))
        return ENTRY_BYTES + NAME_BYTES + size

    @property
    def sum(self) -> int:
        """What the workspace has, as far as this process knows."""
        return sum(one.gauge.used for one in self.quotas.usage())

    def holds(self, amount: int) -> Callable[[], bool]:
        """Return what tells whether this process counts so much."""
        return lambda: self.sum == amount


async def test_recordings_of_all_disks_count(server: RedisServer, tmp_path: Path) -> None:
    """Whoever has them: of one that is dead too, as its files stay; and of none that was deleted."""
    async with Process(server, tmp_path / "b") as other:
        async with Process(server, tmp_path / "a") as one:
            size = (await record(one.recordings, "a", b"data: x\n\n")).stat().st_size
            await until(other.holds(size))
            mine = (await record(other.recordings, "b", b"data: xx\n\n")).stat().st_size
            await until(one.holds(size + mine))
        async with Process(server, tmp_path / "c", size + mine) as newcomer:
            assert newcomer.sum == size + mine, "known before it is asked for anything"
            with pytest.raises(LimitExceeded, match=f"is reached: {size + mine} are there"):
                await newcomer.recordings.room(ACCOUNT)
        async with Process(server, tmp_path / "a") as again:
            assert again.sum == size + mine, "it finds its folder as it left it"
            await again.recordings.delete(CALLER.owner, "a")
            await until(other.holds(mine))
        for file in list(files_in(tmp_path / "b")):
            file.unlink()
        await other.recordings.look()
        async with Process(server, tmp_path / "a") as again:
            await until(again.holds(0))


async def test_a_folder_of_several_processes_counts_once(server: RedisServer, tmp_path: Path) -> None:
    """Each hears from the others that there is more in it."""
    async with Process(server, tmp_path / "a") as one, Process(server, tmp_path / "a") as other:
        size = (await record(one.recordings, "a", b"data: x\n\n")).stat().st_size
        async with Process(server, tmp_path / "b") as third:
            for process in (one, other, third):
                await until(process.holds(size))


async def test_responses_count_wherever_they_were_put(server: RedisServer, tmp_path: Path) -> None:
    """At once for who puts them, for the others when they hear; also from a process that is dead, until they go."""
    async with Process(server, tmp_path / "b", 2_000) as other:
        async with Process(server, tmp_path / "a", 2_000) as one:
            size = await one.put("a", 100)
            assert one.sum == size
            size += await one.put("b", 100)
            with pytest.raises(LimitExceeded):
                await one.put("c", 700)
            await one.shelf.flush()
            await until(other.holds(size))
            with pytest.raises(LimitExceeded, match="stored bytes"):
                await other.put("c", 700)
            for _ in range(20):
                await asyncio.sleep(0)
                assert one.sum >= size, "never less while it goes from here to there"
            await until(lambda: one.quotas.used(ACCOUNT, STORAGE) == 0)
            assert one.sum == size
        assert await other.shelf.delete(CALLER.owner, "a")
        await until(other.holds(size // 2))
        async with client_of(server) as client:
            things = await client.zrange("t:storage:ends", 0, -1)
            await client.zadd("t:storage:ends", {str(thing): 1 for thing in things})
        await until(other.holds(0))
        await other.put("c", 700)


async def test_while_redis_is_away_it_is_as_it_was_heard_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what comes and goes here; and when it comes back empty, all is told anew."""
    monkeypatch.setattr(shared_storage, "BEAT_S", 0.005)
    with running_redis(tmp_path) as server:
        async with Process(server, tmp_path / "a") as one, Process(server, tmp_path / "b") as other:
            size = (await record(one.recordings, "a", b"data: x\n\n")).stat().st_size
            await until(other.holds(size))
            async with client_of(server) as client:
                await client.flushall()
            more = (await record(one.recordings, "b", b"data: x\n\n")).stat().st_size
            await until(other.holds(size + more))
            server.kill()
            mine = (await record(other.recordings, "c", b"data: x\n\n")).stat().st_size
            response = await other.put("d", 10)
            assert other.sum == size + more + mine + response
            server.start()
            for process in (one, other):
                await until(process.holds(size + more + mine + response))
            await until(lambda: other.quotas.used(ACCOUNT, STORAGE) == mine)


async def test_a_second_gateway_refuses_what_is_too_much_for_both(server: RedisServer, tmp_path: Path) -> None:
    """Neither has as much as may be there; together they do, and both say so."""
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(
                Gateway(settings_for(tmp_path / name, providers=SCRIPTED, redis={"url": server.url}))
            )
            for name in "ab"
        ]
        for gateway in (one, other):
            gateway.books.limits.configure([_limit_of(1_000_000)])
        file = await record(one.recorder.recordings, "a", b"data: %s\n\n" % (b"x" * 1_500), account=Account())
        own = file.stat().st_size
        await other.engine.handle(exchange(ASKED, dialect=Dialect.OPENAI_RESPONSES))
        await until(lambda: own + ENTRY_BYTES < _sum(one) == _sum(other))
        both = _sum(one)
        for gateway in (one, other):
            quotas = gateway.books.limits.quotas
            await until(lambda quotas=quotas: quotas.used(Account(), STORAGE) in {0, own})  # type: ignore[misc]
            assert _sum(gateway) == both
            gateway.books.limits.configure([_limit_of(both + 500)])
            asked = exchange({**ASKED, "input": "A" * 600}, dialect=Dialect.OPENAI_RESPONSES)
            with pytest.raises(LimitExceeded, match=f"leaves 500, .* {both} are there") as refused:
                await gateway.engine.handle(asked)
            assert refused.value.status == 429


def _limit_of(amount: int) -> Limit:
    return stock(amount, "storage_bytes", organisation_id="org_default", subject="ws_default")


def _sum(gateway: Gateway) -> int:
    return sum(one.gauge.used for one in gateway.books.limits.quotas.usage())
