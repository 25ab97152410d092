"""Work in threads, heard on the event loop."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import pytest

from narthex.errors import InternalError, InvalidRequest
from narthex.providers.embedded.jobs import Job, in_thread


async def test_pieces_come_in_order_and_end() -> None:
    """What the thread gives is heard in order; the end is told once and for all."""
    ended: list[bool] = []
    job: Job[int] = Job(lambda: ended.append(True))

    def count(this: Job[int]) -> None:
        for number in range(100):
            this.give(number)

    job.run(count)
    heard = [number async for number in _all(job)]
    assert heard == list(range(100))
    assert await job.next() is None
    assert ended == [True]


async def test_an_error_comes_after_what_was_given() -> None:
    """A failure does not swallow the pieces before it."""
    job: Job[int] = Job(lambda: None)

    def fail(this: Job[int]) -> None:
        this.give(1)
        raise InvalidRequest("no")

    job.run(fail)
    assert await job.next() == 1
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="no"):
            await job.next()


async def test_a_fault_becomes_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    """An unforeseen exception is logged and told as ours."""
    job: Job[int] = Job(lambda: None)

    def fail(_job: Job[int]) -> None:
        _ = 1 // 0

    with caplog.at_level(logging.CRITICAL):
        job.run(fail)
        with pytest.raises(InternalError, match="ZeroDivisionError"):
            await job.next()


async def test_cancelled_work_is_unwanted() -> None:
    """The thread sees that nobody listens, and what it still gives is dropped."""
    job: Job[int] = Job(lambda: None)
    has_seen = threading.Event()

    def go_on(this: Job[int]) -> None:
        while not this.is_unwanted:
            this.give(1)
        has_seen.set()

    job.run(go_on)
    assert await job.next() == 1
    job.cancel()
    assert await asyncio.to_thread(has_seen.wait, 10)
    assert await job.next() is None


async def test_in_thread_returns_or_raises() -> None:
    """What comes of the work comes back, whichever it is."""
    assert await in_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


def test_work_left_behind_does_not_hold_the_process() -> None:
    """A program that ends with a job under way ends, cleanly."""
    program = """
import asyncio
from narthex.providers.embedded.jobs import Job, in_thread

def work(job):
    while not job.is_unwanted:
        job.give(1)

async def main():
    job = Job(lambda: None)
    job.run(work)
    await job.next()

asyncio.run(main())
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


async def _all(job: Job[int]) -> AsyncIterator[int]:
    while (piece := await job.next()) is not None:
        yield piece
