"""A breaker on the bench: its clock and its chance are the test's."""

from __future__ import annotations

import random

from narthex.resilience.breakers import Breaker, BreakerPolicy, BreakerState
from narthex.testing.clock import FakeClock

OPEN_S = 5.0
STEADY = BreakerPolicy(open_s=OPEN_S, open_cap_s=60.0, jitter=0.0)
"""The default, without chance."""


class Bench:
    """A breaker and the clock that it goes by."""

    def __init__(self, policy: BreakerPolicy = STEADY) -> None:
        self.clock = FakeClock()
        self.states: list[BreakerState] = []
        self.breaker = Breaker(
            "one",
            policy,
            clock=self.clock,
            chance=random.Random(1),
            on_change=lambda one: self.states.append(one.state),
        )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.set(self.clock() + seconds)

    def fail(self, times: int = 1) -> None:
        """Let some calls fail."""
        for _ in range(times):
            self.breaker.failed(self.breaker.allow())

    def succeed(self, times: int = 1, duration_s: float = 1.0) -> None:
        """Let some calls go well."""
        for _ in range(times):
            self.breaker.succeeded(duration_s, self.breaker.allow())

    def open(self) -> None:
        """Open the breaker by failures in a row."""
        self.fail(STEADY.consecutive_failures)
        assert self.breaker.state is BreakerState.OPEN
