"""Counters, each against what must hold of its kind of period."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from narthex.ledger.limits.counters import Counter, RollingCounter, Slot, counter_for, next_alert
from narthex.ledger.limits.spans import span
from narthex.types.limits import LENGTHS_S, Period
from tests.ledger.limits.making import Hands, limit


def used(counter: Counter, hands: Hands) -> int:
    """Return how much is used, settled or not."""
    gauge = counter.gauge(hands.wall_s, hands.steady_s)
    return gauge.used + gauge.reserved


def taken(counter: Counter, hands: Hands, need: int = 1) -> Slot | None:
    """Use so much if it may be used."""
    if not counter.fits(need, hands.wall_s, hands.steady_s):
        return None
    return counter.take(need, hands.wall_s, hands.steady_s)


@pytest.mark.parametrize("given", [{}, {"window": "rolling"}, {"window": "rolling", "burst": 10}])
def test_as_much_passes_as_the_amount_says(given: dict[str, Any]) -> None:
    """Ten pass, the eleventh waits as long as it is told and passes then; what is given back may be used again."""
    hands, counter = Hands(), counter_for(limit(**given), "")
    slots = [taken(counter, hands) for _ in range(11)]
    assert [slot is not None for slot in slots] == [True] * 10 + [False]
    last = slots[9]
    assert last is not None
    counter.settle(last, 1, 0)
    assert taken(counter, hands) is not None
    wait_s = counter.wait_s(1, hands.wall_s, hands.steady_s)
    assert wait_s is not None
    hands.pass_by(wait_s - 0.01)
    assert taken(counter, hands) is None
    hands.pass_by(0.011)
    assert taken(counter, hands) is not None


@pytest.mark.parametrize(
    "given", [{}, {"window": "rolling"}, {"window": "rolling", "burst": 10}, {"measure": "parallel", "period": "total"}]
)
def test_zero_lets_nothing_pass(given: dict[str, Any]) -> None:
    """Neither what is counted nor what costs nothing, and no time brings more."""
    hands = Hands()
    counter = counter_for(limit(amount=0, **given), "")
    assert taken(counter, hands) is None
    assert counter.wait_s(1, hands.wall_s, hands.steady_s) is None
    if given.get("measure") != "parallel":
        assert taken(counter, hands, 0) is None
        money = counter_for(limit(amount=0, **given | {"measure": "cost_microusd"}), "")
        assert taken(money, hands, 0) is None


def test_what_costs_nothing_passes_a_spent_budget_only() -> None:
    """A free model may be called when no money is left; a call of unknown size not when no token is."""
    hands = Hands()
    for measure, unit, passes in (("cost_microusd", 1_000_000, True), ("tokens", 1, False)):
        for given in ({}, {"window": "rolling"}, {"window": "rolling", "burst": 10}):
            counter = counter_for(limit(measure=measure, **given), "")
            assert taken(counter, hands, 10 * unit) is not None
            assert (taken(counter, hands, 0) is not None) is passes, (measure, given)


def test_a_call_counts_in_the_period_in_which_it_began() -> None:
    """What is settled later is charged there, and takes nothing from the next period."""
    hands, counter = Hands(), counter_for(limit(measure="tokens"), "")
    slot = taken(counter, hands, 10)
    assert slot is not None
    hands.pass_by(60)
    counter.settle(slot, 10, 500)
    assert used(counter, hands) == 0
    hands.wall_s -= 60
    assert used(counter, hands) == 500


def test_what_was_used_of_the_past_leaves_a_rolling_period_in_time() -> None:
    """It is restored in its order, and what is too old is left."""
    hands = Hands()
    counter = counter_for(limit(window="rolling", period="day", measure="tokens", amount=1_000), "")
    assert isinstance(counter, RollingCounter)
    slot = taken(counter, hands, 1)
    assert slot is not None
    for hours, amount in ((20, 5), (30, 100), (2, 7), (20, 3), (-1, 2)):
        counter.add_at(amount, hands.steady_s - hours * 3_600, hands.wall_s, hands.steady_s)
    assert used(counter, hands) == 18
    hands.pass_by(6 * 3_600)
    assert used(counter, hands) == 10
    hands.pass_by(30 * 3_600)
    assert used(counter, hands) == 0
    counter.settle(slot, 1, 400)
    assert used(counter, hands) == 0


def test_a_bucket_saves_its_burst_and_no_more() -> None:
    """After a long rest the burst passes at once, then one each tenth of a minute; debts are paid first."""
    hands, counter = Hands(), counter_for(limit(window="rolling", burst=3), "")
    hands.pass_by(1_000)
    assert [taken(counter, hands) is not None for _ in range(4)] == [True, True, True, False]
    hands.pass_by(6.001)
    slot = taken(counter, hands)
    assert slot is not None
    assert taken(counter, hands) is None
    counter.settle(slot, 1, 4)
    hands.pass_by(18)
    assert taken(counter, hands) is None
    hands.pass_by(6.1)
    assert taken(counter, hands) is not None
    assert counter.wait_s(4, hands.wall_s, hands.steady_s) is None


def test_gauges_count_what_is_under_way() -> None:
    """However long it takes; an end makes room."""
    hands, counter = Hands(), counter_for(limit(measure="parallel", amount=2, period="total"), "")
    slot = taken(counter, hands)
    assert slot is not None
    assert taken(counter, hands) is not None
    hands.pass_by(1e9)
    assert taken(counter, hands) is None
    counter.settle(slot, 1, 0)
    assert taken(counter, hands) is not None


def test_thresholds_are_passed_in_order() -> None:
    """Each at its share of the amount, rounded up; none where nothing passes anyway."""
    one = limit(period="day", amount=30, alert_percents=(100, 50, 50, 99))
    assert [at for at, _ in one.thresholds] == [15, 30, 30]
    assert [next_alert(one, at) for at in (0, 14, 15, 29)] == [15, 15, 30, 30]
    assert next_alert(one, 30) == float("inf")


class AgainstModel(RuleBasedStateMachine):
    """Every kind of counter beside a plain list of what was used when, while clocks are set back and forth."""

    @initialize(
        period=st.sampled_from([Period.SECOND, Period.MINUTE, Period.HOUR, Period.DAY, Period.MONTH]),
        window=st.sampled_from(["calendar", "rolling"]),
        amount=st.integers(1, 20),
    )
    def begin(self, period: Period, window: str, amount: int) -> None:
        """Begin with any limit."""
        self.limit = limit(measure="tokens", amount=amount, period=period, window=window)
        self.counter = counter_for(self.limit, "")
        self.hands = Hands()
        self.length_s = LENGTHS_S[period]
        self.seen: dict[float, int] = {}
        self.calls: list[list[float]] = []
        """Wall, steady, and how much."""
        self.open: list[tuple[Slot, int, list[float]]] = []

    @rule(need=st.integers(0, 6))
    def ask(self, need: int) -> None:
        """Ask for some; it is given just where the model has room."""
        slot = taken(self.counter, self.hands, need)
        room = self.limit.amount - self.inside(safe=True)
        assert (slot is not None) == (room >= max(need, 1))
        if slot is not None:
            call = [self.hands.wall_s, self.hands.steady_s, float(need)]
            self.calls.append(call)
            self.open.append((slot, need, call))

    @rule(data=st.data(), actual=st.integers(0, 12))
    def settle(self, data: st.DataObject, actual: int) -> None:
        """Settle any call, at more or less than it reserved."""
        if self.open:
            slot, need, call = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
            self.counter.settle(slot, need, actual)
            call[2] = float(actual)

    @rule(share=st.floats(0, 1.6))
    def pass_by(self, share: float) -> None:
        """Let time pass."""
        self.hands.pass_by(share * self.length_s)

    @rule(share=st.floats(-1.5, 1.5))
    def set_the_clock(self, share: float) -> None:
        """Set the clock on the wall."""
        self.hands.wall_s += share * self.length_s

    def inside(self, *, safe: bool) -> int:
        """Return what is used of the present period; of a rolling one with the slot that has not left, if `safe`."""
        if self.limit.window == "calendar":
            return sum(int(amount) for wall, _, amount in self.calls if self.start(wall) == self.start())
        width_s = self.length_s / {1: 16, 60: 60, 3_600: 60, 86_400: 24}.get(self.length_s, 720)
        now = self.hands.steady_s
        if not safe:
            return sum(int(amount) for _, steady, amount in self.calls if now - steady < self.length_s)
        oldest = now // width_s - self.length_s / width_s
        return sum(int(amount) for _, steady, amount in self.calls if steady // width_s >= round(oldest))

    def start(self, wall: float | None = None) -> float:
        """Return when the period around a moment begins."""
        return span(self.limit.period, self.hands.wall_s if wall is None else wall)[0]

    @invariant()
    def it_counts_as_the_model_does(self) -> None:
        """What is told as used is what the model finds; a rolling period never misses anything."""
        if hasattr(self, "counter"):
            # A clock set over many periods finds only the latest of them.
            starts = list(dict.fromkeys([*self.seen, self.start()]))
            self.seen = dict.fromkeys(starts, 0)
            if self.limit.window == "rolling" or len(starts) <= 4:
                assert used(self.counter, self.hands) == self.inside(safe=True)
            else:
                self.calls = [call for call in self.calls if self.start(call[0]) == self.start()]
                self.counter = counter_for(self.limit, "")
                self.calls.clear()
                self.open.clear()
                self.seen.clear()
            assert self.inside(safe=False) <= self.inside(safe=True)


TestAgainstModel = AgainstModel.TestCase
