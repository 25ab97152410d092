"""Work in threads, heard on the event loop.

The threads are no daemons: one that is cut off inside the engine brings the process down. They end by themselves soon
after the main thread has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from narthex.errors import InternalError, NarthexError

T = TypeVar("T")

_log = logging.getLogger(__name__)


def in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Do `work` in a thread of its own, to its end, and return what comes of it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: list[T], error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result[0])

    def run() -> None:
        result: list[T] = []
        error: BaseException | None = None
        try:
            result.append(work())
        except BaseException as raised:  # noqa: BLE001 - the edge of a thread; whoever waits hears of it
            error = raised
        # A closed loop hears nothing: whoever waited for this is gone.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="narthex-embedded").start()
    return future


def is_process_ending() -> bool:
    """Tell whether the main thread is at its end, so that other threads had better be too."""
    return not threading.main_thread().is_alive()


class Job(Generic[T]):
    """What a thread makes, piece by piece.

    The thread calls `give` and looks at `is_unwanted`; the event loop calls everything else. What is given and not yet
    taken is kept: a local model's answer is no longer than its window.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        """Belong to the running event loop.

        Args:
            on_end: Called on the loop once the thread is done, whatever came of it.
        """
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._pieces: deque[T] = deque()
        self._error: BaseException | None = None
        self._has_ended = False
        self._cancelled = False
        self._waiter: asyncio.Future[None] | None = None

    # -- in the thread -------------------------------------------------------------------------------------------------

    def run(self, work: Callable[[Job[T]], None]) -> None:
        """Start the thread that does `work`."""
        threading.Thread(target=self._work, args=(work,), name="narthex-embedded").start()

    def give(self, piece: T) -> None:
        """Hand a piece to the loop."""
        self._tell(self._take, piece)

    @property
    def is_unwanted(self) -> bool:
        """Whether to stop: nobody listens any more, or the process is about to end."""
        return self._cancelled or is_process_ending()

    def _work(self, work: Callable[[Job[T]], None]) -> None:
        error: BaseException | None = None
        try:
            work(self)
        except NarthexError as known:
            error = known
        except BaseException as unknown:  # noqa: BLE001 - the edge of a thread: nobody else would hear of it
            _log.exception("work in the embedded model's thread failed")
            error = InternalError(f"the embedded model failed: {unknown!r}")
        self._tell(self._end, error)

    def _tell(self, hear: Callable[..., None], said: object) -> None:
        # A closed loop hears nothing: whoever waited for this is gone.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(hear, said)

    # -- on the loop ---------------------------------------------------------------------------------------------------

    async def next(self) -> T | None:
        """Return the next piece; None at the end.

        Raises:
            NarthexError: The work failed; all pieces given before have been returned.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._has_ended:
                return None
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._pieces.popleft()

    def cancel(self) -> None:
        """Ask the thread to stop, and forget what it gave."""
        self._cancelled = True
        self._pieces.clear()

    def _take(self, piece: T) -> None:
        if not self._cancelled:
            self._pieces.append(piece)
            self._wake()

    def _end(self, error: BaseException | None) -> None:
        self._error = error
        self._has_ended = True
        self._wake()
        self._on_end()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
