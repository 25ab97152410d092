"""How late the event loop is: the time that everything on it waits before its turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

INTERVAL_S: Final = 0.1


class LagWatch:
    """Sets a timer again and again, and tells how much later than asked for it came."""

    def __init__(
        self,
        tell: Callable[[float], None],
        *,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is watched before `start`.

        Args:
            tell: Called with each lag, in seconds.
            interval_s: Time between two looks.
            clock: Says the seconds.
        """
        self._tell = tell
        self._interval_s = interval_s
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0

    def start(self) -> None:
        """Watch the running loop."""
        self._due_s = self._clock() + self._interval_s
        self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._look)

    def stop(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> Self:
        """Watch."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Watch no longer."""
        self.stop()

    def _look(self) -> None:
        self._tell(max(0.0, self._clock() - self._due_s))
        self.start()
