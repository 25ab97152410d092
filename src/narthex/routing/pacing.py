"""Spending at an even pace: the better members while it keeps to its pace, cheaper ones while it is ahead.

Money is counted in whole numbers: a price in microdollars for a million tokens, times tokens, is a number of
picodollars, and nothing is ever rounded. What was spent is known to this process only, and is nothing when that starts:
it is for pacing, not for billing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, NamedTuple

from narthex.errors import BudgetSpent
from narthex.routing.budgets import Budget, span
from narthex.routing.candidates import Why
from narthex.routing.plan import Plan
from narthex.routing.virtual import Member, VirtualModel
from narthex.types.catalog import ModelFacts
from narthex.types.usage import Usage

PICO_PER_MICRO: Final = 1_000_000
BANDS: Final = 100
"""In so many parts a budget is divided: each part that spending is ahead leads one member further on."""


class Purse:
    """What was spent of one budget in its present period.

    What was spent before this process knew of the budget is not known: it is taken that the pace was kept until then,
    so that a restart brings no second budget.
    """

    _assumed_picousd: int

    def __init__(self, budget: Budget, now: Callable[[], float]) -> None:
        """Begin in the middle of a period.

        Args:
            budget: What may be spent.
            now: Unix time in seconds.
        """
        self._now = now
        self.budget = budget
        self._begin()

    def adopt(self, budget: Budget) -> None:
        """Go by another budget; what was spent stays spent, unless it is for another period."""
        before, self.budget = self.budget, budget
        if budget.period != before.period:
            self._begin()
        elif budget.microusd != before.microusd:
            # What is taken for spent is a part of the budget, and stays that part.
            self._assumed_picousd = self._assumed_picousd * budget.microusd // before.microusd

    def pay(self, picousd: int) -> None:
        """Take out what a call cost."""
        self._turn()
        self._spent_picousd += picousd

    @property
    def spent_picousd(self) -> int:
        """What was spent in this period, as far as it is known."""
        self._turn()
        return self._spent_picousd

    @property
    def is_empty(self) -> bool:
        """Whether the budget is spent."""
        return self.spent_picousd + self._assumed_picousd >= self.budget.microusd * PICO_PER_MICRO

    @property
    def lead_picousd(self) -> int:
        """How far spending is ahead of an even pace; below zero if it is behind."""
        now = self._turn()
        return self._spent_picousd + self._assumed_picousd - self._allowed_picousd(now)

    @property
    def refilled_in_s(self) -> float:
        """When the next period begins, in seconds from now."""
        return self._end - self._turn()

    def _begin(self) -> None:
        now = self._now()
        self._start, self._end = span(self.budget.period, now)
        self._spent_picousd = 0
        self._assumed_picousd = self._allowed_picousd(now)

    def _allowed_picousd(self, now: float) -> int:
        """Return what an even pace allows until now, in whole numbers to the end."""
        elapsed_ms = max(0, math.floor((now - self._start) * 1_000))
        length_ms = round((self._end - self._start) * 1_000)
        return self.budget.microusd * PICO_PER_MICRO * elapsed_ms // length_ms

    def _turn(self) -> float:
        """Return the time, in a new period if the last one is over; a clock that is set back begins none."""
        now = self._now()
        if now >= self._end:
            self._start, self._end = span(self.budget.period, now)
            self._spent_picousd = self._assumed_picousd = 0
        return now


class Spending:
    """The purses of all virtual models that have a budget; they outlive a change of the configuration."""

    def __init__(self, now: Callable[[], float], facts_of: Callable[[str], ModelFacts | None]) -> None:
        """Begin without any.

        Args:
            now: Unix time in seconds.
            facts_of: Knows what a model costs.
        """
        self._now = now
        self._facts_of = facts_of
        self._purses: dict[str, Purse] = {}

    def purse(self, virtual: str, budget: Budget) -> Purse:
        """Return the purse of a virtual model, by its budget of today."""
        purse = self._purses.get(virtual)
        if purse is None:
            purse = self._purses[virtual] = Purse(budget, self._now)
        purse.adopt(budget)
        return purse

    def keep(self, virtual: Collection[str]) -> None:
        """Forget the budgets of all models but these."""
        for name in self._purses.keys() - set(virtual):
            del self._purses[name]

    def charge(self, plan: Plan, model: str, usage: Usage) -> None:
        """Count what a call consumed against the budget that it came through, if it came through one.

        Args:
            plan: The decision on the call.
            model: Who answered, `provider/model`.
            usage: What that consumed.
        """
        if not self._purses:
            return
        # A member may serve through a virtual model that stands behind another.
        via = next((candidate.via for candidate in plan.candidates if candidate.name == model), "")
        purse = self._purses.get(via or plan.target)
        facts = self._facts_of(model)
        price = None if facts is None else facts.price
        if purse is not None and price is not None:
            purse.pay(price.picousd(usage))

    def lines(self) -> Iterator[str]:
        """Yield the state of all budgets in Prometheus's text format."""
        yield "# HELP narthex_budget_usd What a virtual model may spend in a period, in US dollars."
        yield "# TYPE narthex_budget_usd gauge"
        for name, purse in self._purses.items():
            yield f'narthex_budget_usd{{virtual="{name}",period="{purse.budget.period}"}} {purse.budget.microusd / 1e6}'
        yield "# HELP narthex_budget_spent_usd What it has spent in the present one, as far as this process knows."
        yield "# TYPE narthex_budget_spent_usd gauge"
        for name, purse in self._purses.items():
            spent_usd = purse.spent_picousd / PICO_PER_MICRO / 1e6
            yield f'narthex_budget_spent_usd{{virtual="{name}",period="{purse.budget.period}"}} {spent_usd}'


class _Stand(NamedTuple):
    """Where spending stands, and what follows."""

    place: int
    """Of the member that is to serve, counted from the best."""
    why: Why
    microusd: float
    """How far it is ahead of its pace, or behind."""


class Paced:
    """The best member while spending keeps to its pace, cheaper ones the further it is ahead, the cheapest at the end.

    Behind the one that serves stand those that are cheaper, then those that are dearer, the nearest first.
    """

    def __init__(self, model: VirtualModel, purse: Purse) -> None:
        self._name = model.name
        self._purse = purse
        serving = [member for member in model.members if not member.draining]
        self._places = {member.model: place for place, member in enumerate(serving)}

    def __call__(self, members: Sequence[Member], _key: object) -> tuple[list[Member], Why, float]:
        """Put members in order, why the first is first, and how far spending is ahead or behind, in microdollars."""
        place, why, microusd = self._stand()
        cheaper = [member for member in members if self._places[member.model] >= place]
        dearer = [member for member in members if self._places[member.model] < place]
        return [*cheaper, *reversed(dearer)], why, microusd

    def permitted(self, members: Sequence[Member]) -> Sequence[Member]:
        """Return who may serve at all: where the budget is spent only the cheapest, or nobody."""
        if not self._purse.is_empty:
            return members
        return () if self._purse.budget.on_empty == "refuse" else members[-1:]

    def refusal(self) -> BudgetSpent | None:
        """Return the error of a call that the budget leaves to nobody; None if it leaves it to somebody."""
        purse = self._purse
        if not purse.is_empty or purse.budget.on_empty != "refuse":
            return None
        dollars = f"{purse.budget.microusd / 1e6:f}".rstrip("0").rstrip(".")
        spent = f"the budget of {self._name!r}, ${dollars} for this {purse.budget.period}, is spent"
        message = f"{spent}; ask for another model, or wait for the next {purse.budget.period}"
        return BudgetSpent(message, retry_after_s=purse.refilled_in_s)

    def _stand(self) -> _Stand:
        purse, last = self._purse, len(self._places) - 1
        lead = purse.lead_picousd
        microusd = abs(lead) / PICO_PER_MICRO
        if purse.is_empty:
            return _Stand(last, "spent", microusd)
        if lead <= 0:
            return _Stand(0, "on_pace", microusd)
        steps = 1 + lead * BANDS // (purse.budget.microusd * PICO_PER_MICRO)
        return _Stand(min(steps, last), "ahead_of_pace", microusd)
