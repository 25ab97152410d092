"""Rules: the first that is about a call counts, splits keep their parts, and faults are told."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.conditions import Hours, When
from narthex.routing.facts import Facts
from narthex.routing.rules import Decision, Rule, Rules, Shadow, Split, check
from narthex.routing.virtual import Path
from narthex.types.dialects import Operation
from tests.routing.surroundings import Scene

words = st.sampled_from(["a", "b", "c"])
whens = st.builds(
    When,
    operations=st.lists(st.sampled_from(Operation), min_size=1).map(tuple),
    models=st.lists(st.sampled_from(["p/*", "p/a", "*"]), max_size=2).map(tuple),
    tags=st.lists(words, max_size=2).map(tuple),
    callers=st.lists(words, max_size=2).map(tuple),
    streaming=st.sampled_from([None, True, False]),
    tools=st.sampled_from([None, True, False]),
    min_input_tokens=st.one_of(st.none(), st.integers(0, 50)),
    hours=st.sampled_from([(), (Hours(start="22:00", end="06:00"),)]),
    percentage=st.floats(0.1, 100),
)
rules_of = st.lists(whens.map(lambda when: Rule(name="one", when=when, use="p/x")), max_size=6)


def known(name: str) -> str | None:
    """Know every name with a slash."""
    return None if "/" in name else f'"{name}" is nothing'


def decided(rules: list[Rule], facts: Facts, scene: Scene | None = None) -> Decision | None:
    """Return what the rules say."""
    return Rules(rules, (scene or Scene()).means).decide(facts)


calls = st.builds(
    Facts,
    st.sampled_from(["p/a", "p/b", "q/a"]),
    operation=st.sampled_from(Operation),
    tags=st.frozensets(words),
    caller=words,
    streaming=st.booleans(),
    input_tokens=st.integers(0, 100).map(lambda tokens: lambda: tokens),
    tools=st.booleans().map(lambda tools: lambda: tools),
    key=st.text(min_size=1).map(lambda key: lambda: key),
)


@given(rules_of, calls, st.floats(0, 4e9))
def test_rules_are_total(rules: list[Rule], facts: Facts, now: float) -> None:
    """Whatever the rules and the call, there is a decision: that of the first rule which alone is about it, or none."""
    scene = Scene()
    scene.unix = now
    named = [Rule(name=str(number), when=rule.when, use=rule.use) for number, rule in enumerate(rules)]
    alone = [decided([rule], facts, scene) for rule in named]
    assert decided(named, facts, scene) == next((decision for decision in alone if decision), None)


def test_the_first_rule_counts() -> None:
    """A later rule about the same call is not asked."""
    rules = [
        Rule(name="tagged", when=When(tags=("a",)), use="p/one"),
        Rule(name="all", use="p/two"),
    ]
    tagged = decided(rules, Facts("m", tags=frozenset("a")))
    assert tagged == Decision("tagged", "p/one", 100.0, None)
    assert decided(rules, Facts("m")) == Decision("all", "p/two", 100.0, None)
    assert decided(rules, Facts("m", operation=Operation.EMBED)) is None
    assert len(Rules(rules, Scene().means)) == 2


def test_a_split_keeps_its_parts() -> None:
    """Calls spread by the parts, what they leave stays with the model asked, and a conversation stays on its side."""
    rule = Rule(name="rollout", split=(Split(model="p/new", percentage=20), Split(model="p/other", percentage=30)))
    sides = [decided([rule], Facts("m", key=lambda: f"key {number}")) for number in range(2_000)]
    assert sides == [decided([rule], Facts("m", key=lambda: f"key {number}")) for number in range(2_000)]
    served = Counter(side.model for side in sides if side is not None)
    assert served["p/new"] == pytest.approx(400, abs=70)
    assert served["p/other"] == pytest.approx(600, abs=80)
    assert served[None] == pytest.approx(1_000, abs=90)
    assert {(side.model, side.percentage) for side in sides if side} == {("p/new", 20), ("p/other", 30), (None, 50)}


def test_a_whole_split_leaves_nothing() -> None:
    """Parts of 100 per cent together leave no call with the model asked."""
    rule = Rule(name="halves", split=(Split(model="p/a", percentage=50), Split(model="p/b", percentage=50)))
    served = {side.model for number in range(500) if (side := decided([rule], Facts("m", key=lambda: str(number))))}
    assert served == {"p/a", "p/b"}


def test_a_shadow_gets_its_part_of_the_calls() -> None:
    """A copy goes to the shadow for its percentage of conversations, from both sides of a split alike."""
    rule = Rule(
        name="watch", split=(Split(model="p/new", percentage=50),), shadow=Shadow(model="p/shadow", percentage=50)
    )
    found = [decided([rule], Facts("m", key=lambda: f"key {number}")) for number in range(2_000)]
    sides = Counter((one.model, one.shadow) for one in found if one)
    assert all(count == pytest.approx(500, abs=80) for count in sides.values())
    assert len(sides) == 4


def test_a_shadow_alone_leaves_the_call_where_it_was_asked() -> None:
    """Without a percentage, every call is copied."""
    assert decided([Rule(name="watch", shadow=Shadow(model="p/s"))], Facts("m")) == Decision(
        "watch", None, 100.0, "p/s"
    )


def test_a_percentage_and_a_split_of_one_rule_draw_apart() -> None:
    """Of the tenth of calls that a rule is about, half goes to each side."""
    rule = Rule(name="both", when=When(percentage=10), split=(Split(model="p/new", percentage=50),))
    found = [decided([rule], Facts("m", key=lambda: f"key {number}")) for number in range(6_000)]
    about = [one for one in found if one]
    assert len(about) == pytest.approx(600, abs=90)
    assert sum(one.model == "p/new" for one in about) == pytest.approx(300, abs=60)


def test_sound_rules_are_accepted() -> None:
    """A rollout, a shadow and a last rule about every call contradict nothing."""
    rules = [
        Rule(name="rollout", when=When(tags=("a",)), split=(Split(model="p/a", percentage=100),)),
        Rule(name="vectors", when=When(operations=(Operation.EMBED,)), use="p/v"),
        Rule(name="rest", use="p/b", shadow=Shadow(model="p/s", percentage=5)),
        Rule(name="more", when=When(operations=(Operation.EMBED, Operation.CHAT)), use="p/c"),
    ]
    assert list(check(rules, unknown=known)) == []


@pytest.mark.parametrize(
    ("rule", "path", "said"),
    [
        (Rule(name="x"), (), "changes nothing"),
        (Rule(name="x", use="gone"), ("use",), '"gone" is nothing'),
        (Rule(name="x", use="p/a", split=(Split(model="p/b", percentage=1),)), ("split",), "keep one"),
        (Rule(name="x", split=(Split(model="gone", percentage=1),)), ("split", 0, "model"), '"gone" is nothing'),
        (Rule(name="x", split=(Split(model="p/a", percentage=0),)), ("split", 0, "percentage"), "0 is no share"),
        (Rule(name="x", split=(Split(model="p/a", percentage=-5),)), ("split", 0, "percentage"), "-5 is no share"),
        (Rule(name="x", shadow=Shadow(model="gone")), ("shadow", "model"), '"gone" is nothing'),
        (Rule(name="x", shadow=Shadow(model="p/a", percentage=101)), ("shadow", "percentage"), "101 is no share"),
        (Rule(name="x", use="p/a", when=When(percentage=0)), ("when", "percentage"), "0 is no share"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused(rule: Rule, path: Path, said: str) -> None:
    """Each fault is told where it stands, below where the rules stand."""
    assert said in dict(check([rule], unknown=known, path=("routing", "rules")))[("routing", "rules", 0, *path)]


def test_parts_above_the_whole_are_refused() -> None:
    """Parts add up to at most 100, and nobody has two."""
    parts = (Split(model="p/a", percentage=60), Split(model="p/a", percentage=60))
    found = dict(check([Rule(name="x", split=parts)], unknown=known))
    assert "120 %" in found[("rules", 0, "split")]
    assert "has a part already" in found[("rules", 0, "split", 1, "model")]


def test_roundings_are_accepted() -> None:
    """Parts that are the whole but for the rounding of binary fractions are not refused."""
    percentages = (0.2, 83.9, 15.9)
    assert sum(percentages) > 100
    parts = tuple(Split(model=f"p/{number}", percentage=part) for number, part in enumerate(percentages))
    assert list(check([Rule(name="parts", split=parts)], unknown=known)) == []


def test_rules_that_are_never_asked_are_refused() -> None:
    """Behind a rule about every call stands none about the same operations, and no two share a name."""
    rules = [Rule(name="all", use="p/a"), Rule(name="all", when=When(tags=("a",)), use="p/b")]
    found = dict(check(rules, unknown=known))
    assert '"all" before it is about every call' in found[("rules", 1)]
    assert "a second rule" in found[("rules", 1, "name")]
