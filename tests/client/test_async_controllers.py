"""Kept streams on an event loop, against the real server, over connections that are cut."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest

from narthex.client import AsyncClient
from narthex.errors import Cancelled, StreamNotFound
from narthex.types.events import Ended
from tests.client.cutting import CuttingProxy
from tests.client.kept import QUICK, SCRIPT, away_at_the_end, check
from tests.gateways import RunningGateway, running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """Return a gateway whose model is scripted."""
    with running(tmp_path_factory.mktemp("data"), providers={"stage": SCRIPT}, default_model="stage/calm") as found:
        yield found


@pytest.fixture
def proxy(gateway: RunningGateway) -> Iterator[CuttingProxy]:
    """Return what stands between client and gateway, and cuts."""
    with CuttingProxy(gateway.port) as found:
        yield found


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the seconds that the gateway asks for between two connections pass at once."""
    pause = asyncio.sleep

    async def at_once(_s: float) -> None:
        await pause(0)

    monkeypatch.setattr("narthex.client.async_controllers.sleep", at_once)


async def test_cuts_lose_nothing_on_an_event_loop(gateway: RunningGateway, proxy: CuttingProxy) -> None:
    """The same holds for the client on an event loop."""
    chance = random.Random(6)
    async with AsyncClient(proxy.url) as client:
        while proxy.cuts < 30:
            proxy.cut_after(lambda: chance.randrange(1, 4_000))
            stream = await client.streams.start("Hello", reconnect=QUICK)
            frames = [frame async for frame in stream.frames()]
            proxy.cut_after(None)
            await asyncio.to_thread(check, frames, gateway.url, stream.id)


async def test_a_stream_is_read_on_by_its_number(gateway: RunningGateway) -> None:
    """`attach` behind an event yields what comes after it, and from the start the typed events too."""
    async with AsyncClient(gateway.url) as client:
        stream = await client.streams.start("Hello")
        frames = [frame async for frame in stream.frames()]
        again = await client.streams.attach(stream.id, after=40)
        assert [frame async for frame in again.frames()] == frames[40:]
        typed = await client.streams.attach(stream.id)
        assert isinstance([event async for event in typed][-1], Ended)
        with pytest.raises(StreamNotFound):
            await client.streams.attach("nobody-knows-it")


async def test_the_handle_on_an_event_loop(gateway: RunningGateway) -> None:
    """The same, awaited."""
    async with AsyncClient(gateway.url) as client:
        async with await client.streams.start("[[tokens 60000]]", name="chosen-by-me") as stream:
            assert stream.id == "chosen-by-me"
            assert (await stream.pause()).status == "paused"
            assert (await stream.resume()).id == stream.id
            await stream.cancel()
            with pytest.raises(Cancelled):
                _ = [event async for event in stream]
            assert stream.last_seq > 0
        assert (await client.streams.list(limit=1))[0].status == "cancelled"
        assert (await client.streams.progress(stream.id)).ended
        await client.streams.delete(stream.id)


async def test_a_gateway_that_is_away_at_the_end_is_asked_again() -> None:
    """As without an event loop."""
    with away_at_the_end() as provider:
        async with AsyncClient(provider.url) as client:
            stream = await client.streams.start("Hello", name="stream-1", reconnect=QUICK)
            assert [frame.seq async for frame in stream.frames()] == [1, 2]


async def test_a_handle_is_let_go_of_without_its_loop(gateway: RunningGateway) -> None:
    """As when a thread, or what runs after the loop, closes it."""
    async with AsyncClient(gateway.url) as client:
        stream = await client.streams.start("[[tokens 60000]]")
        await asyncio.to_thread(stream.close)
        await asyncio.sleep(0)
        await stream.cancel()
