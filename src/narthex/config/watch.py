"""The settings again whenever their file changes, or on SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

from watchfiles import awatch

from narthex.config.load import Loaded, load
from narthex.errors import ConfigError

logger = logging.getLogger(__name__)

_SETTLE_MS = 100
_LOOK_EVERY_MS = 2_000


async def watch(source: Loaded | Path, *, on_signal: bool = True) -> AsyncGenerator[Loaded | ConfigError, None]:
    """Yield the settings each time their file has other content, and each time SIGHUP arrives.

    A file that cannot be used yields its `ConfigError` instead; the caller keeps what it has. The folder is watched
    rather than the file, so that editors that replace files and Kubernetes, which swaps a link, are noticed.

    Args:
        source: What was loaded, to be loaded again in the same way; or only the file, with the environment as it is.
        on_signal: Whether SIGHUP is answered, where the platform has it and this is the main thread.
    """
    again = source.again if isinstance(source, Loaded) else lambda: load(file=source, environ=os.environ)
    file = source.file if isinstance(source, Loaded) else source
    digest = source.digest if isinstance(source, Loaded) else _digest(source)
    changed = asyncio.Event()
    watching = asyncio.ensure_future(_watch_folder(file, digest, changed)) if file is not None else None
    try:
        with _hangup(changed.set) if on_signal else contextlib.nullcontext():
            while True:
                await changed.wait()
                changed.clear()
                yield await asyncio.to_thread(_load, again)
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def _load(again: Callable[[], Loaded]) -> Loaded | ConfigError:
    try:
        return again()
    except ConfigError as error:
        return error


async def _watch_folder(file: Path, digest: bytes | None, changed: asyncio.Event) -> None:
    """Tell of content other than `digest`; a save without a change is none, and neither is a neighbour's.

    The file is also looked at every few seconds: some file systems tell nothing, and it may have changed between being
    loaded and being watched.
    """
    try:
        async for _ in awatch(
            file.parent,
            watch_filter=None,
            recursive=False,
            debounce=_SETTLE_MS,
            step=_SETTLE_MS // 2,
            rust_timeout=_LOOK_EVERY_MS,
            yield_on_timeout=True,
        ):
            before, digest = digest, _digest(file)
            if digest != before:
                changed.set()
    except OSError as error:
        logger.warning("the folder %s is no longer watched (%s); send SIGHUP to reload", file.parent, error)


def _digest(file: Path) -> bytes | None:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return None


@contextlib.contextmanager
def _hangup(callback: Callable[[], None]) -> Iterator[None]:
    """Call back on SIGHUP while the block runs, where that is possible."""
    number = getattr(signal, "SIGHUP", None)
    loop = asyncio.get_running_loop()
    try:
        if number is not None:
            loop.add_signal_handler(number, callback)
    except (NotImplementedError, RuntimeError, ValueError):  # another platform's loop, or another thread
        number = None
    try:
        yield
    finally:
        if number is not None:
            loop.remove_signal_handler(number)
