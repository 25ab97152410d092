"""Plans: what they count is what their counters count, at every moment and however clocks are set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.errors import LimitExceeded
from narthex.ledger.limits.counters import Counter, Slot, counter_for
from narthex.ledger.limits.headers import ANTHROPIC, OPENAI, headers_of
from narthex.ledger.limits.meters import Meters, Reservation
from narthex.ledger.limits.plans import Plan
from narthex.ledger.limits.uses import Amounts, place_of
from narthex.types.limits import Limit
from tests.ledger.limits.making import ACCOUNT, NOON, Hands, limit


def plan_of(*limits: Limit) -> Plan:
    """Return a plan of empty counters."""
    return Plan([(counter_for(one, ""), place_of(one)) for one in limits])


def test_rows_are_those_of_the_periods_around_a_moment() -> None:
    """They hold from the latest beginning of a period to the earliest end; a limit that only tells has no gate."""
    plan = plan_of(limit(), limit(id="lim_2", measure="tokens", period="day", hard=False))
    plan.turn(NOON + 61)
    assert (plan.since, plan.until) == (NOON + 60, NOON + 120)
    assert [(place, gate) for _, place, gate in plan.rows] == [(0, 10), (3, float("inf"))]


def test_what_is_asked_and_what_is_not() -> None:
    """Rolling periods and buckets have a count of their own kind; what is under way at once is one number."""
    rolling, bucket = limit(id="lim_2", window="rolling"), limit(id="lim_3", window="rolling", burst=2)
    parallel = limit(id="lim_4", measure="parallel", period="total")
    plan = plan_of(limit(), rolling, bucket, parallel)
    assert [counter.limit.id for counter, _ in plan.others] == ["lim_2", "lim_3"]
    assert len(plan.calendars) == 2
    assert not plan.sized
    assert plan_of(limit(measure="output_tokens")).sized


def test_what_was_counted_before_a_refusal_is_given_back() -> None:
    """In the rows before the one that refused, and in no other."""
    plan = plan_of(limit(), limit(id="lim_2", measure="tokens"), limit(id="lim_3", measure="input_tokens"))
    plan.turn(NOON)
    slots: list[Slot] = [slot for slot, _, _ in plan.rows]
    for slot in slots:
        slot.total = 7
    plan.give_back(slots[1], (1, 2, 2, 4, 1, 1))
    assert [slot.total for slot in slots] == [6, 7, 7]


def test_of_no_period_are_there_two_counts() -> None:
    """A plan that was not used while the clock went far ahead and back counts with the others."""
    hands = Hands()
    some = Meters([limit(period="minute")], wall=hands.wall, steady=hands.steady)
    plan = some.plan(ACCOUNT)
    assert plan is not None
    for _ in range(6):
        some.hold(plan, (1, 1, 1, 2, 1, 1))
    for _ in range(8):
        hands.wall_s += 60
        list(some.usage())
    hands.wall_s = NOON
    (one,) = some.usage()
    assert one.gauge.reserved == 6
    for _ in range(4):
        some.hold(plan, (1, 1, 1, 2, 1, 1))
    with pytest.raises(LimitExceeded):
        some.hold(plan, (1, 1, 1, 2, 1, 1))


@pytest.mark.parametrize("at", [NOON, NOON + 0.25, NOON + 58.9, NOON + 59, NOON + 59.75])
@pytest.mark.parametrize(
    "given",
    [
        [{}, {"id": "lim_2", "measure": "tokens", "amount": 500, "period": "day"}],
        [{}, {"id": "lim_2", "period": "day", "amount": 4}],
        [{"window": "rolling"}, {"id": "lim_2", "measure": "tokens", "period": "total"}],
        [{"hard": False}, {"id": "lim_2", "measure": "input_tokens", "amount": 3}],
    ],
)
def test_callers_are_told_how_the_counters_stand(given: list[dict[str, Any]], at: float) -> None:
    """The same words as are found for the gauges of the counters, now and a moment later."""
    hands = Hands(at)
    some = Meters([limit(**one) for one in given], wall=hands.wall, steady=hands.steady)
    for words in (OPENAI, ANTHROPIC):
        for _ in range(2):
            reservation = some.reserve(ACCOUNT, input_tokens=1, output_tokens=2, picousd=3)
            assert reservation is not None
            stands = [(one.limit, one.gauge) for one in some.usage()]
            assert reservation.headers(words) == headers_of(stands, words, hands.wall_s)
            hands.pass_by(0.4)
            reservation.release()


_KINDS = st.fixed_dictionaries(
    {
        "measure": st.sampled_from(["requests", "tokens", "output_tokens", "cost_microusd"]),
        "amount": st.integers(0, 8),
        "period": st.sampled_from(["second", "minute", "hour"]),
        "window": st.sampled_from(["calendar", "calendar", "rolling"]),
        "hard": st.sampled_from([True, True, False]),
    }
)
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "settle", "release", "pass", "set"]), st.integers(0, 5), st.integers(0, 5)
    ),
    max_size=40,
)


class Beside:
    """Meters beside counters that are asked one by one, by the same clocks."""

    def __init__(self, limits: list[Limit]) -> None:
        self.hands = Hands()
        self.some = Meters(limits, wall=self.hands.wall, steady=self.hands.steady)
        self.counters: list[tuple[Counter, int]] = [(counter_for(one, ""), place_of(one)) for one in limits]
        self.under_way: list[tuple[Reservation, list[Slot], Amounts]] = []

    def ask(self, needs: Amounts) -> None:
        """Ask both for the same: either both let it through or none."""
        slots = self.taken(needs)
        try:
            held = self.some.reserve(ACCOUNT, input_tokens=needs[1], output_tokens=needs[2], picousd=needs[4])
        except LimitExceeded:
            assert slots is None
            return
        assert slots is not None
        assert held is not None
        self.under_way.append((held, slots, needs))

    def taken(self, needs: Amounts) -> list[Slot] | None:
        """Take what a call needs of each counter; None where one refuses it."""
        wall, steady = self.hands.wall_s, self.hands.steady_s
        for counter, place in self.counters:
            if counter.limit.hard and not counter.fits(needs[place], wall, steady):
                return None
        return [counter.take(needs[place], wall, steady) for counter, place in self.counters]

    def end(self, which: int, used: Amounts | None) -> None:
        """Settle a call that is under way, or release it."""
        if not self.under_way:
            return
        held, slots, needs = self.under_way.pop(which % len(self.under_way))
        if used is None:
            held.release()
        else:
            held.settle(used[1], used[2], used[4])
        spent = (0, 0, 0, 0, 0, 0) if used is None else (*used[:5], 0)
        for (counter, place), slot in zip(self.counters, slots, strict=True):
            counter.settle(slot, needs[place], spent[place])

    def agree(self) -> None:
        """Every gauge stands alike."""
        stands = {use.limit.id: use.gauge for use in self.some.usage()}
        wall, steady = self.hands.wall_s, self.hands.steady_s
        assert stands == {counter.limit.id: counter.gauge(wall, steady) for counter, _ in self.counters}


@settings(deadline=None, max_examples=150)
@given(kinds=st.lists(_KINDS, min_size=1, max_size=4), steps=_STEPS)
def test_meters_count_as_their_counters_do(kinds: list[dict[str, Any]], steps: list[tuple[str, int, int]]) -> None:
    """Calls are let through and refused alike, and every gauge stands alike, while clocks go on and are set back."""
    both = Beside([limit(id=f"lim_{place}", **kind) for place, kind in enumerate(kinds)])
    for what, one, other in steps:
        amounts: Amounts = (1, one, other, one + other, one * 1_000_000, 1)
        if what == "ask":
            both.ask(amounts)
        elif what == "pass":
            both.hands.pass_by(one * 7.3)
        elif what == "set":
            both.hands.wall_s += (one - other) * 31.0
        else:
            both.end(one, amounts if what == "settle" else None)
        both.agree()
