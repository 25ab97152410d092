"""Rules over calls: the first that is about a call says where it goes, and which model gets a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from narthex.routing.conditions import By, Condition, Means, When, by_option, check_when, conditions, key_of, share
from narthex.routing.facts import Facts
from narthex.routing.verdicts import Verdict, why_not
from narthex.routing.virtual import Contradiction, Path, Unknown

EVERY_CALL: Final = When()
"""No condition at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A part of the calls that goes elsewhere."""

    model: str
    percentage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A model that gets a copy of calls, and whose answers nobody waits for."""

    model: str
    percentage: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What happens to some calls.

    It names a model by `use`, or several with their parts by `split`, or only adds a `shadow`. What a split leaves goes
    to the model that was asked for.
    """

    name: str
    when: When = EVERY_CALL
    use: str | None = None
    """A model, an alias or a virtual model."""
    split: tuple[Split, ...] = ()
    shadow: Shadow | None = None
    by: By = "key"
    """What keeps its side of a split and of a shadow's percentage."""


class Decision(NamedTuple):
    """What a rule says of a call."""

    rule: str
    model: str | None
    """Where it goes; None leaves it with the model that was asked for."""
    percentage: float
    """The part of the calls that goes there; 100 without a split."""
    shadow: str | None
    """Which model gets a copy."""


class Rules:
    """Rules in their order; the first that is about a call counts, and no other is asked."""

    def __init__(self, rules: Sequence[Rule], means: Means) -> None:
        """Prepare the rules, which must have passed `check`."""
        self._means = means
        self._rules: tuple[tuple[Rule, tuple[Condition, ...]], ...] = tuple(
            (rule, conditions(rule.when, means, name=_drawn_as(rule))) for rule in rules
        )

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._rules)

    def decide(self, facts: Facts) -> Decision | None:
        """Return what the first rule about this call says; None if no rule is about it."""
        for rule, held in self._rules:
            for condition in held:
                if not condition(facts):
                    break
            else:
                return self._decided(rule, facts)
        return None

    def examine(
        self, facts: Facts, *, now: Callable[[], float] | None = None
    ) -> tuple[Decision | None, tuple[Verdict, ...]]:
        """Return what `decide` would, and what each rule says of the call.

        Args:
            facts: What is known of the call.
            now: The time at which it comes; by default this moment.
        """
        means = self._means if now is None else replace(self._means, now=now)
        decision: Decision | None = None
        verdicts: list[Verdict] = []
        for rule, _ in self._rules:
            if decision is not None:
                verdicts.append(Verdict(rule=rule.name, outcome="not_asked"))
                continue
            verdict = _judged(rule, facts, means)
            verdicts.append(verdict)
            if verdict.outcome == "matched":
                decision = self._decided(rule, facts)
        return decision, tuple(verdicts)

    def _decided(self, rule: Rule, facts: Facts) -> Decision:
        model, percentage = (rule.use, 100.0) if not rule.split else self._side(rule, facts)
        shadow = rule.shadow
        if shadow is not None and shadow.percentage < 100:
            # A name of its own, so that the copied calls come from all sides of a split alike.
            drawn = share(facts, rule.by, f"{rule.name}/shadow", self._means.random)
            shadow = shadow if drawn < shadow.percentage else None
        return Decision(rule.name, model, percentage, shadow.model if shadow else None)

    def _side(self, rule: Rule, facts: Facts) -> tuple[str | None, float]:
        """Return on which side of a split a call stands, and how wide that is."""
        drawn = share(facts, rule.by, f"{rule.name}/split", self._means.random)
        passed = 0.0
        for part in rule.split:
            passed += part.percentage
            if drawn < passed:
                return part.model, part.percentage
        return None, 100.0 - passed


def _judged(rule: Rule, facts: Facts, means: Means) -> Verdict:
    held = by_option(rule.when, means, name=_drawn_as(rule))
    failed = next((option for option, holds in held if not holds(facts)), None)
    if failed is None:
        return Verdict(rule=rule.name, outcome="matched", drawn=_is_drawn(rule, facts))
    why = why_not(failed, rule.when, facts, now=means.now())
    drawn = failed == "percentage" and not key_of(facts, rule.when.by)
    return Verdict(rule=rule.name, outcome="not_matched", condition=failed, why=why, drawn=drawn)


def _is_drawn(rule: Rule, facts: Facts) -> bool:
    """Tell whether the side on which a call stands is left to chance."""
    if rule.when.percentage < 100 and not key_of(facts, rule.when.by):
        return True
    parts = rule.split or (rule.shadow is not None and rule.shadow.percentage < 100)
    return bool(parts) and not key_of(facts, rule.by)


def _drawn_as(rule: Rule) -> str:
    return f"{rule.name}/when"


def check(rules: Sequence[Rule], *, unknown: Unknown, path: Path = ("rules",)) -> Iterator[Contradiction]:
    """Yield what cannot hold in rules.

    Args:
        rules: In their order.
        unknown: Why a name leads to no model, alias or virtual model.
        path: Where the list of rules stands in the configuration.
    """
    names: set[str] = set()
    for index, rule in enumerate(rules):
        place = (*path, index)
        if rule.name in names:
            yield (*place, "name"), f'a second rule named "{rule.name}"; rename one'
        names.add(rule.name)
        if (earlier := _before(rule, rules[:index])) is not None:
            yield place, f'"{rule.name}" is never asked: "{earlier}" before it is about every call; put that one last'
        yield from check_when((*place, "when"), rule.when)
        yield from _check_outcome(place, rule, unknown)


def _before(rule: Rule, earlier: Sequence[Rule]) -> str | None:
    """Return the rule that leaves nothing for this one; None if some call may come to it."""
    for other in earlier:
        covers = set(rule.when.operations) <= set(other.when.operations)
        if covers and replace(other.when, operations=EVERY_CALL.operations) == EVERY_CALL:
            return other.name
    return None


def _check_outcome(path: Path, rule: Rule, unknown: Unknown) -> Iterator[Contradiction]:
    if rule.use is not None and rule.split:
        yield (*path, "split"), "`use` names the model already; keep one of the two"
    if rule.use is None and not rule.split and rule.shadow is None:
        yield path, f'"{rule.name}" changes nothing; give it `use`, `split` or `shadow`'
    if rule.use is not None and (reason := unknown(rule.use)):
        yield (*path, "use"), reason
    yield from _check_split((*path, "split"), rule.split, unknown)
    if rule.shadow is not None:
        if rule.shadow.model == rule.use:
            yield (*path, "shadow", "model"), f'"{rule.use}" serves these calls already; name another, or none'
        yield from _check_part((*path, "shadow"), rule.shadow, unknown)


def _check_split(path: Path, split: Sequence[Split], unknown: Unknown) -> Iterator[Contradiction]:
    seen: set[str] = set()
    for index, part in enumerate(split):
        if part.model in seen:
            yield (*path, index, "model"), f'"{part.model}" has a part already; add this one to it'
        seen.add(part.model)
        yield from _check_part((*path, index), part, unknown)
    total = sum(part.percentage for part in split)
    if total > 100.000_001:
        yield path, f"the parts are {total:g} % together; at most 100"


def _check_part(path: Path, part: Split | Shadow, unknown: Unknown) -> Iterator[Contradiction]:
    if reason := unknown(part.model):
        yield (*path, "model"), reason
    if not 0 < part.percentage <= 100:
        yield (*path, "percentage"), f"{part.percentage:g} is no share; give more than 0 and at most 100"
