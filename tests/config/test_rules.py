"""Configured rules reach routing as they were written, and what cannot hold is told where it is mended."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import ValidationError

from narthex.config.rules import rule_problems, rules
from narthex.config.settings import Settings
from narthex.routing.conditions import Hours, When
from narthex.routing.rules import Rule, Shadow, Split
from narthex.types.dialects import Operation

KEY = "sk-0123456789abcdef"


def settings(*given: dict[str, object], **more: object) -> Settings:
    """Return settings with these rules."""
    return Settings.model_validate({"rules": given, **more})


def problems(*given: dict[str, object], **more: object) -> list[str]:
    """Return where something cannot hold; names with a slash lead somewhere."""

    def unknown(name: str) -> str | None:
        return None if "/" in name else f"{name} is nobody"

    found = rule_problems(settings(*given, **more), unknown=unknown)
    return [".".join(map(str, path)) for path, _ in found]


PLAIN: dict[str, object] = {
    "streaming": True,
    "tools": False,
    "min_input_tokens": 5,
    "max_input_tokens": 50,
    "time_zone": "Europe/Vienna",
    "percentage": 20.0,
    "by": "caller",
}
LISTS: dict[str, tuple[str, ...]] = {
    "models": ("p/*",),
    "tags": ("batch",),
    "callers": ("app",),
    "tenants": ("shop",),
    "modalities": ("image",),
    "weekdays": ("sat",),
}


def test_every_condition_is_taken_over() -> None:
    """Nothing that was written is lost, and there is no condition that cannot be written."""
    hours = {"start": "22:00", "end": "06:00"}
    when = {**PLAIN, **LISTS, "operations": ["embed"], "hours": [hours]}
    (one,) = rules(settings({"name": "one", "when": when, "use": "p/u", "by": "tenant"}))
    expected = When(operations=(Operation.EMBED,), hours=(Hours(**hours),), **PLAIN, **LISTS)  # type: ignore[arg-type]
    assert one == Rule(name="one", when=expected, use="p/u", by="tenant")
    assert set(when) == {field.name for field in fields(When)}


def test_every_outcome_is_taken_over() -> None:
    """Splits and shadows keep their percentages."""
    split = [{"model": "p/a", "percentage": 10}, {"model": "p/b", "percentage": 2.5}]
    (one,) = rules(settings({"name": "two", "split": split, "shadow": {"model": "p/s", "percentage": 5}}))
    parts = (Split(model="p/a", percentage=10), Split(model="p/b", percentage=2.5))
    assert one == Rule(name="two", split=parts, shadow=Shadow(model="p/s", percentage=5))


def test_defaults_are_those_of_routing() -> None:
    """What is not written is what routing takes by itself."""
    assert rules(settings({"name": "one", "use": "p/a"})) == (Rule(name="one", use="p/a"),)


def test_hours_and_shadows_may_be_written_short() -> None:
    """`22:00-06:00` is a part of the day, a plain name is a shadow of every call."""
    (one,) = rules(settings({"name": "one", "when": {"hours": ["22:00 - 06:00"]}, "shadow": "p/s"}))
    assert one.when.hours == (Hours(start="22:00", end="06:00"),)
    assert one.shadow == Shadow(model="p/s")


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({"name": "a"}, "rules.0"),
        ({"name": "a", "use": "nobody"}, "rules.0.use"),
        ({"name": "a", "use": "p/a", "shadow": "p/a"}, "rules.0.shadow.model"),
        ({"name": "a", "use": "p/a", "when": {"callers": ["apq"]}}, "rules.0.when.callers.0"),
        ({"name": "a", "use": "p/a", "when": {"tenants": ["nobody"]}}, "rules.0.when.tenants.0"),
        ({"name": "a", "use": "p/a", "when": {"hours": ["soon"]}}, "rules.0.when.hours.0.start"),
        ({"name": "a", "use": "p/a", "when": {"hours": ["10:00"]}}, "rules.0.when.hours.0.end"),
        ({"name": "a", "split": [{"model": "p/a", "percentage": 101}]}, "rules.0.split.0.percentage"),
    ],
)
def test_what_cannot_hold_is_told(rule: dict[str, object], place: str) -> None:
    """A contradiction is named where it is mended."""
    assert place in problems(rule, keys=[{"name": "app", "key": KEY, "tenant": "shop"}])


def test_keys_and_the_local_user_call() -> None:
    """Names of keys, their tenants, and `local` are who may call."""
    when = {"callers": ["app", "local"], "tenants": ["shop"]}
    keys = [{"name": "app", "key": KEY, "tenant": "shop"}]
    assert problems({"name": "a", "use": "p/a", "when": when}, keys=keys) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "a", "when": {"hours": "10:00-12:00"}},
        {"name": "a", "when": {"weekdays": ["holiday"]}},
        {"name": "a", "when": {"operations": ["sing"]}},
        {"name": "a b", "use": "p/a"},
        {"name": "a", "shadow": 5},
        {"use": "p/a"},
    ],
)
def test_rules_of_another_shape_are_refused(rule: dict[str, object]) -> None:
    """Words that nobody knows and values of another kind are told as such."""
    with pytest.raises(ValidationError):
        settings(rule)
