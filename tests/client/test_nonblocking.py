"""The client on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from narthex.client import AsyncClient
from narthex.testing import ScriptedUpstream
from narthex.testing.acts import Stall, cut_after, silent
from tests.client.answers import generated, generation_frames


@pytest.fixture
def gateway() -> Iterator[ScriptedUpstream]:
    """Return what stands for a gateway."""
    with ScriptedUpstream() as running:
        running.always(generated())
        yield running


async def test_calls_run_side_by_side(gateway: ScriptedUpstream) -> None:
    """Calls at once take a connection each; later ones use them again."""
    async with AsyncClient(gateway.url) as client:
        for _ in range(2):
            found = await asyncio.gather(*(client.generate("x") for _ in range(5)))
            assert {generation.text for generation in found} == {"Blue, mostly."}
    assert gateway.opened <= 5


async def test_cancelling_a_call_ends_it(gateway: ScriptedUpstream) -> None:
    """A call that is cancelled while it waits closes its connection."""
    gateway.play(silent())
    async with AsyncClient(gateway.url) as client:
        task = asyncio.ensure_future(client.generate("x"))
        await gateway.requested()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gateway.disconnected()


async def test_cancelling_a_stream_leaves_it(gateway: ScriptedUpstream) -> None:
    """Cancelled between two events, an answer is left, and stays left."""
    gateway.play(cut_after(generated(generation_frames("a", "b")), sends=2, by=Stall()))
    async with AsyncClient(gateway.url) as client, await client.generate("x", stream=True) as stream:
        assert (await anext(stream)).text == "a"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(stream)
        await gateway.disconnected()
        assert [event async for event in stream] == []


def test_a_client_works_on_another_loop(gateway: ScriptedUpstream) -> None:
    """A client used on a second event loop opens connections there, and leaves the first loop its own."""
    client = AsyncClient(gateway.url)

    async def ask() -> str:
        return (await client.generate("x")).text

    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert first.run(ask()) == second.run(ask()) == "Blue, mostly."
        second.run(client.aclose())
        first.run(asyncio.sleep(0))
    gateway.wait_for(lambda: gateway.opened == gateway.closed == 2)


async def test_types_follow_the_call(gateway: ScriptedUpstream) -> None:
    """`stream` decides what comes back, for the type checker too."""
    gateway.play(generated(), generated(generation_frames("a")))
    async with AsyncClient(gateway.url) as client:
        whole: str = (await client.generate("x")).text
        pieces: list[str] = [event.text async for event in await client.generate("x", stream=True)]
    assert (whole, pieces) == ("Blue, mostly.", ["a", ""])
    assert client.url == gateway.url
