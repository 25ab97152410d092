"""A function of the operator's, run within a time: whatever it does, its caller goes on in time."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, cast

from narthex.errors import Overloaded
from narthex.pipeline.contract import Spawn

Argument = TypeVar("Argument")
Result = TypeVar("Result")

Function = Callable[[Argument], Result | Awaitable[Result]]


MAX_THREADS: Final = 32
"""Plain functions that run at once: one that never returns keeps its thread for good."""

_places = threading.BoundedSemaphore(MAX_THREADS)


async def compute(
    function: Function[Argument, Result], argument: Argument, *, timeout_s: float, spawn: Spawn
) -> Result:
    """Return what a function makes of its argument: a plain one is run in a thread, a coroutine in a task.

    Raises:
        TimeoutError: It took longer than `timeout_s`. A coroutine is cancelled, and left alone if it does not heed
            that; a thread cannot be, and what it returns in the end is dropped.
        Overloaded: Too many plain functions are running already.

    What the function raises is passed on. If cancelled, a coroutine is cancelled too.
    """
    async with asyncio.timeout(timeout_s):
        if _is_async(function):
            return await _in_task(cast("Awaitable[Result]", function(argument)), spawn)
        returned = await _in_thread(function, argument)
        return await _in_task(returned, spawn) if inspect.isawaitable(returned) else returned


def _is_async(function: Callable[[Argument], object]) -> bool:
    # An object may be called by a method that is a coroutine; of a class `__call__` is another thing.
    return inspect.iscoroutinefunction(function) or (
        not inspect.isclass(function) and inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
    )


async def _in_task(work: Awaitable[Result], spawn: Spawn) -> Result:
    result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        try:
            value = await work
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the result
            _settle(result, error)
        else:
            _settle(result, value)

    task = spawn(run())
    try:
        return await result
    finally:
        task.cancel()


async def _in_thread(function: Function[Argument, Result], argument: Argument) -> Result | Awaitable[Result]:
    # Not the loop's own threads: those are waited for at the end, and a function may never end.
    if not _places.acquire(blocking=False):
        raise Overloaded(f"{MAX_THREADS} functions are running already")
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    result: asyncio.Future[Result | Awaitable[Result]] = loop.create_future()

    def run() -> None:
        try:
            value: object = context.run(function, argument)
        except BaseException as error:  # noqa: BLE001 - as above; a thread has nobody else to tell
            value = error if isinstance(error, Exception) else RuntimeError(f"the function ended by {error!r}")
        finally:
            _places.release()
        # The loop may be closed by now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, result, value)

    try:
        threading.Thread(target=run, name="function", daemon=True).start()
    except RuntimeError:
        # The system gives no thread: nobody else would return the place.
        _places.release()
        raise
    return await result


def _settle(result: asyncio.Future[Result], value: object) -> None:
    if result.done():
        return
    if isinstance(value, StopIteration):
        # No future takes one.
        value = RuntimeError("the function ended by StopIteration")
    if isinstance(value, Exception):
        result.set_exception(value)
    else:
        result.set_result(cast("Result", value))
