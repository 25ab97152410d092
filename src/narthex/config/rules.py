"""The configured rules, as routing knows them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from narthex.config.problems import did_you_mean
from narthex.config.routing_settings import RuleSettings, WhenSettings
from narthex.config.settings import Settings
from narthex.routing.conditions import Hours, When
from narthex.routing.rules import Rule, Shadow, Split, check
from narthex.routing.virtual import Contradiction, Path, Unknown
from narthex.types.dialects import Operation

LOCAL_USER = "local"
"""Who calls where there are no keys, or from within the process."""


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Return the rules in the order of the configuration."""
    return tuple(map(_rule, settings.rules))


def _rule(given: RuleSettings) -> Rule:
    return Rule(
        name=given.name,
        when=_when(given.when),
        use=given.use,
        split=tuple(Split(**part.model_dump()) for part in given.split),
        shadow=None if given.shadow is None else Shadow(**given.shadow.model_dump()),
        by=given.by,
    )


def _when(given: WhenSettings) -> When:
    plain = given.model_dump(exclude={"operations", "hours"})
    hours = tuple(Hours(**part.model_dump()) for part in given.hours)
    return When(operations=tuple(map(Operation, given.operations)), hours=hours, **plain)


def rule_problems(settings: Settings, *, unknown: Unknown) -> Iterator[Contradiction]:
    """Yield what cannot hold in the rules.

    Args:
        settings: The whole configuration.
        unknown: Why a name leads to no model, alias or virtual model.
    """
    yield from check(rules(settings), unknown=unknown)
    callers = {LOCAL_USER, *(key.name for key in settings.keys)}
    tenants = {key.tenant for key in settings.keys if key.tenant}
    for index, rule in enumerate(settings.rules):
        path: Path = ("rules", index, "when")
        yield from _nobody((*path, "callers"), rule.when.callers, callers, "there is no key named {}")
        yield from _nobody((*path, "tenants"), rule.when.tenants, tenants, "no key has the `tenant` {}")


def _nobody(path: Path, names: Collection[str], known: Collection[str], what: str) -> Iterator[Contradiction]:
    for index, name in enumerate(names):
        if name not in known:
            remedy = did_you_mean(name, known, otherwise="; add it to `keys`, or take it out here")
            yield (*path, index), what.format(f'"{name}"') + remedy
