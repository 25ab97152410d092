"""Spending keeps to its pace, to the last picodollar."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import BudgetSpent
from narthex.routing.balancing import Balancer
from narthex.routing.budgets import Budget, OnEmpty
from narthex.routing.candidates import Candidate
from narthex.routing.figures import Figures
from narthex.routing.pacing import PICO_PER_MICRO, Paced, Purse, Spending
from narthex.routing.plan import Plan
from narthex.routing.strategies import Surroundings
from narthex.routing.virtual import Member, VirtualModel
from narthex.types.catalog import ModelFacts
from narthex.types.usage import Usage

HOUR = 3_600.0
START = 1_000_000 * HOUR
"""A full hour."""
DOLLAR = 1_000_000
PRICES = {"best/m": 10 * DOLLAR, "good/m": 2 * DOLLAR, "cheap/m": 0}


class Clock:
    """Unix time as a test sets it."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def facts_of(name: str) -> ModelFacts | None:
    """Return a model at its price for input and output alike."""
    provider, _, model = name.partition("/")
    price = PRICES.get(name)
    return ModelFacts(id=model, provider=provider, input_microusd_per_mtok=price, output_microusd_per_mtok=price)


def budget(dollars: float = 1, on_empty: OnEmpty = "cheapest") -> Budget:
    """Return a budget for an hour."""
    return Budget(microusd=round(dollars * DOLLAR), period="hour", on_empty=on_empty)


def careful(*members: str, on_empty: OnEmpty = "cheapest") -> VirtualModel:
    """Return a paced model with a dollar for an hour."""
    given_members = tuple(Member(model=one) for one in members or PRICES)
    return VirtualModel(name="careful", members=given_members, strategy="paced", budget=budget(1, on_empty))


class Scene(NamedTuple):
    """A paced model at work."""

    clock: Clock
    spending: Spending
    balancer: Balancer
    down: set[str]

    def ask(self) -> list[Candidate]:
        """Return who would serve a call."""
        return self.balancer.order()

    def spend(self, dollars: float, model: str = "best/m") -> None:
        """Have a call cost so much."""
        tokens = round(dollars * DOLLAR / PRICES[model] * 1_000_000)
        plan = Plan(asked="careful", target="careful", candidates=tuple(self.ask()))
        self.spending.charge(plan, model, Usage(input_tokens=tokens))


def scene(model: VirtualModel | None = None, now: float = START) -> Scene:
    """Return a paced model with nothing spent."""
    clock, down = Clock(now), set[str]()
    spending = Spending(clock, facts_of)
    live = Figures(clock, available=lambda name: name not in down)
    around = Surroundings(live=live, clock=clock, random=Random(1), facts_of=facts_of, spending=spending)
    return Scene(clock, spending, Balancer(model or careful(), around), down)


def names(candidates: list[Candidate]) -> list[str]:
    """Return the models in order, by their first word."""
    return [candidate.name.partition("/")[0] for candidate in candidates]


def test_the_further_ahead_the_cheaper() -> None:
    """On its pace the best serves; each hundredth of the budget that it is ahead leads one member further on."""
    house = scene()
    assert names(house.ask()) == ["best", "good", "cheap"]
    assert house.ask()[0].reason == "best, with spending $0 below the pace of careful"
    house.spend(0.005)
    assert names(house.ask()) == ["good", "cheap", "best"]
    assert house.ask()[0].reason == "cheaper, with spending $0.005 ahead of the pace of careful"
    house.spend(0.01)
    assert names(house.ask()) == ["cheap", "good", "best"]
    house.clock.now += HOUR / 100
    assert names(house.ask()) == ["good", "cheap", "best"]
    house.clock.now += HOUR / 100
    assert names(house.ask()) == ["best", "good", "cheap"]


def test_a_spent_budget_leaves_the_cheapest_or_nobody() -> None:
    """Until the next period; a dearer one does not even stand in, also where the cheapest is down."""
    house = scene()
    house.spend(1)
    assert names(house.ask()) == ["cheap"]
    assert house.ask()[0].reason == "cheapest, after the whole budget of careful"
    house.down.add("cheap/m")
    assert [(one.name, one.why) for one in house.ask()] == [("cheap/m", "unavailable")]
    strict = scene(careful(on_empty="refuse"))
    strict.spend(1)
    assert strict.ask() == []
    assert strict.balancer.pace is not None
    refusal = strict.balancer.pace.refusal()
    assert isinstance(refusal, BudgetSpent)
    assert refusal.retry_after_s == HOUR
    assert "$1 for this hour" in refusal.message
    strict.clock.now += HOUR
    assert names(strict.ask())[0] == "best"
    assert strict.balancer.pace.refusal() is None


def test_a_member_that_is_down_makes_way_for_the_nearest() -> None:
    """Those that are cheaper first, then those that are dearer."""
    house = scene()
    house.spend(0.005)
    house.down.add("good/m")
    assert names(house.ask()) == ["cheap", "best", "good"]
    house.down.add("cheap/m")
    assert names(house.ask())[0] == "best"


def test_draining_members_are_passed_over() -> None:
    """The cheapest is the cheapest of those that serve."""
    members = (Member(model="best/m"), Member(model="good/m"), Member(model="cheap/m", draining=True))
    house = scene(VirtualModel(name="careful", members=members, strategy="paced", budget=budget()))
    house.spend(1)
    assert names(house.ask()) == ["good"]


def test_a_restart_brings_no_second_budget() -> None:
    """It is taken that the pace was kept until this process knew of the budget."""
    house = scene(careful(on_empty="refuse"), now=START + 0.75 * HOUR)
    assert names(house.ask())[0] == "best"
    house.spend(0.2)
    assert names(house.ask())[0] == "cheap"
    house.spend(0.05)
    assert house.ask() == []
    assert list(house.spending.lines())[-1].endswith(" 0.25")


def test_every_period_begins_with_all_of_it() -> None:
    """What was spent in the last one is forgotten, and a clock that is set back begins none."""
    purse = Purse(budget(), clock := Clock())
    purse.pay(DOLLAR * PICO_PER_MICRO)
    empty: list[bool] = []
    for passed_s in (0, -10, HOUR + 10):
        clock.now += passed_s
        empty.append(purse.is_empty)
    assert empty == [True, True, False]
    assert purse.spent_picousd == 0
    assert purse.refilled_in_s == HOUR


def test_a_new_budget_keeps_what_was_spent() -> None:
    """After a reload more or less may be spent; for another period it begins anew."""
    clock = Clock()
    spending = Spending(clock, facts_of)
    purse = spending.purse("careful", budget(1))
    purse.pay(DOLLAR * PICO_PER_MICRO // 2)
    assert spending.purse("careful", budget(0.4)) is purse
    assert purse.is_empty
    assert not spending.purse("careful", budget(2)).is_empty
    spending.purse("careful", Budget(microusd=DOLLAR, period="day"))
    assert purse.spent_picousd == 0


def test_what_is_taken_for_spent_is_a_part_of_the_budget() -> None:
    """Changed in the middle of a period, it leaves as much of the new budget as was left of the old one."""
    clock = Clock()
    clock.now += HOUR / 2
    spending = Spending(clock, facts_of)
    purse = spending.purse("careful", budget(100))
    for dollars in (40, 100, 1):
        spending.purse("careful", budget(dollars))
        assert (purse.is_empty, purse.lead_picousd) == (False, 0)


def test_removed_models_have_no_budget() -> None:
    """After a reload nothing is told of them any more."""
    spending = Spending(Clock(), facts_of)
    spending.purse("careful", budget(1))
    spending.purse("other", budget(1))
    spending.keep(["careful"])
    assert 'virtual="careful"' in "".join(spending.lines())
    assert 'virtual="other"' not in "".join(spending.lines())


def test_calls_are_charged_to_the_budget_they_came_through() -> None:
    """To that of the virtual model they are a member of, be it a fallback of another; else to the one asked for."""
    house = scene()
    purse = house.spending.purse("careful", budget())
    behind = Candidate(name="best/m", why="next", via="careful", fallback=True)
    usage = Usage(input_tokens=3, output_tokens=4)
    house.spending.charge(Plan(asked="x", target="x/y", candidates=(behind,)), "best/m", usage)
    assert purse.spent_picousd == 7 * 10 * DOLLAR
    house.spending.charge(Plan(asked="careful", target="careful", candidates=()), "good/m", usage)
    assert purse.spent_picousd == 7 * 12 * DOLLAR
    for plan, model in ((Plan(asked="x", target="x/y", candidates=()), "best/m"),):
        house.spending.charge(plan, model, usage)
    house.spending.charge(Plan(asked="careful", target="careful", candidates=()), "unknown/m", usage)
    assert purse.spent_picousd == 7 * 12 * DOLLAR


def test_the_state_is_told() -> None:
    """What may be spent and what was, by virtual model."""
    house = scene()
    house.spend(0.25)
    assert [line for line in house.spending.lines() if not line.startswith("#")] == [
        'narthex_budget_usd{virtual="careful",period="hour"} 1.0',
        'narthex_budget_spent_usd{virtual="careful",period="hour"} 0.25',
    ]


def test_without_spending_nothing_is_paced() -> None:
    """Where nobody keeps the books, members serve in their order."""
    live = Figures(Clock())
    balancer = Balancer(careful(), Surroundings(live=live, clock=Clock(), random=Random(1)))
    assert balancer.pace is None
    assert names(balancer.order()) == ["best", "good", "cheap"]


class _Call(NamedTuple):
    gap_s: float
    lasts_s: float
    tokens: int


calls = st.lists(
    st.builds(
        _Call,
        gap_s=st.floats(min_value=0, max_value=300),
        lasts_s=st.floats(min_value=0, max_value=600),
        tokens=st.integers(min_value=0, max_value=300_000),
    ),
    max_size=150,
)


class _UnderWay(NamedTuple):
    ends_at: float
    plan: Plan
    model: str
    usage: Usage

    @property
    def picousd(self) -> int:
        """What it will cost."""
        facts = facts_of(self.model)
        assert facts is not None
        assert facts.price is not None
        return facts.price.picousd(self.usage)


class _Traffic:
    """Calls that are charged when they end, in whatever order that is."""

    def __init__(self, house: Scene, is_over: Callable[[Purse], bool]) -> None:
        """Begin without any.

        Args:
            house: Who serves them.
            is_over: Tells when nothing more may be spent.
        """
        self._house = house
        self._is_over = is_over
        self.purse = house.spending.purse("careful", house.balancer.model.budget or budget())
        self._under_way: list[_UnderWay] = []
        self.excess_picousd = 0
        """Cost of the calls that were under way when the limit was last met, the one that met it among them."""

    def call(self, one: _Call) -> None:
        """Let the time pass until a call comes, and send it to whoever is to serve."""
        clock = self._house.clock
        self._pass_until(clock.now + one.gap_s)
        candidates = self._house.ask()
        if candidates:
            plan = Plan(asked="careful", target="careful", candidates=tuple(candidates))
            usage = Usage(output_tokens=one.tokens)
            self._under_way.append(_UnderWay(clock.now + one.lasts_s, plan, candidates[0].name, usage))

    def _pass_until(self, now: float) -> None:
        clock = self._house.clock
        while ending := min((call for call in self._under_way if call.ends_at <= now), default=None, key=_ends_at):
            clock.now = ending.ends_at
            before = self._is_over(self.purse)
            if not before:
                self.excess_picousd = sum(call.picousd for call in self._under_way)
            self._under_way.remove(ending)
            self._house.spending.charge(ending.plan, ending.model, ending.usage)
        clock.now = now


def _ends_at(call: _UnderWay) -> float:
    return call.ends_at


@given(calls)
def test_a_budget_is_exceeded_by_no_more_than_the_calls_under_way(traffic: list[_Call]) -> None:
    """Where nobody serves once it is spent, nothing is spent in any period but the budget and those calls."""
    running = _Traffic(scene(careful("best/m", "good/m", on_empty="refuse")), lambda purse: purse.is_empty)
    for one in traffic:
        running.call(one)
        if running.purse.is_empty:
            assert running.purse.spent_picousd < DOLLAR * PICO_PER_MICRO + running.excess_picousd


@given(calls)
def test_spending_is_ahead_by_no_more_than_the_calls_under_way(traffic: list[_Call]) -> None:
    """Where the cheapest costs nothing, spending never runs further ahead of its pace than what was under way."""
    running = _Traffic(scene(careful("best/m", "cheap/m")), lambda purse: purse.lead_picousd > 0)
    for one in traffic:
        running.call(one)
        if running.purse.lead_picousd > 0:
            assert running.purse.lead_picousd <= running.excess_picousd


def test_the_share_follows_the_pace() -> None:
    """Even traffic that would cost four budgets gets the best model for a quarter of its calls, all the hour long."""
    house = scene(careful("best/m", "cheap/m"))
    usage = Usage(output_tokens=4 * 100_000 // 3_600)
    served: list[str] = []
    for _ in range(3_599):
        house.clock.now += 1
        candidates = tuple(house.ask())
        served.append(candidates[0].name)
        house.spending.charge(Plan(asked="careful", target="careful", candidates=candidates), served[-1], usage)
    for quarter in range(4):
        part = served[quarter * 900 : (quarter + 1) * 900]
        assert part.count("best/m") == pytest.approx(225, abs=3)
    spent = house.spending.purse("careful", budget()).spent_picousd
    assert 0.99 < spent / (DOLLAR * PICO_PER_MICRO) <= 1.001


def test_a_paced_order_is_not_changed_by_being_told() -> None:
    """Asking what would happen costs nothing, and changes nothing."""
    house = scene()
    paced = house.balancer.pace
    assert isinstance(paced, Paced)
    assert names(house.balancer.order(peek=True)) == names(house.balancer.order())
