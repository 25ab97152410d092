"""The engine: takes an exchange through the chain, and settles it when its answer has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence

from narthex.pipeline.chain import compose
from narthex.pipeline.contract import Check, Stage
from narthex.pipeline.handling import Handling
from narthex.pipeline.settle import Settlement

logger = logging.getLogger(__name__)


class TaskKeeper:
    """Keeps the tasks of the engine: none is lost to the garbage collector, none fails in silence."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start a task and keep it until it has ended."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    async def aclose(self) -> None:
        """Cancel what still runs and wait for its end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a task of the engine broke", exc_info=task.exception())


class Engine(Handling):
    """Takes every call, whatever door it came through."""

    def __init__(self, stages: Sequence[Check | Stage], settlement: Settlement) -> None:
        super().__init__(compose(stages), settlement)
