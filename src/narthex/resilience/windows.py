"""What happened lately: calls, failures and slow calls over a rolling stretch of time, in whole numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol


class Window(Protocol):
    """What happened over the last stretch of time."""

    @property
    def calls(self) -> int:
        """Calls that ended within the window."""
        ...

    @property
    def failures(self) -> int:
        """Those of them that failed."""
        ...

    @property
    def slow(self) -> int:
        """Those of them that went well, but slowly."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...

    def count(self, now_s: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count one call that ended now."""
        ...

    def turn_to(self, now_s: float) -> None:
        """Forget what is older than the window."""
        ...


class RollingWindow:
    """Counts over the last `length_s` seconds, forgotten one bucket at a time.

    Attributes:
        calls: Calls that ended within the window.
        failures: Those of them that failed.
        slow: Those of them that went well, but slowly.
    """

    __slots__ = ("_at", "_buckets", "_ends_s", "_rows", "_width_s", "calls", "failures", "slow")

    def __init__(self, length_s: float, buckets: int) -> None:
        self._width_s = length_s / buckets
        self._buckets = buckets
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._rows = [[0, 0, 0] for _ in range(self._buckets)]
        self._at = 0
        # The first call sets it.
        self._ends_s = float("-inf")
        self.calls = self.failures = self.slow = 0

    def count(self, now_s: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count one call that ended now."""
        if now_s >= self._ends_s:
            self.turn_to(now_s)
        row = self._rows[self._at]
        row[0] += 1
        self.calls += 1
        if failed:
            row[1] += 1
            self.failures += 1
        elif slow:
            row[2] += 1
            self.slow += 1

    def turn_to(self, now_s: float) -> None:
        """Forget what is older than the window."""
        if now_s < self._ends_s:
            return
        passed = (now_s - self._ends_s) / self._width_s
        if passed >= self._buckets:
            self.clear()
            self._ends_s = now_s + self._width_s
            return
        for _ in range(int(passed) + 1):
            self._forget_oldest()
            self._ends_s += self._width_s

    def _forget_oldest(self) -> None:
        self._at = (self._at + 1) % self._buckets
        calls, failures, slow = self._rows[self._at]
        self.calls -= calls
        self.failures -= failures
        self.slow -= slow
        self._rows[self._at] = [0, 0, 0]


class JointWindow:
    """What happened to several together: what went well is read from theirs, what failed for all is counted here.

    So a call that goes well is counted once, whoever else may want to know of it.
    """

    __slots__ = ("_members", "_own")

    def __init__(self, length_s: float, buckets: int, members: Callable[[], Iterable[Window]]) -> None:
        self._own = RollingWindow(length_s, buckets)
        self._members = members

    @property
    def calls(self) -> int:
        """What went well with any, and what failed for all."""
        return self._own.failures + sum(one.calls - one.failures for one in self._members())

    @property
    def failures(self) -> int:
        """What failed for all."""
        return self._own.failures

    @property
    def slow(self) -> int:
        """What went well with any, but slowly."""
        return sum(one.slow for one in self._members())

    def clear(self) -> None:
        """Forget everything, here and with the members."""
        self._own.clear()
        for one in self._members():
            one.clear()

    def count(self, now_s: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count a failure; what went well is counted by those it went well with."""
        del slow
        self.turn_to(now_s)
        if failed:
            self._own.count(now_s, failed=True)

    def turn_to(self, now_s: float) -> None:
        """Forget what is older than the window, here and with the members."""
        self._own.turn_to(now_s)
        for one in self._members():
            one.turn_to(now_s)
