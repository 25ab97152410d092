"""Waits for what happens in its own time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def until(done: Callable[[], bool], *, within_s: float) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, "it did not become so"
        await asyncio.sleep(0.01)
