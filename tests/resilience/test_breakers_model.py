"""A breaker does what a plain model of it does, however calls overlap and end."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from narthex.resilience.breakers import BreakerCause, BreakerPolicy, BreakerState
from tests.resilience.benches import Bench


class AgainstModel(RuleBasedStateMachine):
    """Calls that overlap, end in every way and order, while time passes and somebody forces the breaker."""

    POLICY = BreakerPolicy(
        window_s=1e9, buckets=1, minimum_calls=6, failure_rate=0.5, slow_rate=0.5, slow_call_s=10.0,
        consecutive_failures=4, open_s=4.0, open_cap_s=16.0, jitter=0.25, ramp=(1, 2),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(self.POLICY)
        self.breaker = self.bench.breaker
        self.out: list[tuple[int, int]] = []
        """Turns of the calls under way, each with the episode in which it began."""
        self.episode = 0
        """Goes up with every change of state: what began in another one is stale."""
        self.outcomes: list[str] = []
        """Of this closed episode."""
        self.well = self.let_through = self.given_back = 0
        """Of this half-open episode."""
        self.open_until_s = 0.0
        self.expected = BreakerState.CLOSED

    def _become(self, state: BreakerState) -> None:
        self.expected = state
        self.episode += 1
        self.outcomes = []
        self.well = self.let_through = self.given_back = 0
        if state is BreakerState.OPEN:
            wait_s = self.breaker.report().next_probe_in_s
            assert wait_s is not None
            assert 3.0 <= wait_s <= 16.0
            self.open_until_s = self.bench.clock() + wait_s

    def _end_one(self, data: st.DataObject) -> bool:
        """Take one of the calls under way; True if it began in the present episode."""
        turn, episode = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.turn = turn
        return episode == self.episode

    def _count(self, outcome: str) -> None:
        self.outcomes.append(outcome)
        judged = len(self.outcomes) >= 6
        failures, slow = self.outcomes.count("failed"), self.outcomes.count("slow")
        dead = self.outcomes[-4:] == ["failed"] * 4
        failing = judged and failures >= len(self.outcomes) / 2 and outcome == "failed"
        dragging = judged and slow >= len(self.outcomes) / 2 and outcome == "slow"
        if self.expected is BreakerState.CLOSED and (dead or failing or dragging):
            self._become(BreakerState.OPEN)

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        """Go on."""
        self.bench.wait(seconds)

    @rule()
    def call(self) -> None:
        """Ask for leave, and be let through when the model says so."""
        available = self.breaker.available()
        turn = self.breaker.allow()
        assert bool(turn) is available
        if self.expected is BreakerState.OPEN:
            assert bool(turn) is (self.bench.clock() >= self.open_until_s)
            if turn:
                self._become(BreakerState.HALF_OPEN)
        elif self.expected is BreakerState.HALF_OPEN:
            steps = 1 if self.well < 1 else 3
            early = self.bench.clock() < self.open_until_s + 3.0
            assert not (turn and early) or self.let_through - self.given_back < steps
        else:
            assert bool(turn) is (self.expected is not BreakerState.FORCED_OPEN)
        if turn:
            self.let_through += 1
            self.out.append((turn, self.episode))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), slow=st.booleans())
    def goes_well(self, data: st.DataObject, slow: bool) -> None:
        """End one call well."""
        current, cause = self._end_one(data), self.breaker.report().cause
        self.breaker.succeeded(10.0 if slow else 1.0, self.turn)
        if not current:
            return
        if self.expected is BreakerState.HALF_OPEN:
            self.well += 1
            if slow and cause is BreakerCause.SLOW:
                self._become(BreakerState.OPEN)
            elif self.well == 3:
                self._become(BreakerState.CLOSED)
        else:
            self._count("slow" if slow else "well")

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def fails(self, data: st.DataObject) -> None:
        """End one call in failure."""
        current = self._end_one(data)
        self.breaker.failed(self.turn)
        if current and self.expected is BreakerState.HALF_OPEN:
            self._become(BreakerState.OPEN)
        elif current:
            self._count("failed")

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def is_abandoned(self, data: st.DataObject) -> None:
        """Let the caller of one call leave."""
        self.given_back += self._end_one(data)
        self.breaker.abandoned(self.turn)

    @rule(state=st.sampled_from([BreakerState.FORCED_OPEN, BreakerState.FORCED_CLOSED, None, None]))
    def is_forced(self, state: BreakerState | None) -> None:
        """Set it by hand, or free."""
        self.breaker.force(state)
        self._become(state or BreakerState.CLOSED)

    @invariant()
    def agrees(self) -> None:
        """The breaker is where the model is, and counts what the model counts."""
        assert self.breaker.state is self.expected
        if self.expected in (BreakerState.CLOSED, BreakerState.FORCED_CLOSED):
            report = self.breaker.report()
            assert report.calls == len(self.outcomes)
            assert report.failure_rate * report.calls == pytest.approx(self.outcomes.count("failed"))
            assert report.slow_rate * report.calls == pytest.approx(self.outcomes.count("slow"))


TestAgainstModel = AgainstModel.TestCase
