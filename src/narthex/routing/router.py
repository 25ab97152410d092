"""From what is known of a call to its plan: rules, then virtual models, then fallbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from narthex.errors import NarthexError, Overloaded
from narthex.routing.balancing import Balancer
from narthex.routing.candidates import Candidate
from narthex.routing.conditions import Means
from narthex.routing.facts import Facts
from narthex.routing.plan import Plan
from narthex.routing.rules import Decision, Rule, Rules
from narthex.routing.strategies import Surroundings
from narthex.routing.verdicts import Verdict
from narthex.routing.virtual import FallbackTable, VirtualModel
from narthex.types.dialects import Operation

MAX_REMEMBERED: Final = 4_096
"""Names of which the way is remembered."""

_EMBED: Final = Operation.EMBED


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """Who stands behind a name: the name itself or its members, then its fallbacks."""

    target: str
    heads: tuple[str | Balancer, ...]
    """Models, and virtual models with what puts their members in order; the first serves first."""
    fixed: tuple[Candidate, ...] | None
    """The candidates, where no virtual model is among them."""

    @property
    def strategy(self) -> str:
        head = self.heads[0]
        return head.model.strategy if isinstance(head, Balancer) else ""


class Router:
    """Decides who serves a call.

    It knows names only: whether a model is there is said by who holds the catalog. For a model without rules and
    virtual models on its way, the plan is made once.
    """

    def __init__(
        self,
        means: Means,
        around: Surroundings,
        *,
        models: Sequence[VirtualModel] = (),
        fallbacks: Mapping[str, Sequence[str]] | None = None,
        rules: Sequence[Rule] = (),
    ) -> None:
        """Take in definitions that have passed `virtual.check` and `rules.check`.

        Args:
            means: Decides conditions; its `canonical` follows aliases and the empty name to the default model.
            around: What balancing looks at.
            models: The virtual models.
            fallbacks: Names or `*`, to the names that serve when those could not.
            rules: In their order.
        """
        self._means = means
        self._fallbacks = {name: tuple(names) for name, names in (fallbacks or {}).items()}
        self._rules = Rules(rules, means)
        self._balancers = {model.name: Balancer(model, around) for model in models}
        self.forget()

    def adopt(self, other: Router) -> None:
        """Decide as the other router does, at once."""
        self._means, self._fallbacks, self._rules = other._means, other._fallbacks, other._rules
        self._balancers = other._balancers
        self.forget()

    def forget(self) -> None:
        """Forget the ways that are remembered; to be called when names have come to stand for something else."""
        models = [balancer.model for balancer in self._balancers.values()]
        self._table = FallbackTable(self._fallbacks, models, canonical=self._means.canonical)
        self._lines: dict[tuple[str, bool], _Line] = {}
        self._ready: dict[str, Plan] = {}

    @property
    def virtual_models(self) -> tuple[VirtualModel, ...]:
        """The virtual models, in the order of the configuration."""
        return tuple(balancer.model for balancer in self._balancers.values())

    def is_virtual(self, model: str) -> bool:
        """Tell whether there is something to decide about calls for this name, before any has failed."""
        if self._rules or not self._balancers:
            return bool(self._rules)
        return self._means.canonical(model) in self._balancers

    def refusal(self, plan: Plan) -> NarthexError:
        """Return why nobody serves a call whose plan has no candidates, and when that may be otherwise."""
        balancer = self._balancers.get(plan.target)
        spent = None if balancer is None or balancer.pace is None else balancer.pace.refusal()
        return spent or Overloaded(
            f"every member of {plan.target!r} is draining, and it has no fallbacks", retry_after_s=60
        )

    def ready(self, model: str) -> Plan | None:
        """Return the plan that is already made for every chat with `model`: nothing about the call need be known.

        None says that it is not made yet, or depends on the call.
        """
        return self._ready.get(model)

    def plan(self, facts: Facts) -> Plan:
        """Return who serves the call, and who is next in line."""
        plan = self._ready.get(facts.model)
        if plan is not None and facts.operation is not _EMBED:
            return plan
        decision = self._rules.decide(facts)
        if decision is None:
            return self._unruled(facts)
        return self._ruled(facts, decision)

    def explain(self, facts: Facts, *, now: Callable[[], float] | None = None) -> tuple[Plan, tuple[Verdict, ...]]:
        """Return what `plan` would, and what each rule says of the call; nobody's turn is used up.

        Args:
            facts: What is known of the call.
            now: The time at which it comes, in seconds of Unix time; by default this moment.
        """
        decision, verdicts = self._rules.examine(facts, now=now)
        plan = self._unruled(facts, peek=True) if decision is None else self._ruled(facts, decision, peek=True)
        return plan, verdicts

    def now(self) -> float:
        """Return the time by which rules go, in seconds of Unix time."""
        return self._means.now()

    def behind(self, name: str, facts: Facts) -> tuple[Candidate, ...]:
        """Return who would serve a call for this name, whatever rules say of it; nobody's turn is used up."""
        line = self._line(name, facts.operation)
        return line.fixed or self._candidates(line, facts, peek=True)

    def _unruled(self, facts: Facts, *, peek: bool = False) -> Plan:
        asked = facts.model
        line = self._line(asked, facts.operation)
        candidates = line.fixed or self._candidates(line, facts, peek=peek)
        if not asked and line.fixed:
            candidates = (msgspec.structs.replace(candidates[0], why="default"), *candidates[1:])
        plan = Plan(asked=asked, candidates=candidates, target=line.target, strategy=line.strategy)
        if line.fixed is not None and not self._rules and facts.operation is not _EMBED:
            if len(self._ready) >= MAX_REMEMBERED:
                self._ready.clear()
            self._ready[asked] = plan
        return plan

    def _ruled(self, facts: Facts, decision: Decision, *, peek: bool = False) -> Plan:
        line = self._line(facts.model if decision.model is None else decision.model, facts.operation)
        candidates = line.fixed or self._candidates(line, facts, peek=peek)
        if decision.model is not None and line.fixed:
            candidates = (msgspec.structs.replace(candidates[0], why="ruled"), *candidates[1:])
        return Plan(
            asked=facts.model,
            candidates=candidates,
            target=line.target,
            rule=decision.rule,
            percentage=decision.percentage,
            shadow=decision.shadow,
            strategy=line.strategy,
        )

    def _line(self, name: str, operation: Operation) -> _Line:
        # The general list is for chats: vectors of another model fit nothing that was made with this one.
        general = operation is not _EMBED
        line = self._lines.get((name, general))
        if line is None:
            if len(self._lines) >= MAX_REMEMBERED:
                self._lines.clear()
            line = self._lines[name, general] = self._drawn_up(name, general=general)
        return line

    def _drawn_up(self, name: str, *, general: bool) -> _Line:
        target = self._means.canonical(name)
        names = (target, *self._table.chain(target, general=general))
        fixed = None
        if self._balancers.keys().isdisjoint(names):
            rest = (Candidate(name=following, why="fallback", fallback=True) for following in names[1:])
            fixed = (Candidate(name=target, why="asked"), *rest)
        return _Line(target=target, heads=tuple(self._balancers.get(one, one) for one in names), fixed=fixed)

    def _candidates(self, line: _Line, facts: Facts, *, peek: bool = False) -> tuple[Candidate, ...]:
        """Return everybody in line, each once and where it stands first; who is not available stands last."""
        first = line.heads[0]
        if len(line.heads) == 1 and isinstance(first, Balancer):
            return tuple(first.order(facts.key, prefix=facts.prefix, peek=peek))
        found: dict[str, Candidate] = {}
        for place, head in enumerate(line.heads):
            if isinstance(head, Balancer):
                for candidate in head.order(facts.key, prefix=facts.prefix, fallback=place > 0, peek=peek):
                    found.setdefault(candidate.name, candidate)
            elif head not in found:
                found[head] = Candidate(name=head, why="fallback" if place else "asked", fallback=place > 0)
        return tuple(sorted(found.values(), key=_is_last_resort))


def _is_last_resort(candidate: Candidate) -> bool:
    return candidate.why == "unavailable"
