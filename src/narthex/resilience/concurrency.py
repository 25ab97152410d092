"""How many calls a target bears at once, learned from how it answers, and who waits for a place.

The limit rises while calls go well and falls when the target says that there are too many: additive increase,
multiplicative decrease. Until the target has said so once, or where it bears more than it did, the limit doubles with
each round of calls; near the place where it last said so the limit creeps, so that few calls are spent on asking again.
Answers to calls that began before the limit fell say nothing about the new one.

Beyond the limit calls wait in a bounded line. Whoever cannot get a place in time is told so at once, and when to come
back.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Final, Self

from narthex.errors import Overloaded
from narthex.resilience.queueing import Waiter, WaitingLine


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPolicy:
    """The bounds between which a limit moves."""

    initial: int = 20
    minimum: int = 1
    maximum: int = 1000
    decrease: float = 0.9
    """What remains of the limit when the target says that there are too many calls."""
    queue: int = 100
    """Most calls that wait."""

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.initial <= self.maximum or self.queue < 0:
            raise ValueError(f"{self!r}: expected 1 <= minimum <= initial <= maximum and queue >= 0")
        if not 0 < self.decrease < 1:
            raise ValueError(f"{self!r}: expected 0 < decrease < 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReport:
    """How one limit stands."""

    limit: int | None
    """Calls at once; None where there is no limit."""
    in_flight: int
    waiting: int
    shed: int
    """Calls that were told to come back later."""
    crowded: int
    """How often the target said that there were too many."""


_CREEP: Final = 100
"""Calls that must go well before a limit near its ceiling rises by one: one refusal in a hundred calls at most."""
_LEARNING: Final = 0.1
"""Weight of the newest call in the usual time of one."""
_DEFAULT_RETRY_S: Final = 1.0
"""When to come back to a target of which nothing is known yet."""


class _Outcome(Enum):
    WELL = auto()
    CROWDED = auto()
    UNKNOWN = auto()


_WELL: Final = _Outcome.WELL


class Permit:
    """A place at the target: tell how the call ended, or just leave the `with` block; only the first word counts."""

    __slots__ = ("_began_s", "_epoch", "_limit")

    def __init__(self, limit: AdaptiveLimit | None, began_s: float, epoch: int) -> None:
        self._limit = limit
        self._began_s = began_s
        self._epoch = epoch

    def succeeded(self) -> None:
        """Give the place back after a call that went well."""
        limit = self._limit
        if limit is not None:
            # Spelt out, because this is how nearly every call ends.
            self._limit = None
            limit.settle(_WELL, self._began_s, self._epoch)

    def crowded(self) -> None:
        """Give the place back after the target said that there were too many calls."""
        self._give_back(_Outcome.CROWDED)

    def release(self) -> None:
        """Give the place back without a word about the load: the call failed otherwise, or its caller left."""
        self._give_back(_Outcome.UNKNOWN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._give_back(_Outcome.UNKNOWN)

    def _give_back(self, outcome: _Outcome) -> None:
        limit = self._limit
        if limit is not None:
            self._limit = None
            limit.settle(outcome, self._began_s, self._epoch)


_FREE: Final = Permit(None, 0.0, 0)
"""The permit of all calls where there is no limit."""


class AdaptiveLimit:
    """The limit on calls at once to one target; without a policy there is none, and it costs nothing."""

    __slots__ = (
        *("_ceiling", "_clock", "_crowded", "_epoch", "_in_flight", "_limit", "_line", "_places", "_policy", "_shed"),
        "_usual_s",
    )

    def __init__(self, policy: LimitPolicy | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._limit = float(policy.initial) if policy else math.inf
        self._places = policy.initial if policy else 0
        self._ceiling = math.inf
        """The limit at which the target last said that there were too many."""
        self._line = WaitingLine(policy.queue if policy else 0)
        self._in_flight = self._epoch = self._shed = self._crowded = 0
        self._usual_s = 0.0
        """How long a call holds its place."""

    def try_acquire(self) -> Permit | None:
        """Return a permit, or None where one would have to be waited for."""
        if self._policy is None:
            return _FREE
        if self._in_flight >= self._places:
            return None
        self._in_flight += 1
        return Permit(self, self._clock(), self._epoch)

    async def acquire(self, priority: int = 0, deadline_s: float = math.inf) -> Permit:
        """Return a permit, as soon as there is one.

        Args:
            priority: Higher ones are served first.
            deadline_s: Until when to wait, by the limit's clock.

        Raises:
            Overloaded: The line is full, or no place is expected before the deadline; `retry_after_s` says when one is.

        If cancelled, no place is held.
        """
        permit = self.try_acquire()
        return await self._wait(priority, deadline_s) if permit is None else permit

    def report(self) -> LimitReport:
        """Return how it stands."""
        return LimitReport(
            limit=self._places if self._policy else None,
            in_flight=self._in_flight,
            waiting=len(self._line),
            shed=self._shed,
            crowded=self._crowded,
        )

    def settle(self, outcome: _Outcome, began_s: float, epoch: int) -> None:
        """Take a place back; called by permits, once each."""
        in_flight = self._in_flight
        self._in_flight = in_flight - 1
        if outcome is _WELL:
            usual_s = self._usual_s
            self._usual_s = usual_s + (self._clock() - began_s - usual_s) * (_LEARNING if usual_s else 1.0)
            # A limit that is not reached is not proved by calls that go well.
            if in_flight * 2 >= self._limit:
                self._rise()
        elif outcome is _Outcome.CROWDED:
            self._crowded += 1
            if epoch == self._epoch:
                self._fall(in_flight)
        if self._line:
            self._serve()

    async def _wait(self, priority: int, deadline_s: float) -> Permit:
        waiter = self._stand_in_line(priority, deadline_s)
        timer: asyncio.TimerHandle | None = None
        if deadline_s < math.inf:
            delay_s = deadline_s - self._clock()
            timer = asyncio.get_running_loop().call_later(delay_s, self._line.turn_away, waiter)
        try:
            served = await waiter.place
        except BaseException:
            self._line.leave(waiter)
            if waiter.has_place:
                # It was served in the very moment in which its task was cancelled: the place goes to the next.
                self._in_flight -= 1
                self._serve()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if not served:
            raise self._overloaded("no place became free in time")
        return Permit(self, self._clock(), self._epoch)

    def _stand_in_line(self, priority: int, deadline_s: float) -> Waiter:
        if self._clock() + self._expected_s(self._line.ahead_of(priority)) >= deadline_s:
            raise self._overloaded("no place is expected to become free in time")
        waiter = self._line.join(priority=priority, deadline_s=deadline_s)
        if waiter is None:
            raise self._overloaded("too many calls wait already")
        return waiter

    def _expected_s(self, ahead: int) -> float:
        """Return how long a call is likely to wait behind `ahead` others."""
        return (ahead + 1) * self._usual_s / self._places

    def _overloaded(self, reason: str) -> Overloaded:
        self._shed += 1
        wait_s = self._expected_s(len(self._line)) or _DEFAULT_RETRY_S
        return Overloaded(f"The model takes no more calls at the moment: {reason}.", retry_after_s=wait_s)

    def _serve(self) -> None:
        now_s = self._clock()
        while self._in_flight < self._places and self._line.serve(now_s):
            self._in_flight += 1

    def _rise(self) -> None:
        assert self._policy is not None
        limit, ceiling = self._limit, self._ceiling
        if ceiling < math.inf and limit > ceiling * 1.1 + 1:
            # The target bears more than it did.
            ceiling = self._ceiling = math.inf
        if ceiling == math.inf:
            gain = 1.0
        elif limit < ceiling - 1:
            gain = 1 / limit
        else:
            gain = 1 / max(limit, _CREEP)
        self._limit = min(limit + gain, float(self._policy.maximum))
        self._places = int(self._limit)

    def _fall(self, in_flight: int) -> None:
        """Take the limit below the number of calls that were too many, which is taken for half the limit at least."""
        assert self._policy is not None
        self._epoch += 1
        self._ceiling = min(self._limit, max(float(in_flight), self._limit / 2))
        lower = min(self._ceiling * self._policy.decrease, self._ceiling - 1)
        self._limit = max(float(self._policy.minimum), lower)
        self._places = int(self._limit)
