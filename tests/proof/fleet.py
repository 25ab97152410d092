"""Servers in processes of their own that the tests of a module share: to start one takes longer than most tests."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self

from narthex.testing.gateways import RunningGateway, running_gateway


class Fleet:
    """Servers of the same settings; those that a test has killed or stopped are replaced by new ones."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = settings
        self._running: list[RunningGateway] = []
        self._stack = ExitStack()

    def take(self, count: int) -> list[RunningGateway]:
        """Return so many servers that run; they may have served tests before."""
        self._running = [one for one in self._running if one.process.poll() is None]
        missing = count - len(self._running)
        if missing > 0:
            with ThreadPoolExecutor(missing) as threads:
                self._running += threads.map(lambda _: self._start(), range(missing))
        return self._running[:count]

    def newcomer(self) -> RunningGateway:
        """Return a server that has served nobody yet."""
        new = self._start()
        self._running.append(new)
        return new

    def _start(self) -> RunningGateway:
        return self._stack.enter_context(running_gateway(self._settings))

    def __enter__(self) -> Self:
        """Return it; nothing is started before it is needed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all that still run."""
        self._stack.close()
