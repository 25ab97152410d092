"""One model, loaded when it is needed: places and a queue, loading with its progress, unloading when idle."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from narthex.errors import InternalError, ModelUnavailable, NarthexError, Overloaded
from narthex.providers.embedded.gguf import NotGguf, read_header
from narthex.providers.embedded.hardware import available_memory_bytes
from narthex.providers.embedded.jobs import Job, in_thread, is_process_ending
from narthex.providers.embedded.native import NativeModel, NativeOptions, Opener, open_native
from narthex.providers.embedded.weights import WEIGHTS

T = TypeVar("T")

State = Literal["unloaded", "loading", "ready", "idle"]
"""`ready`: at work; `idle`: loaded, and nobody asks."""

_log = logging.getLogger(__name__)

_BLOCK_BYTES = 4 << 20
_READ_SHARE = 0.7
"""How much of loading is reading the file, for its progress: all that can be watched; the rest is the engine's."""
_CLOSE_TIMEOUT_S = 2.0
_RETRY_AFTER_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How a model is run."""

    name: str
    native: NativeOptions
    max_waiting: int
    """Jobs that may wait for a place."""
    idle_unload_s: float
    """Unload after so long without a job; 0 never."""
    size_bytes: int | None = None
    """What the file's size must be, if that is known."""


class Engine:
    """Runs jobs on one model. Everything but the jobs themselves happens on the event loop."""

    def __init__(self, options: EngineOptions, *, opener: Opener = open_native) -> None:
        self.options = options
        self.progress: float | None = None
        """Of loading, from 0 to 1; None while nothing is loaded."""
        self.error: NarthexError | None = None
        """Why loading failed the last time."""
        self._opener = opener
        self._native: NativeModel | None = None
        self._loading: asyncio.Future[NativeModel] | None = None
        self._jobs: list[Callable[[], None]] = []
        """How to cancel each job under way."""
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._threads = 0
        self._quiet = asyncio.Event()
        """No thread of ours is running."""

    @property
    def state(self) -> State:
        """What it is doing."""
        if self._native is None:
            return "loading" if self._loading is not None else "unloaded"
        return "ready" if self._taken else "idle"

    @property
    def waiting(self) -> int:
        """Jobs that wait for a place."""
        return len(self._waiting)

    async def start(self, work: Callable[[NativeModel, Job[T]], None]) -> Job[T]:
        """Wait for a place and for the model, then do `work` in a thread; the place is held until it is done.

        Raises:
            Overloaded: Too many wait already, or the server is stopping.
            ModelUnavailable: The model cannot be loaded.

        If cancelled, no place is held.
        """
        await self._take_place()
        try:
            native = await self._loaded()
        except BaseException:
            self._give_place()
            raise
        job: Job[T] = Job(lambda: self._ended(job.cancel))
        self._jobs.append(job.cancel)
        self._threads += 1
        job.run(lambda this: work(native, this))
        return job

    async def aclose(self) -> None:
        """Stop all jobs and unload; waits two seconds at most for what the engine is in the middle of."""
        self._closed = True
        self._stop_timer()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(_stopping())
        for cancel in self._jobs:
            cancel()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._until_quiet()
                self._unload()
                await self._until_quiet()
        except TimeoutError:
            # Its thread still holds the model, and lets go of it with the last call.
            self._native = None
            _log.warning("the embedded model %s is still busy; it ends by itself", self.options.name)

    async def _until_quiet(self) -> None:
        while self._threads:
            self._quiet.clear()
            await self._quiet.wait()

    def _thread_ended(self) -> None:
        self._threads -= 1
        if self._threads == 0:
            self._quiet.set()

    # -- places --------------------------------------------------------------------------------------------------------

    async def _take_place(self) -> None:
        if self._closed:
            raise _stopping()
        self._stop_timer()
        if self._taken < self.options.native.parallel:
            self._taken += 1
            return
        if len(self._waiting) >= self.options.max_waiting:
            raise Overloaded(
                f"the embedded model {self.options.name} is busy and {len(self._waiting)} requests wait already; "
                "try again later, or raise `embedded.max_waiting`",
                retry_after_s=_RETRY_AFTER_S,
            )
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_place()
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def _give_place(self) -> None:
        """Pass a place on to the one who has waited longest, who then holds it."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._taken -= 1
        if self._taken == 0:
            self._start_timer()

    def _ended(self, cancel: Callable[[], None]) -> None:
        self._jobs.remove(cancel)
        self._give_place()
        self._thread_ended()

    # -- loading and unloading -----------------------------------------------------------------------------------------

    async def _loaded(self) -> NativeModel:
        """Return the model, loading it first; whoever comes meanwhile waits for the same loading."""
        if self._native is not None:
            if self._native.is_alive:
                return self._native
            self._unload()
        if self._loading is None:
            self.progress, self.error = 0.0, None
            self._threads += 1
            self._loading = in_thread(self._load)
            self._loading.add_done_callback(self._loading_ended)
        try:
            return await asyncio.shield(self._loading)
        except Exception as error:
            # What `_loading_ended` made of it, which has run by now.
            raise self.error or error from error

    def _load(self) -> NativeModel:
        """Load, in a thread.

        The file is read once from end to end, so that the engine finds it in memory: what a cold disk takes is shown.
        """
        path = self.options.native.path
        size = checked_size(self.options)
        read = 0
        with path.open("rb", buffering=0) as file:
            while (block := file.read(_BLOCK_BYTES)) and not is_process_ending():
                read += len(block)
                self.progress = _READ_SHARE * read / size
        return self._opener(self.options.native)

    def _loading_ended(self, done: asyncio.Future[NativeModel]) -> None:
        self._loading = None
        error = done.exception()
        if error is None:
            self._native, self.progress = done.result(), 1.0
        else:
            self.progress = None
            self.error = error if isinstance(error, NarthexError) else InternalError(f"loading failed: {error!r}")
        if self._taken == 0:
            self._start_timer()
        self._thread_ended()

    def _start_timer(self) -> None:
        self._stop_timer()
        if self._native is not None and self.options.idle_unload_s > 0 and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self.options.idle_unload_s, self._unload)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _unload(self) -> None:
        """Let go of the model, in a thread: that takes a moment."""
        native, self._native, self.progress = self._native, None, None
        if native is not None:
            self._threads += 1
            in_thread(native.close).add_done_callback(self._unloaded)

    def _unloaded(self, done: asyncio.Future[None]) -> None:
        if (error := done.exception()) is not None:
            _log.error("the embedded model %s could not be closed: %r", self.options.name, error)
        self._thread_ended()


def checked_size(options: EngineOptions) -> int:
    """Return the size of the model's file, having made sure that it may be loaded: it is whole, and memory suffices.

    Raises:
        ModelUnavailable: It may not; the message holds the remedy.
    """
    path = options.native.path
    try:
        size = path.stat().st_size
        read_header(path)
    except FileNotFoundError as error:
        raise ModelUnavailable(not_installed(options.name, path)) from error
    except (OSError, NotGguf, ValueError) as error:
        raise _damaged(options, str(error)) from error
    if options.size_bytes not in (None, size):
        raise _damaged(options, f"it has {size} bytes instead of {options.size_bytes}")
    available = available_memory_bytes()
    if available is not None and available < size:
        raise ModelUnavailable(
            f"{path} has {size >> 20} MB and {available >> 20} MB of memory are free; "
            "free some, or serve a smaller model"
        )
    return size


def not_installed(name: str, path: Path) -> str:
    """Say that a model is missing, and what to do."""
    if name in WEIGHTS:
        return f"the embedded model {name} is not installed; run: narthex models install {name}"
    return f"{path} is not there; set `embedded.chat_model` to a GGUF file"


def _damaged(options: EngineOptions, reason: str) -> ModelUnavailable:
    mend = "fetch it again"
    if options.name in WEIGHTS:
        mend = f"mend it with: narthex models install {options.name}"
    return ModelUnavailable(f"{options.native.path} cannot be used: {reason}; {mend}")


def _stopping() -> Overloaded:
    return Overloaded("this server is stopping")
