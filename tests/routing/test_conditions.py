"""Conditions: which calls they hold for, what they look at, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.conditions import MODALITIES, WEEKDAYS, By, Hours, Weekday, When, check_when, conditions, share
from narthex.routing.facts import Facts
from narthex.routing.virtual import Path
from narthex.types.dialects import Operation
from tests.routing.surroundings import Scene


def holds(when: When, facts: Facts, scene: Scene | None = None, *, name: str = "rule") -> bool:
    """Tell whether all conditions hold."""
    return all(condition(facts) for condition in conditions(when, (scene or Scene()).means, name=name))


def at(text: str, zone: str = "UTC") -> Scene:
    """Return a scene at a date and time of day somewhere."""
    scene = Scene()
    scene.unix = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone) if zone != "UTC" else UTC).timestamp()
    return scene


def expensive() -> int:
    """Fail: nobody may look."""
    pytest.fail("looked into a call that another condition rules out")


@pytest.mark.parametrize(
    ("when", "facts", "expected"),
    [
        (When(), Facts("p/a"), True),
        (When(), Facts("p/a", operation=Operation.COUNT_TOKENS), True),
        (When(), Facts("p/a", operation=Operation.EMBED), False),
        (When(operations=(Operation.EMBED,)), Facts("p/a", operation=Operation.EMBED), True),
        (When(operations=(Operation.EMBED,)), Facts("p/a"), False),
        (When(models=("p/a",)), Facts("p/a"), True),
        (When(models=("p/a",)), Facts("p/ab"), False),
        (When(models=("p/a",)), Facts("xp/a"), False),
        (When(models=("p/*",)), Facts("p/a/b"), True),
        (When(models=("p/*",)), Facts("p/a\nb"), True),
        (When(models=("*mini",)), Facts("p/a-mini"), True),
        (When(models=("p/a.c",)), Facts("p/abc"), False),
        (When(models=("q/x", "p/a")), Facts("p/a"), True),
        (When(tags=("a",)), Facts("m", tags=frozenset("ab")), True),
        (When(tags=("a", "c")), Facts("m", tags=frozenset("ab")), False),
        (When(callers=("one", "two")), Facts("m", caller="two"), True),
        (When(callers=("one",)), Facts("m", caller="two"), False),
        (When(tenants=("acme",)), Facts("m", tenant="acme"), True),
        (When(tenants=("acme",)), Facts("m"), False),
        (When(streaming=True), Facts("m", streaming=True), True),
        (When(streaming=False), Facts("m", streaming=True), False),
        (When(tools=True), Facts("m", tools=lambda: True), True),
        (When(tools=False), Facts("m", tools=lambda: True), False),
        (When(modalities=("image", "audio")), Facts("m", modalities=lambda: frozenset(["audio"])), True),
        (When(modalities=("image",)), Facts("m", modalities=lambda: frozenset(["audio"])), False),
        (When(modalities=("image",)), Facts("m"), False),
    ],
)
def test_a_condition_holds_for_what_it_says(when: When, facts: Facts, expected: bool) -> None:
    """Each condition alone holds for the calls it is about, and for no others."""
    assert holds(when, facts) is expected


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_sizes_count_their_ends(tokens: int, least: int, most: int) -> None:
    """Both limits of a size belong to it."""
    facts = Facts("m", input_tokens=lambda: tokens)
    assert holds(When(min_input_tokens=least, max_input_tokens=most), facts) == (least <= tokens <= most)


def test_models_are_known_by_what_they_stand_for() -> None:
    """A condition on a model holds for its alias, and one on the alias for calls by that name only."""
    scene = Scene()
    scene.aliases = {"fast": "p/a", "": "p/a"}
    assert holds(When(models=("p/a",)), Facts("fast"), scene)
    assert holds(When(models=("p/a",)), Facts(""), scene)
    assert holds(When(models=("p/*",)), Facts("fast"), scene)
    assert holds(When(models=("fast",)), Facts("fast"), scene)
    assert not holds(When(models=("fast",)), Facts("p/a"), scene)


def test_all_conditions_must_hold() -> None:
    """One that does not hold is enough to leave a call alone."""
    when = When(tags=("a",), callers=("one",), streaming=True)
    assert holds(when, Facts("m", tags=frozenset("a"), caller="one", streaming=True))
    assert not holds(when, Facts("m", caller="one", streaming=True))
    assert not holds(when, Facts("m", tags=frozenset("a"), streaming=True))
    assert not holds(when, Facts("m", tags=frozenset("a"), caller="one"))


def test_calls_are_looked_into_only_if_nothing_else_rules_them_out() -> None:
    """Tokens are not counted where a tag, or the absence of tools, already decides."""
    assert not holds(When(tags=("a",), min_input_tokens=1), Facts("m", input_tokens=expensive))
    assert not holds(When(tools=True, min_input_tokens=1), Facts("m", input_tokens=expensive))


# -- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-04T08:59:59", False),
        ("2026-03-04T09:00:00", True),
        ("2026-03-04T16:59:59", True),
        ("2026-03-04T17:00:00", False),
    ],
)
def test_hours_count_their_start_and_not_their_end(moment: str, expected: bool) -> None:
    """Two parts of the day that meet do not overlap."""
    assert holds(When(hours=(Hours(start="09:00", end="17:00"),)), Facts("m"), at(moment)) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-06T21:59:00", False),
        ("2026-03-06T22:00:00", True),  # a Friday
        ("2026-03-07T05:59:00", True),
        ("2026-03-07T06:00:00", False),
        ("2026-03-07T22:30:00", False),
        ("2026-03-06T05:00:00", False),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, expected: bool) -> None:
    """Friday's night goes on into Saturday morning, and Friday morning is Thursday's."""
    when = When(hours=(Hours(start="22:00", end="06:00"),), weekdays=("fri",))
    assert holds(when, Facts("m"), at(moment)) is expected


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1)))  # noqa: DTZ001 - read as UTC
def test_each_moment_is_on_one_weekday(moment: datetime) -> None:
    """Of seven rules for the weekdays, exactly one is about any call, and it is the right one."""
    scene = Scene()
    scene.unix = moment.replace(tzinfo=UTC).timestamp()
    on = [day for day in WEEKDAYS if holds(When(weekdays=(day,)), Facts("m"), scene)]
    assert on == [WEEKDAYS[moment.weekday()]]


def test_time_is_that_of_the_zone() -> None:
    """Nine in Vienna is eight in UTC in winter, and seven in summer."""
    when = When(hours=(Hours(start="09:00", end="10:00"),), time_zone="Europe/Vienna")
    assert holds(when, Facts("m"), at("2026-01-15T08:30:00"))
    assert holds(when, Facts("m"), at("2026-07-15T07:30:00"))
    assert not holds(when, Facts("m"), at("2026-07-15T08:30:00"))


def test_several_hours_are_alternatives() -> None:
    """A call in any of the parts of the day is meant."""
    when = When(hours=(Hours(start="01:00", end="02:00"), Hours(start="03:00", end="04:00")))
    found = [holds(when, Facts("m"), at(f"2026-03-04T0{hour}:30:00")) for hour in range(5)]
    assert found == [False, True, False, True, False]


# -- percentages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["key", "caller", "tenant"])
def test_percentages_keep_their_side(by: By) -> None:
    """The same key is always on the same side, and the share of keys is right."""
    when = When(percentage=30, by=by)

    def facts(number: int) -> Facts:
        named = f"{by} {number}"
        return Facts(
            "m",
            caller=named if by == "caller" else "",
            tenant=named if by == "tenant" else "",
            key=lambda: named if by == "key" else "",
        )

    sides = [holds(when, facts(number), Scene(seed=1)) for number in range(2_000)]
    assert sides == [holds(when, facts(number), Scene(seed=2)) for number in range(2_000)]
    assert sum(sides) == pytest.approx(600, abs=80)


@pytest.mark.parametrize("facts", [Facts("m"), Facts("m", key=lambda: "one")])
def test_without_a_key_each_call_is_drawn(facts: Facts) -> None:
    """Calls of no conversation, or rules by call, are drawn each for itself in the right share."""
    by: By = "call" if facts.key() else "key"
    scene = Scene()
    assert sum(holds(When(percentage=30, by=by), facts, scene) for _ in range(2_000)) == pytest.approx(600, abs=80)


def test_rules_draw_apart() -> None:
    """Two rules of ten per cent are not about the same tenth."""

    def picked(name: str) -> set[int]:
        return {
            number
            for number in range(1_000)
            if holds(When(percentage=10), Facts("m", key=lambda: f"key {number}"), name=name)
        }

    assert len(picked("one") & picked("two")) < 30


@given(st.text(), st.text(), st.integers(0, 9))
def test_a_share_is_between_0_and_100(key: str, name: str, seed: int) -> None:
    """Whatever the key, also none, a call stands at or above 0 and below 100."""
    assert 0 <= share(Facts("m", key=lambda: key), "key", name, Random(seed)) < 100


def test_a_larger_percentage_takes_nobody_away() -> None:
    """Raising a rollout from 10 to 20 per cent keeps everybody who was in it."""
    for number in range(500):
        facts = Facts("m", caller=f"caller {number}")
        if holds(When(percentage=10, by="caller"), facts):
            assert holds(When(percentage=20, by="caller"), facts)


# -- what is refused -------------------------------------------------------------------------------------------------


def test_sound_conditions_are_accepted() -> None:
    """Everything at once contradicts nothing."""
    when = When(
        models=("p/*",),
        tags=("a",),
        modalities=MODALITIES,
        min_input_tokens=5,
        max_input_tokens=5,
        hours=(Hours(start="22:00", end="06:00"),),
        weekdays=WEEKDAYS,
        time_zone="Europe/Vienna",
        percentage=0.1,
    )
    assert list(check_when(("when",), when)) == []


@pytest.mark.parametrize(
    ("when", "path", "said"),
    [
        (When(operations=()), ("operations",), "there are none"),
        (When(tags=("a", "b,c")), ("tags", 1), "no tag"),
        (When(min_input_tokens=-1), ("min_input_tokens",), "-1 is no number"),
        (When(min_input_tokens=9, max_input_tokens=8), ("max_input_tokens",), "8 is below"),
        (When(hours=(Hours(start="24:00", end="06:00"),)), ("hours", 0, "start"), '"24:00" is no time of day'),
        (When(hours=(Hours(start="06:00", end="7:00"),)), ("hours", 0, "end"), '"7:00" is no time of day'),
        (When(hours=(Hours(start="06:00", end="06:00"),)), ("hours", 0), "starts and ends at 06:00"),
        (When(weekdays=(cast("Weekday", "monday"),)), ("weekdays", 0), '"monday" is no weekday'),
        (When(time_zone="Mars/Olympus"), ("time_zone",), "no time zone"),
        (When(time_zone="../etc/passwd"), ("time_zone",), "no time zone"),
        (When(time_zone=""), ("time_zone",), "no time zone"),
        (When(percentage=0), ("percentage",), "0 is no share"),
        (When(percentage=101), ("percentage",), "101 is no share"),
        (When(percentage=float("nan")), ("percentage",), "nan is no share"),
    ],
)
def test_what_no_call_can_meet_is_refused(when: When, path: Path, said: str) -> None:
    """Each fault is told where it stands, with the remedy."""
    found = dict(check_when(("rules", 0, "when"), when))
    assert said in found[("rules", 0, "when", *path)]
