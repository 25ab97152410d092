"""The engine: every call ends, every end is settled, and no task is lost."""

from __future__ import annotations

import asyncio
import logging

import pytest

from narthex.errors import Cancelled, InternalError, ProviderFailed
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import Engine, TaskKeeper
from narthex.pipeline.settle import Settlement
from narthex.streams.stream import Stream
from narthex.telemetry.metrics import Metrics
from narthex.testing.wires import openai_answer, openai_frames
from narthex.types.dialects import Dialect
from tests.pipeline.doubles import CHAT, Double, House, exchange, read, streamed, whole


async def test_a_whole_answer_is_settled_at_once() -> None:
    """When a whole answer is returned it is settled already: what its headers tell is known."""
    house = House(Double(whole(openai_answer("x"))))
    answer = await house.engine.handle(exchange(CHAT))
    assert answer.whole
    assert len(house.lines) == 1


async def test_a_stream_is_settled_when_it_ends() -> None:
    """A stream is settled at its end, whoever reads then, and not before."""
    house = House(Double(streamed(openai_frames("one two"))))
    answer = await house.engine.handle(exchange({**CHAT, "stream": True}))
    assert house.lines == []
    await read(answer)
    await house.settled()
    assert len(house.lines) == 1


async def test_a_providers_error_is_raised_and_settled() -> None:
    """What has no answer raises why, and is settled with it."""
    error = ProviderFailed(provider="up")
    house = House(Double(error))
    call = exchange(CHAT)
    with pytest.raises(ProviderFailed):
        await house.engine.handle(call)
    assert call.error is error
    assert house.lines[0].code == "provider_failed"


async def test_a_fault_of_ours_is_logged_and_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in a stage is an internal error to the caller; the log has its trace under the request's ID."""

    class Broken:
        def __call__(self, exchange: Exchange) -> None:
            raise ZeroDivisionError("secret words")

    metrics = Metrics()
    engine = Engine([Broken()], Settlement(metrics, None))
    call = exchange(CHAT)
    with caplog.at_level(logging.ERROR), pytest.raises(InternalError) as raised:
        await engine.handle(call)
    assert "secret" not in raised.value.message
    assert call.id in caplog.text
    assert (metrics.active, metrics.failed) == (0, 1)


async def test_a_caller_who_leaves_before_the_answer_is_settled_as_that() -> None:
    """Cancelled while the provider is silent, a call is settled as cancelled and the cancellation goes on."""

    class Silent:
        async def __call__(self, exchange: Exchange, call_next: Next) -> None:
            await asyncio.Event().wait()

    metrics = Metrics()
    call = exchange(CHAT)
    task = asyncio.ensure_future(Engine([Silent()], Settlement(metrics, None)).handle(call))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(call.error, Cancelled)
    assert (metrics.active, metrics.failed) == (0, 1)


async def test_a_stage_may_answer_by_itself() -> None:
    """A stage that sets the answer ends the way there; the rest of the chain is not asked."""

    class Early:
        async def __call__(self, exchange: Exchange, call_next: Next) -> None:
            exchange.answer = Stream.of(b"{}", Dialect.OPENAI_CHAT)

    engine = Engine([Early()], Settlement(Metrics(), None))
    assert (await engine.handle(exchange(CHAT))).body == b"{}"


async def test_tasks_are_kept_and_ended() -> None:
    """A task is kept until it has ended; what still runs at the end is cancelled and waited for."""
    keeper = TaskKeeper()
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("work")

    async def quick() -> None:
        ended.append("quick")

    keeper.spawn(work())
    keeper.spawn(quick())
    assert len(keeper) == 2
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(keeper) == 1
    await keeper.aclose()
    assert ended == ["quick", "work"]
    assert len(keeper) == 0


async def test_a_task_that_breaks_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """No task fails in silence."""
    keeper = TaskKeeper()

    async def broken() -> None:
        raise ZeroDivisionError

    keeper.spawn(broken())
    await asyncio.sleep(0.01)
    assert "a task of the engine broke" in caplog.text
