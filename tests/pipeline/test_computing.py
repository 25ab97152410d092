"""A function of the operator's is run within its time, whatever it does."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable

import pytest

from narthex.errors import Overloaded
from narthex.pipeline import computing
from narthex.pipeline.computing import compute
from narthex.pipeline.gateway import TaskKeeper

PLENTY_S = 30.0


def _double(number: int) -> int:
    return 2 * number


async def _double_later(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


class _Doubler:
    async def __call__(self, number: int) -> int:
        return await _double_later(number)


def _promise(number: int) -> Awaitable[int]:
    return _double_later(number)


@pytest.mark.parametrize(
    "function",
    [_double, _double_later, _Doubler(), _promise, functools.partial(_double_later)],
    ids=["plain", "coroutine", "callable object", "promise", "partial"],
)
async def test_every_kind_of_function_is_run(function: computing.Function[int, int]) -> None:
    """Plain functions, coroutines, objects with either, and functions that return what is to be awaited."""
    tasks = TaskKeeper()
    assert await compute(function, 21, timeout_s=PLENTY_S, spawn=tasks.spawn) == 42
    await asyncio.sleep(0)
    assert len(tasks) == 0


async def test_a_plain_function_does_not_hold_the_loop() -> None:
    """While it runs, the loop goes on: here the loop is what lets it end."""
    held = threading.Event()

    def wait(_argument: None) -> bool:
        return held.wait(PLENTY_S)

    asyncio.get_running_loop().call_soon(held.set)
    assert await compute(wait, None, timeout_s=PLENTY_S, spawn=TaskKeeper().spawn)


async def test_what_takes_too_long_is_left() -> None:
    """A thread that hangs and a coroutine that does not heed its cancellation are left when the time is over."""
    held, tasks = threading.Event(), TaskKeeper()
    let_go = asyncio.Event()

    async def stubborn(_argument: None) -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    try:
        for function in (lambda _argument: held.wait(PLENTY_S), stubborn):
            with pytest.raises(TimeoutError):
                await compute(function, None, timeout_s=0.01, spawn=tasks.spawn)  # type: ignore[arg-type]  # two kinds
        assert len(tasks) == 1
    finally:
        held.set()
        let_go.set()
        await asyncio.sleep(0.01)
    assert len(tasks) == 0


async def test_a_caller_who_leaves_ends_it() -> None:
    """If the call is cancelled, its coroutine is cancelled too."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work(_argument: int) -> int:
        begun.set()
        try:
            return int(await asyncio.Event().wait())
        finally:
            ended.set()

    function: computing.Function[int, int] = work
    running = asyncio.ensure_future(compute(function, 0, timeout_s=PLENTY_S, spawn=TaskKeeper().spawn))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await ended.wait()


@pytest.mark.parametrize(
    ("raised", "told"),
    [(KeyError("k"), KeyError), (StopIteration(), RuntimeError), (SystemExit(3), RuntimeError)],
    ids=["plain", "StopIteration", "exit"],
)
async def test_what_it_raises_is_passed_on(raised: BaseException, told: type[Exception]) -> None:
    """Whatever a function in a thread raises reaches the caller as an exception, and never ends the process."""

    def fail(_argument: None) -> None:
        raise raised

    with pytest.raises(told):
        await compute(fail, None, timeout_s=PLENTY_S, spawn=TaskKeeper().spawn)


async def test_what_a_coroutine_raises_is_passed_on() -> None:
    """And so does what a coroutine raises."""

    async def fail(_argument: int) -> int:
        raise KeyError("k")

    function: computing.Function[int, int] = fail
    with pytest.raises(KeyError):
        await compute(function, 0, timeout_s=PLENTY_S, spawn=TaskKeeper().spawn)


async def test_threads_are_bounded() -> None:
    """Functions that never return use up their places, and further ones are refused at once; places come back."""
    held, tasks = threading.Event(), TaskKeeper()
    waiting = [
        asyncio.ensure_future(compute(lambda _: held.wait(PLENTY_S), None, timeout_s=PLENTY_S, spawn=tasks.spawn))
        for _ in range(computing.MAX_THREADS)
    ]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await compute(_double, 1, timeout_s=PLENTY_S, spawn=tasks.spawn)
    held.set()
    assert all(await asyncio.gather(*waiting))
    assert await compute(_double, 1, timeout_s=PLENTY_S, spawn=tasks.spawn) == 2


async def test_without_a_thread_the_place_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may have no thread left: that is told, and takes no place for good."""
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        for _ in range(computing.MAX_THREADS + 1):
            with pytest.raises(RuntimeError, match="can't start"):
                await compute(_double, 21, timeout_s=PLENTY_S, spawn=TaskKeeper().spawn)
    assert await compute(_double, 21, timeout_s=PLENTY_S, spawn=TaskKeeper().spawn) == 42


def _no_thread(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
