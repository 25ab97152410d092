"""What is said of a rule that is not about a call names the condition and the fact that breaks it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given

from narthex.routing.conditions import Hours, When
from narthex.routing.facts import Facts
from narthex.routing.rules import Rule, Rules
from narthex.routing.verdicts import Verdict
from narthex.types.dialects import Operation
from tests.routing.surroundings import Scene
from tests.routing.test_rules import calls, rules_of

CALL = Facts(
    "p/a",
    tags=frozenset({"batch"}),
    caller="app",
    input_tokens=lambda: 40,
    modalities=lambda: frozenset({"image"}),
    key=lambda: "one",
)
WEDNESDAY = datetime(2026, 3, 4, 14, 5, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("when", "option", "why"),
    [
        (When(operations=(Operation.EMBED,)), "operations", "this is chat, not embed"),
        (When(streaming=True), "streaming", "the answer is not streamed"),
        (When(models=("p/b", "q/*")), "models", "p/a is not p/b or q/*"),
        (When(tags=("night", "batch", "day")), "tags", "lacks day and night"),
        (When(callers=("shop",)), "callers", "app is not shop"),
        (When(tenants=("acme",)), "tenants", "no tenant is not acme"),
        (When(tools=True), "tools", "it offers no tools"),
        (When(modalities=("audio", "file")), "modalities", "it carries image, not audio or file"),
        (When(min_input_tokens=50), "min_input_tokens", "about 40 tokens, fewer than 50"),
        (When(max_input_tokens=30), "max_input_tokens", "about 40 tokens, more than 30"),
        (When(hours=(Hours(start="22:00", end="06:00"),)), "hours", "it is wed 14:05, UTC, not 22:00-06:00"),
        (When(weekdays=("sat", "sun")), "weekdays", "it is wed 14:05, UTC, not sat or sun"),
        (
            When(weekdays=("wed",), hours=(Hours(start="08:00", end="09:00"),), time_zone="Europe/Vienna"),
            "hours",
            "it is wed 15:05, Europe/Vienna, not wed within 08:00-09:00",
        ),
        (When(percentage=1e-9), "percentage", "it is not in the 1e-09 % that this is about"),
    ],
)
def test_the_first_condition_that_breaks_is_told(when: When, option: str, why: str) -> None:
    """Each says what was wanted and what is."""
    rules = Rules([Rule(name="one", when=when, use="p/x")], Scene().means)
    decision, verdicts = rules.examine(CALL, now=lambda: WEDNESDAY)
    assert decision is None
    assert verdicts == (Verdict(rule="one", outcome="not_matched", condition=option, why=why),)
    assert verdicts[0].text == f"no: {why} (`{option}`)"


def test_plain_facts_have_words_too() -> None:
    """What is empty is told as such."""
    when = [When(models=("x",)), When(callers=("x",)), When(modalities=("image",)), When(streaming=False)]
    when.append(When(tools=False))
    facts = Facts("", streaming=True, tools=lambda: True)
    _, verdicts = Rules([Rule(name="one", when=one) for one in when], Scene().means).examine(facts)
    assert [verdict.why for verdict in verdicts] == [
        "the default model is not x",
        "an unnamed caller is not x",
        "it carries text alone, not image",
        "the answer is streamed",
        "it offers tools",
    ]


def test_rules_behind_the_one_that_counts_are_not_asked() -> None:
    """They have a verdict all the same."""
    rules = Rules([Rule(name="one", use="p/x"), Rule(name="two", use="p/y")], Scene().means)
    decision, verdicts = rules.examine(CALL)
    assert decision == rules.decide(CALL)
    assert [(one.rule, one.outcome) for one in verdicts] == [("one", "matched"), ("two", "not_asked")]
    assert [one.text for one in verdicts] == ["yes", "not asked: a rule before it counts"]


@given(rules_of, calls)
def test_examining_decides_as_deciding_does(given_rules: list[Rule], facts: Facts) -> None:
    """Whatever the rules and the call, what is told is what is done, and each rule has one verdict."""
    rules = Rules(
        [Rule(name=f"{number}", when=one.when, use=one.use) for number, one in enumerate(given_rules)], Scene().means
    )
    decision, verdicts = rules.examine(facts)
    assert decision == rules.decide(facts)
    assert [one.rule for one in verdicts] == [str(number) for number in range(len(given_rules))]
    assert [one.rule for one in verdicts if one.outcome == "matched"] == ([decision.rule] if decision else [])
    assert all(bool(one.why and one.condition) == (one.outcome == "not_matched") for one in verdicts)
