"""The orders in which members of a virtual model can be put: the first serves, the others are next in line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Final, Protocol, assert_never

from narthex.routing.candidates import Why
from narthex.routing.figures import Live
from narthex.routing.lots import MOST_AHEAD, by_lots, lot, may_take
from narthex.routing.pacing import Paced, Spending
from narthex.routing.virtual import Member, VirtualModel
from narthex.types.catalog import ModelFacts

LEAST_WARMTH: Final = 0.1
"""The part of its share that a member gets at once when it comes back."""
INPUT_TOKENS_PER_OUTPUT_TOKEN: Final = 3
"""In which proportion prices of input and output are mixed to compare models."""

FactsOf = Callable[[str], ModelFacts | None]
"""What is known of the model `provider/model`."""
Key = Callable[[], str]
"""Returns by what a conversation is known, empty if by nothing; asked only if needed."""
Ranked = tuple[list[Member], Why, float]
"""Members in order, why the first is first, and the figure to it."""
Ranking = Callable[[Sequence[Member], Key], Ranked]
"""Puts the members of one tier, at least one, all available, in order."""


def nothing_known(_name: str) -> ModelFacts | None:
    """Return that nothing is known of a model."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What strategies look at, and what they draw lots with."""

    live: Live
    clock: Callable[[], float]
    """Seconds of the clock that `live.since` speaks of."""
    random: Random
    facts_of: FactsOf = nothing_known
    spending: Spending | None = None
    """What was spent of budgets; without it none is kept to."""
    by_prefix: bool = True
    """Whether large calls go where others went that began alike, without asking for it."""

    def warmth(self, name: str, slow_start_s: float) -> float:
        """Return which part of its share a member may have: all, or less while it has only just come back."""
        since = self.live.since(name)
        if since is None or slow_start_s <= 0:
            return 1.0
        return min(1.0, max(LEAST_WARMTH, (self.clock() - since) / slow_start_s))


class _Weighing(Protocol):
    def __call__(self, member: Member, /) -> float: ...


def _nobody(_name: str) -> int:
    return 0


def _weighing(model: VirtualModel, around: Surroundings) -> _Weighing:
    """Return what tells a member's weight at this moment."""

    def weigh(member: Member) -> float:
        return member.weight * around.warmth(member.model, model.slow_start_s)

    return weigh


def in_order(members: Sequence[Member], _key: Key) -> Ranked:
    """Keep the order of the configuration."""
    return list(members), "first", 0.0


class ByTurns:
    """Smooth weighted round-robin: shares are exact in the long run, and turns are spread evenly.

    Each member gains its weight as credit, the one with most credit serves and pays for all. As in nginx:
    https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1
    """

    def __init__(self, weigh: _Weighing, in_flight: Callable[[str], int] = _nobody) -> None:
        self._weigh = weigh
        self._in_flight = in_flight
        self._credits: dict[str, float] = {}

    def __copy__(self) -> ByTurns:
        """Return another that goes on from the same credits, and leaves these as they are."""
        other = ByTurns(self._weigh, self._in_flight)
        other._credits = dict(self._credits)
        return other

    def __call__(self, members: Sequence[Member], _key: Key) -> Ranked:
        """Let the member with most credit serve."""
        total, chosen = self._credit(members)
        if not total:
            return in_order(members, _key)
        return self._serves(chosen, members, total), "turn", chosen.weight

    def near(self, members: Sequence[Member], prefix: bytes) -> Ranked:
        """Let the member serve that the beginning of the call draws, or the next that is not too far ahead or too busy.

        So shares are what they are without, but for `MOST_AHEAD` calls.
        """
        total, chosen = self._credit(members)
        if not total:
            return in_order(members, _no_key)
        least = (1 - MOST_AHEAD) * total
        for member, share in _drawn(members, prefix, self._weigh, self._in_flight):
            if share and self._credits[member.model] >= least:
                return self._serves(member, members, total), "prefix", 0.0
        return self._serves(chosen, members, total), "turn", chosen.weight

    def _credit(self, members: Sequence[Member]) -> tuple[float, Member]:
        """Give each its weight; return the sum, and who has most."""
        held = self._credits
        total, most, chosen = 0.0, -inf, members[0]
        for member in members:
            weight = self._weigh(member)
            if weight:
                total += weight
                credit = held[member.model] = held.get(member.model, 0.0) + weight
                if credit > most:
                    most, chosen = credit, member
        return total, chosen

    def _serves(self, chosen: Member, members: Sequence[Member], total: float) -> list[Member]:
        held = self._credits
        held[chosen.model] -= total
        # Those that only stand by have no credit at all, and come last.
        rest = [member for member in members if member is not chosen]
        rest.sort(key=lambda member: -held.get(member.model, -inf) if member.weight else inf)
        return [chosen, *rest]


class ByLot:
    """An order drawn by weight, each time anew: for lines that are seldom used, where turns would fall into step.

    Each member draws `u ** (1 / weight)`, the highest first (Efraimidis and Spirakis, 2006).
    """

    def __init__(self, weigh: _Weighing, random: Random) -> None:
        self._weigh = weigh
        self._random = random

    def __call__(self, members: Sequence[Member], _key: Key) -> Ranked:
        """Draw."""
        lots = {member.model: lot(1.0 - self._random.random(), self._weigh(member)) for member in members}
        ranked = sorted(members, key=lambda member: lots[member.model])
        return ranked, "drawn", ranked[0].weight


class LeastBusy:
    """The member with fewest calls in flight in proportion to its weight, the call to come included; else by lot."""

    def __init__(self, weigh: _Weighing, around: Surroundings) -> None:
        self._weigh = weigh
        self._in_flight = around.live.in_flight
        self._random = around.random

    def __call__(self, members: Sequence[Member], _key: Key) -> Ranked:
        """Compare the calls in flight."""
        loads = {member.model: (self._load(member), self._random.random()) for member in members}
        ranked = sorted(members, key=lambda member: loads[member.model])
        return ranked, "least_busy", self._in_flight(ranked[0].model)

    def near(self, members: Sequence[Member], prefix: bytes) -> Ranked:
        """Let the member serve that the beginning of the call draws, or the next that is not too busy."""
        ranked, why, figure = self(members, _no_key)
        for member, share in _drawn(members, prefix, self._weigh, self._in_flight):
            if share:
                ranked.remove(member)
                return [member, *ranked], "prefix", 0.0
        return ranked, why, figure

    def _load(self, member: Member) -> float:
        weight = self._weigh(member)
        return (self._in_flight(member.model) + 1) / weight if weight else inf


class Quickest:
    """The quicker of two members drawn at random, by latency times calls in flight.

    Two are enough to keep away from the slow ones, and keep the whole crowd from running to the quickest. A member of
    which nothing is known is tried with one call first.
    """

    def __init__(self, weigh: _Weighing, around: Surroundings) -> None:
        self._weigh = weigh
        self._live = around.live
        self._random = around.random

    def __call__(self, members: Sequence[Member], _key: Key) -> Ranked:
        """Draw two and compare; the others follow by what they would cost."""
        costs = {member.model: self._cost(member) for member in members}
        ranked = sorted(members, key=lambda member: costs[member.model])
        drawable = [member for member in ranked if member.weight] or ranked
        if len(drawable) > 2:
            chosen = drawable[self._lower_of_two(len(drawable))]
            ranked.remove(chosen)
            ranked.insert(0, chosen)
        latency_s = self._live.latency_s(ranked[0].model)
        return (ranked, "unmeasured", 0.0) if latency_s is None else (ranked, "quickest", latency_s)

    def _lower_of_two(self, count: int) -> int:
        """Return the lower of two different positions, drawn evenly."""
        one = int(self._random.random() * count)
        other = int(self._random.random() * (count - 1))
        return min(one, other)

    def _cost(self, member: Member) -> tuple[float, float]:
        """Return time to wait by weight, and calls in flight to decide between equals."""
        weight, in_flight = self._weigh(member), self._live.in_flight(member.model)
        latency_s = self._live.latency_s(member.model)
        if not weight:
            return inf, in_flight
        if latency_s is None:
            return (inf if in_flight else 0.0), in_flight
        return latency_s * (in_flight + 1) / weight, in_flight


class Cheapest:
    """The member with the lowest price; those without a known price come last, equals in order."""

    def __init__(self, facts_of: FactsOf) -> None:
        self._facts_of = facts_of

    def __call__(self, members: Sequence[Member], _key: Key) -> Ranked:
        """Compare the prices."""
        prices = {member.model: price_microusd_per_mtok(self._facts_of(member.model)) for member in members}
        ranked = sorted(members, key=lambda member: _none_last(prices[member.model]))
        price = prices[ranked[0].model]
        return (ranked, "unpriced", 0.0) if price is None else (ranked, "cheapest", price)


class Sticky:
    """The same member for the same key, by rendezvous hashing: one that leaves or comes moves only its own share.

    Each member draws a lot from its name and the key together, and the best lot by weight serves. Calls without a key
    share by another order.
    """

    def __init__(self, weigh: _Weighing, *, keyless: Ranking) -> None:
        self._weigh = weigh
        self._keyless = keyless

    def __copy__(self) -> Sticky:
        """Return another whose calls without a key use up nobody's turn here."""
        return Sticky(self._weigh, keyless=copy(self._keyless))

    def __call__(self, members: Sequence[Member], key: Key) -> Ranked:
        """Draw lots from the key."""
        known_by = key().encode("utf-8", "surrogatepass")
        if not known_by:
            return self._keyless(members, key)
        return by_lots(known_by, members, name=_name, weight=self._weigh), "sticky", 0.0


def _name(member: Member) -> str:
    return member.model


def _no_key() -> str:
    return ""


def _drawn(
    members: Sequence[Member], prefix: bytes, weigh: _Weighing, in_flight: Callable[[str], int]
) -> Iterator[tuple[Member, float]]:
    """Yield who is not too busy, with its share, in the order that the beginning of a call draws."""
    weights = {member.model: weigh(member) for member in members}
    whole, busy = sum(weights.values()), {member.model: in_flight(member.model) for member in members}
    everywhere = sum(busy.values())
    for member in by_lots(prefix, members, name=_name, weight=lambda one: weights[one.model]):
        share = weights[member.model] / whole if whole else 0.0
        if may_take(busy[member.model], everywhere, share):
            yield member, share


def price_microusd_per_mtok(facts: ModelFacts | None) -> float | None:
    """Return what a million tokens of a usual call cost, in millionths of a US dollar; None if that is not known."""
    if facts is None or facts.input_microusd_per_mtok is None:
        return None
    output = facts.output_microusd_per_mtok
    if output is None:
        return None
    share = INPUT_TOKENS_PER_OUTPUT_TOKEN
    return (facts.input_microusd_per_mtok * share + output) / (share + 1)


def _none_last(price: float | None) -> float:
    return inf if price is None else price


def paced(model: VirtualModel, around: Surroundings) -> Paced | None:
    """Return what keeps a virtual model to its budget; None if it has none."""
    if model.budget is None or around.spending is None:
        return None
    return Paced(model, around.spending.purse(model.name, model.budget))


def ranking(model: VirtualModel, around: Surroundings, *, leading: bool) -> Ranking:
    """Return what puts the members of a virtual model in order.

    Args:
        model: Whose members.
        around: What is looked at.
        leading: Whether the order is for those that serve first, or for a line behind them, where nobody takes a turn.
    """
    weigh = _weighing(model, around)
    shared: Ranking = ByTurns(weigh, around.live.in_flight) if leading else ByLot(weigh, around.random)
    match model.strategy:
        case "order" | "cascade":
            return in_order
        case "weighted":
            return shared
        case "least_busy":
            return LeastBusy(weigh, around)
        case "latency":
            return Quickest(weigh, around)
        case "cost":
            return Cheapest(around.facts_of)
        case "sticky":
            return Sticky(weigh, keyless=shared)
        case "paced":
            return paced(model, around) or in_order
        case _:
            assert_never(model.strategy)
