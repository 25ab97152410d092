"""When a second attempt is made beside a first one: when that is unusually late, and the budget allows it.

An attempt is late when its first frame (of a whole answer: the answer) is not there by the time at which nearly all
of its target's answers were. Who answers first then wins: see `narthex.pipeline.racing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from narthex.config.settings import HedgingSettings
from narthex.errors import InvalidRequest
from narthex.pipeline.contract import Spawn
from narthex.pipeline.exchange import Exchange, Tried
from narthex.pipeline.racing import Later, Race, Timer
from narthex.pipeline.recovery import Attempt, Failed, Recovery
from narthex.providers.catalog import Target
from narthex.resilience.hedges import Hedges
from narthex.resilience.latency import HedgeBudget, LatencyQuantile
from narthex.types.dialects import Operation

MAX_TRACKED: Final = 1_024
"""Kinds of calls to targets of which times are kept; beyond it the one known for longest makes room."""

_HEADER: Final = b"x-narthex-hedge"
_WORDS: Final = {b"on": True, b"off": False}

_Kind = tuple[str, Operation, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgePolicy:
    """When a second attempt is made."""

    asked_only: bool = False
    """Whether only calls that ask for it are hedged."""
    ratio: float = 0.05
    """Second attempts per call at most."""
    quantile: float = 0.95
    """The part of a target's answers that are not late."""
    least_s: float = 0.1
    """No attempt is late before this time, in seconds."""
    minimum_calls: int = 20
    """Answers of a target that must have been seen lately before it is known what is late."""


def _policy(settings: HedgingSettings) -> HedgePolicy:
    return HedgePolicy(
        asked_only=settings.asked_only,
        ratio=settings.percent / 100,
        quantile=settings.quantile / 100,
        least_s=settings.least_s,
        minimum_calls=settings.minimum_calls,
    )


def _later(seconds: float, call: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, call)


class Hedger:
    """Makes the first attempt at each call, and a second one beside it where that is late."""

    def __init__(
        self,
        spawn: Spawn,
        *,
        policy: HedgePolicy | None = None,
        counters: Hedges | None = None,
        clock: Callable[[], float] = monotonic,
        later: Later = _later,
    ) -> None:
        """Begin with nothing known of any target.

        Args:
            spawn: Starts a task that is kept to its end.
            policy: When a second attempt is made.
            counters: Told what became of them.
            clock: Seconds of the monotonic clock.
            later: Calls a function later, when an attempt is late.
        """
        self.policy = policy or HedgePolicy()
        self.counters = counters or Hedges()
        self.budget = HedgeBudget(self.policy.ratio)
        self.spawn = spawn
        self.clock = clock
        self.later = later
        self._times: dict[_Kind, LatencyQuantile] = {}

    def by(self, settings: HedgingSettings) -> Hedger | None:
        """Return this one, which goes by these settings from now on; None if they switch it off.

        What is known of targets is kept, unless it would have to be known in another way.
        """
        if not settings.enabled:
            return None
        before, self.policy = self.policy, _policy(settings)
        if before.ratio != self.policy.ratio:
            self.budget = HedgeBudget(self.policy.ratio)
        if (before.quantile, before.minimum_calls) != (self.policy.quantile, self.policy.minimum_calls):
            self._times.clear()
        return self

    async def first(self, recovery: Recovery, exchange: Exchange, attempt: Attempt) -> Failed | None:
        """Make the first attempt, and a second one if it is late; tell where the call stands if no answer came.

        Raises:
            InvalidRequest: The header `x-narthex-hedge` is neither `on` nor `off`.

        Once both have been begun, both are noted on the exchange. If cancelled, neither goes on.
        """
        target = exchange.target
        assert target is not None
        late_s = self._late_s(exchange, target)
        if late_s is not None:
            return await Race(self, recovery, exchange, attempt).run(target, late_s)
        begun = self.clock()
        error = await recovery.try_once(exchange, attempt, target, begun)
        if error is None:
            self.observe(exchange, target, self.clock() - begun)
            return None
        exchange.note_attempt(Tried.of(target, "first", begun, error))
        return Failed(target, error)

    def observe(self, exchange: Exchange, target: Target, seconds: float) -> None:
        """Count how long the first frame of a target's answer took."""
        self._times_of(exchange, target).observe(seconds)

    def _late_s(self, exchange: Exchange, target: Target) -> float | None:
        """Return after how many seconds an attempt is late; None if nothing is to be done about it."""
        said = exchange.headers.get(_HEADER)
        wanted = not self.policy.asked_only if said is None else _wanted(said)
        if not wanted or exchange.operation is Operation.COUNT_TOKENS:
            return None
        self.budget.called()
        usual_s = self._times_of(exchange, target).value_s()
        return None if usual_s is None else max(usual_s, self.policy.least_s)

    def _times_of(self, exchange: Exchange, target: Target) -> LatencyQuantile:
        """Return the times of such calls to a target: a whole answer takes longer than the first frame of a stream."""
        kind = (target.name, exchange.operation, exchange.streaming)
        times = self._times.get(kind)
        if times is None:
            if len(self._times) >= MAX_TRACKED:
                del self._times[next(iter(self._times))]
            policy = self.policy
            times = LatencyQuantile(policy.quantile, least_weight=policy.minimum_calls, clock=self.clock)
            self._times[kind] = times
        return times


def _wanted(said: bytes) -> bool:
    """Return what a caller says of hedging its call."""
    wanted = _WORDS.get(said.strip().lower())
    if wanted is None:
        raise InvalidRequest(
            f"header x-narthex-hedge: {said[:80].decode('latin-1')!r} is neither `on` nor `off`",
            param="x-narthex-hedge",
        )
    return wanted
