"""How many calls a target bears at once, learned from how it answers, and who waits for a place.

A target that never said that there were too many calls has no limit. When it first says so, those of the calls that
were under way then and that it did not refuse are what it bears. From then on the limit rises while calls go well and
falls when the target complains again: additive increase, multiplicative decrease. Until the target has said where its
limit is, or where it bears more than it did, the limit doubles with each round of calls; near the place where it last
said so the limit creeps, so that few calls are spent on asking again. Answers to calls that began before the limit fell
say nothing about the new one. A limit that nobody had to wait for in a while is forgotten.

Beyond the limit calls wait in a bounded line. Whoever cannot get a place in time is told so at once, and when to come
back.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import msgspec

from narthex.errors import NarthexError, Overloaded, RateLimited
from narthex.resilience.queueing import Waiter, WaitingLine


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPolicy:
    """The bounds between which a limit moves."""

    adaptive: bool = True
    """Whether the limit is learned; otherwise it is `maximum`, if anything."""
    initial: int | None = None
    """Where the limit begins; None is without one, until the target says that there are too many calls."""
    minimum: int = 1
    maximum: int | None = None
    """Most calls at once, whatever the target says; None is as many as it bears."""
    decrease: float = 0.9
    """What remains of the limit when the target says that there are too many calls."""
    calm_s: float = 60.0
    """A limit that nobody had to wait for so long is forgotten, in seconds."""
    follows: bool = True
    """Whether calls are held back by what targets tell of their rate limits."""
    queue: int = 1_000
    """Most calls that wait."""
    queue_timeout_s: float = 30.0
    """Longest time that a call waits, in seconds."""

    def __post_init__(self) -> None:
        most = sys.maxsize if self.maximum is None else self.maximum
        if not 1 <= self.minimum <= (self.initial or most) <= most or self.queue < 0:
            raise ValueError(f"{self!r}: expected 1 <= minimum <= initial <= maximum and queue >= 0")
        if not 0 < self.decrease < 1:
            raise ValueError(f"{self!r}: expected 0 < decrease < 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReport:
    """How one limit stands."""

    limit: int | None
    """Calls at once; None where there is no limit."""
    learned: bool
    """Whether the target taught it, and not the configuration alone."""
    in_flight: int
    waiting: int
    refused: int
    """Calls that got no place in time."""
    crowded: int
    """How often the target said that there were too many."""


CALM_S: Final = 30.0
"""So long after a target has refused a call nothing is sent that nobody waits for."""
_CREEP: Final = 100
"""Calls that must go well before a limit near its ceiling rises by one: one refusal in a hundred calls at most."""
_LEARNING: Final = 0.1
"""Weight of the newest call in the usual time of one."""
_DEFAULT_RETRY_S: Final = 1.0
"""When to come back to a target of which nothing is known yet."""


class Permit(msgspec.Struct, gc=False):
    """A place at the target: tell how the call ended, or just leave the `with` block; only the first word counts."""

    # A struct because it costs a third of a class: one is made for every call.
    _limit: AdaptiveLimit | None
    _began_s: float
    _epoch: int

    def succeeded(self) -> None:
        """Give the place back after a call that went well."""
        limit = self._limit
        if limit is not None:
            self._limit = None
            limit.went_well(self._began_s)

    def crowded(self, *, by_rate: bool = False, retry_after_s: float | None = None) -> bool:
        """Give the place back after the target said that there were too many calls.

        Args:
            by_rate: Whether it spoke of its rate limit, and not of its load.
            retry_after_s: When it asked to be called again, in seconds from now.

        Returns whether it told nothing new: the limit had fallen already since the call began.
        """
        limit = self._limit
        if limit is None:
            return False
        self._limit = None
        return limit.was_crowded(self._epoch, by_rate=by_rate, retry_after_s=retry_after_s)

    def release(self) -> None:
        """Give the place back without a word about the load: the call failed otherwise, or its caller left."""
        limit = self._limit
        if limit is not None:
            self._limit = None
            limit.was_left()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


class AdaptiveLimit:
    """The limit on calls at once to one target; while there is none, calls are only counted."""

    __slots__ = (
        *("_bounded", "_by_rate", "_ceiling", "_clock", "_crowded", "_crowded_s", "_epoch", "_excused", "_floor"),
        *("_in_flight", "_limit"),
        *("_line", "_pressed_s", "_places", "_policy", "_refused", "_unrefused", "_usual_s", "_wanted_s"),
    )

    def __init__(self, policy: LimitPolicy | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy = policy or LimitPolicy()
        self._clock = clock
        self._limit = float(policy.initial or math.inf)
        """What was learned; infinite where nothing was."""
        self._ceiling = math.inf
        """The limit at which the target last said that there were too many."""
        self._line = WaitingLine(policy.queue)
        self._in_flight = self._epoch = self._refused = self._crowded = 0
        self._excused = 0
        """Calls that were refused because the limit was not known when they began, and may try again for it."""
        self._unrefused = 0
        """Calls under way when the limit last fell that were not refused since."""
        self._floor = 1.0
        """Where the limit stops, however many of those are."""
        self._usual_s = 0.0
        """How long a call holds its place."""
        self._pressed_s = clock()
        """When there was last no room for a call."""
        self._crowded_s = -math.inf
        """When the target last said that there were too many calls."""
        self._wanted_s = -math.inf
        """When the target asked to be called again."""
        self._by_rate = False
        """Whether it is the target's rate limit that was met last."""
        self._apply()

    def try_acquire(self, began_s: float | None = None) -> Permit | None:
        """Return a permit, or None where one would have to be waited for.

        Args:
            began_s: The time by the limit's clock, if it was just looked at.
        """
        if began_s is None:
            began_s = self._clock()
        in_flight = self._in_flight
        if in_flight >= self._places:
            self._pressed_s = began_s
            return None
        self._in_flight = in_flight + 1
        return Permit(self, began_s, self._epoch)

    async def acquire(self, priority: int = 0, deadline_s: float = math.inf) -> Permit:
        """Return a permit, as soon as there is one.

        Args:
            priority: Higher ones are served first.
            deadline_s: Until when to wait, by the limit's clock; never longer than the policy says.

        Raises:
            RateLimited: No place is to be had in time, as the target keeps a rate limit; `retry_after_s` says when.
            Overloaded: The same, as the target bears no more calls at once, or as the configuration says.

        If cancelled, no place is held.
        """
        permit = self.try_acquire()
        return await self._wait(priority, deadline_s) if permit is None else permit

    def adopt(self, policy: LimitPolicy) -> None:
        """Go by another policy from now on; what was learned is kept, unless nothing is to be learned."""
        self._policy = policy
        self._line.most = policy.queue
        if not policy.adaptive:
            self._forget()
        self._apply()
        self._serve()

    def excuse(self) -> bool:
        """Let a call that was refused try again at no cost: it only began too early to know the limit.

        There is one such turn for each refusal of a burst but the one that made the limit fall. Where everything is
        refused the limit is soon at its minimum, and there are none.
        """
        if not self._excused:
            return False
        self._excused -= 1
        return True

    @property
    def has_room(self) -> bool:
        """Whether a call would get a place at once."""
        return self._in_flight < self._places

    @property
    def has_spare(self) -> bool:
        """Whether a call that nobody waits for may have a place: half of them stay free, and nobody is refused."""
        is_calm = self._clock() - self._crowded_s >= CALM_S and not self._line
        return is_calm and 2 * (self._in_flight + 1) <= self._places

    @property
    def idle(self) -> bool:
        """Whether nothing is lost with it: no call is under way, and nothing was learned."""
        return not self._in_flight and not self._line and self._limit == math.inf

    def report(self) -> LimitReport:
        """Return how it stands."""
        return LimitReport(
            limit=self._places if self._bounded else None,
            learned=self._limit < math.inf,
            in_flight=self._in_flight,
            waiting=len(self._line),
            refused=self._refused,
            crowded=self._crowded,
        )

    # -- called by permits, once each ------------------------------------------------------------------------------

    def went_well(self, began_s: float) -> None:
        """Take a place back after a call that went well."""
        in_flight = self._in_flight
        self._in_flight = in_flight - 1
        if self._bounded:
            self._learn(in_flight, began_s)
            self._serve()

    def was_left(self) -> None:
        """Take a place back of whose call nothing is known."""
        self._in_flight -= 1
        if self._bounded:
            self._serve()

    def was_crowded(self, epoch: int, *, by_rate: bool, retry_after_s: float | None) -> bool:
        """Take a place back after the target said that there were too many calls; True if that was known."""
        in_flight = self._in_flight
        self._in_flight = in_flight - 1
        self._crowded += 1
        self._crowded_s = self._clock()
        known = False
        if self._policy.adaptive:
            self._by_rate = by_rate
            self._pressed_s = now_s = self._crowded_s
            self._wanted_s = max(self._wanted_s, now_s + (retry_after_s or 0.0))
            known = epoch != self._epoch and self._limit < math.inf
            if known:
                self._fall_on()
            else:
                self._fall(in_flight)
            self._apply()
        self._serve()
        return known

    # -- waiting ---------------------------------------------------------------------------------------------------

    async def _wait(self, priority: int, deadline_s: float) -> Permit:
        now_s = self._clock()
        deadline_s = min(deadline_s, now_s + self._policy.queue_timeout_s)
        waiter = self._stand_in_line(priority, now_s, deadline_s)
        timer: asyncio.TimerHandle | None = None
        if deadline_s < math.inf:
            timer = asyncio.get_running_loop().call_later(deadline_s - now_s, self._line.turn_away, waiter)
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
            raise self._no_place("none became free in time")
        return Permit(self, self._clock(), self._epoch)

    def _stand_in_line(self, priority: int, now_s: float, deadline_s: float) -> Waiter:
        if now_s + self._expected_s(self._line.ahead_of(priority)) >= deadline_s:
            raise self._no_place("none is expected to become free in time")
        waiter = self._line.join(priority=priority, deadline_s=deadline_s)
        if waiter is None:
            raise self._no_place("too many calls wait already")
        return waiter

    def _expected_s(self, ahead: int) -> float:
        """Return how long a call is likely to wait behind `ahead` others."""
        return (ahead + 1) * self._usual_s / self._places

    def _no_place(self, why: str) -> NarthexError:
        self._refused += 1
        wait_s = max(self._expected_s(len(self._line)), self._wanted_s - self._clock()) or _DEFAULT_RETRY_S
        if self._by_rate:
            return RateLimited(
                f"the provider limits how many calls this model takes, and no place is left: {why}",
                retry_after_s=wait_s,
            )
        return Overloaded(f"this model takes no more calls at the moment: {why}", retry_after_s=wait_s)

    def _serve(self) -> None:
        if not self._line:
            return
        now_s = self._clock()
        while self._in_flight < self._places and self._line.serve(now_s):
            self._in_flight += 1

    # -- learning --------------------------------------------------------------------------------------------------

    def _learn(self, in_flight: int, began_s: float) -> None:
        now_s, usual_s = self._clock(), self._usual_s
        self._usual_s = usual_s + (now_s - began_s - usual_s) * (_LEARNING if usual_s else 1.0)
        if self._limit == math.inf:
            return
        if self._line:
            self._pressed_s = now_s
        if now_s - self._pressed_s >= self._policy.calm_s:
            self._forget()
            self._apply()
        # A limit that is not reached is not proved by calls that go well.
        elif in_flight * 2 >= self._limit:
            self._rise()
            self._apply()

    def _rise(self) -> None:
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
        self._limit = min(limit + gain, float(self._most))

    def _fall(self, in_flight: int) -> None:
        """Take the limit below the number of calls that were too many, which is taken for half the limit at least."""
        minimum = float(self._policy.minimum)
        was_free = self._limit == math.inf
        many = float(in_flight) if was_free else min(self._limit, max(float(in_flight), self._limit / 2))
        self._epoch += 1
        self._excused = 0
        self._unrefused = in_flight - 1
        self._floor = minimum if was_free else max(minimum, many / 2)
        self._limit = max(minimum, min(many * self._policy.decrease, many - 1))
        # One call alone cannot be too many: whatever it met, it says nothing about how many there may be.
        self._ceiling = many if in_flight > 1 else math.inf

    def _fall_on(self) -> None:
        """Go by another call of those that were too many together: what they leave under way is what is borne."""
        self._excused += 1
        self._unrefused -= 1
        self._limit = max(self._floor, min(self._limit, float(self._unrefused)))
        if self._unrefused < 1:
            # Not one was borne: it is not their number that was met.
            self._ceiling = math.inf

    def _forget(self) -> None:
        self._limit = self._ceiling = math.inf
        self._by_rate = False
        self._wanted_s = -math.inf

    @property
    def _most(self) -> int:
        return sys.maxsize if self._policy.maximum is None else self._policy.maximum

    def _apply(self) -> None:
        """Have the limit hold."""
        self._bounded = self._limit < math.inf or self._policy.maximum is not None
        self._places = int(min(self._limit, self._most)) if self._bounded else sys.maxsize
