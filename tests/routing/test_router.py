"""The router: plans for models, virtual models and fallbacks, with rules before them."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.candidates import Candidate
from narthex.routing.conditions import Hours, When
from narthex.routing.facts import Facts
from narthex.routing.plan import Plan
from narthex.routing.router import MAX_REMEMBERED, Router
from narthex.routing.rules import Rule, Shadow, Split
from narthex.routing.virtual import Member, Strategy, VirtualModel
from narthex.types.dialects import Operation
from tests.routing.surroundings import Scene, virtual

NAMES = ("fast", "spare", "p/a", "p/b", "p/c", "q/a")
fallback_tables = st.dictionaries(
    st.sampled_from([*NAMES, "*"]), st.lists(st.sampled_from(NAMES), max_size=4), max_size=6
)


def router(
    *models: VirtualModel,
    scene: Scene | None = None,
    fallbacks: dict[str, list[str]] | None = None,
    rules: tuple[Rule, ...] = (),
) -> Router:
    """Return a router in a scene."""
    scene = scene or Scene()
    return Router(scene.means, scene.around, models=models, fallbacks=fallbacks, rules=rules)


def names(plan: Plan) -> list[str]:
    """Return who is in line."""
    return [candidate.name for candidate in plan.candidates]


def test_a_plain_model_costs_one_look_up() -> None:
    """The plan for a model is made once, and found without any fact about the call from then on."""
    one = router(virtual("weighted", "p/a", "p/b"))
    assert one.ready("p/z") is None
    plan = one.plan(Facts("p/z"))
    assert plan == Plan(asked="p/z", candidates=(Candidate(name="p/z", why="asked"),), target="p/z")
    assert plan.direct
    assert one.ready("p/z") is one.plan(Facts("p/z")) is plan


def test_fallbacks_of_plain_models_are_planned_once_too() -> None:
    """A chain of models has no figures to look at."""
    one = router(fallbacks={"*": ["p/b", "p/c"]})
    assert names(one.plan(Facts("p/a"))) == ["p/a", "p/b", "p/c"]
    assert names(one.plan(Facts("p/b"))) == ["p/b", "p/c"]
    assert one.ready("p/a") is one.plan(Facts("p/a"))
    assert [candidate.fallback for candidate in one.plan(Facts("p/a")).candidates] == [False, True, True]


def test_vectors_have_no_general_fallbacks() -> None:
    """The list for any model is about chats: vectors are made by the model asked, or by those named for it alone."""
    one = router(fallbacks={"*": ["p/b"], "p/v": ["p/w"]})
    for _ in range(2):
        assert names(one.plan(Facts("p/a"))) == ["p/a", "p/b"]
        assert names(one.plan(Facts("p/a", operation=Operation.EMBED))) == ["p/a"]
    assert names(one.plan(Facts("p/v", operation=Operation.EMBED))) == ["p/v", "p/w"]
    assert names(one.plan(Facts("p/a", operation=Operation.COUNT_TOKENS))) == ["p/a", "p/b"]


@given(
    fallback_tables,
    st.sampled_from(NAMES),
    st.sets(st.sampled_from(NAMES)),
    st.sampled_from(get_args(Strategy)),
)
def test_nobody_is_in_line_twice(table: dict[str, list[str]], asked: str, down: set[str], strategy: Strategy) -> None:
    """Whatever the fallbacks, each candidate is a model, stands there once, and behind all others if it is away."""
    scene = Scene()
    scene.live.down = down
    models = (virtual(strategy, "p/a", "p/b"), virtual("cost", "p/b", "p/c", name="spare"))
    plan = router(*models, scene=scene, fallbacks=table).plan(Facts(asked))
    assert len(set(names(plan))) == len(plan.candidates) > 0
    assert not {"fast", "spare"} & set(names(plan))
    away = [candidate.why == "unavailable" for candidate in plan.candidates]
    assert away == sorted(away)


@given(fallback_tables, st.sampled_from(NAMES[2:]))
def test_the_model_asked_for_comes_first(table: dict[str, list[str]], asked: str) -> None:
    """Fallbacks never overtake the model that was asked for."""
    plan = router(virtual("order", "p/a", "p/b"), virtual("order", "p/c", name="spare"), fallbacks=table).plan(
        Facts(asked)
    )
    assert names(plan)[0] == asked


def test_a_virtual_model_comes_with_its_fallbacks() -> None:
    """Members stand first as balanced, then fallbacks, the members of a virtual one among them."""
    scene = Scene()
    scene.live.down = {"p/b"}
    fast = VirtualModel(
        name="fast",
        members=(Member(model="p/a"), Member(model="p/b")),
        strategy="weighted",
        fallbacks=("q/x", "spare"),
    )
    plan = router(fast, virtual("order", "r/a", "p/a", "r/b", name="spare"), scene=scene).plan(Facts("fast"))
    assert [(one.name, one.why, one.via, one.fallback) for one in plan.candidates] == [
        ("p/a", "turn", "fast", False),
        ("q/x", "fallback", "", True),
        ("r/a", "first", "spare", True),
        ("r/b", "next", "spare", True),
        ("p/b", "unavailable", "fast", False),
    ]
    assert (plan.target, plan.strategy, plan.direct) == ("fast", "weighted", False)


def test_a_virtual_model_is_planned_for_each_call() -> None:
    """Turns go round: nothing is remembered of a plan that depends on figures."""
    one = router(virtual("weighted", "p/a", "p/b"))
    assert [names(one.plan(Facts("fast")))[0] for _ in range(4)] == ["p/a", "p/b", "p/a", "p/b"]
    assert one.ready("fast") is None


def test_conversations_stick() -> None:
    """The key of a call leads it to the same member again."""
    one = router(virtual("sticky", "p/a", "p/b", "p/c"))
    first = {key: names(one.plan(Facts("fast", key=lambda: key))) for key in "abcdefgh"}
    assert first == {key: names(one.plan(Facts("fast", key=lambda: key))) for key in "abcdefgh"}
    assert len({tuple(order) for order in first.values()}) > 1


def test_all_members_draining_leaves_an_empty_plan() -> None:
    """Nobody serves, and the plan says why."""
    plan = router(virtual("order", Member(model="p/a", draining=True))).plan(Facts("fast"))
    assert plan.candidates == ()
    assert "draining" in plan.explain()


# -- names -----------------------------------------------------------------------------------------------------------


def test_aliases_and_the_default_are_followed() -> None:
    """An alias, and no name at all, lead to what they stand for, virtual models included."""
    scene = Scene()
    scene.aliases = {"": "p/a", "quick": "fast", "one": "p/a"}
    one = router(virtual("order", "p/x", "p/y"), scene=scene, fallbacks={"p/a": ["one", "quick"], "quick": ["p/z"]})
    assert names(one.plan(Facts("quick"))) == ["p/x", "p/y", "p/z"]
    assert names(one.plan(Facts("one"))) == ["p/a", "p/x", "p/y", "p/z"]
    plain = router(scene=scene)
    assert [(one.name, one.why) for one in plain.plan(Facts("")).candidates] == [("p/a", "default")]
    assert plain.plan(Facts("one")).target == "p/a"


def test_names_are_forgotten_when_they_change() -> None:
    """After `forget` an alias leads to what it stands for now, in fallbacks too."""
    scene = Scene()
    scene.aliases = {"one": "p/a"}
    it = router(scene=scene, fallbacks={"p/z": ["one"]})
    assert names(it.plan(Facts("one"))) == ["p/a"]
    scene.aliases = {"one": "p/b"}
    assert names(it.plan(Facts("one"))) == ["p/a"]
    it.forget()
    assert names(it.plan(Facts("one"))) == ["p/b"]
    assert names(it.plan(Facts("p/z"))) == ["p/z", "p/b"]


def test_memory_is_bounded() -> None:
    """However many names are asked for, few are remembered, and plans stay right."""
    one = router()
    for number in range(2 * MAX_REMEMBERED + 2):
        assert names(one.plan(Facts(f"p/{number}"))) == [f"p/{number}"]
    assert sum(one.ready(f"p/{number}") is not None for number in range(2 * MAX_REMEMBERED + 2)) <= MAX_REMEMBERED


def test_another_router_is_adopted_at_once() -> None:
    """After a reload the new definitions count, and no old plan is left."""
    one = router()
    one.plan(Facts("p/a"))
    one.adopt(router(virtual("order", "q/a"), fallbacks={"*": ["q/b"]}, rules=(Rule(name="r", use="fast"),)))
    assert names(one.plan(Facts("p/a"))) == ["q/a", "q/b"]
    assert [model.name for model in one.virtual_models] == ["fast"]


# -- rules -----------------------------------------------------------------------------------------------------------


def test_a_rule_sends_a_call_elsewhere() -> None:
    """The target of a rule comes with its own fallbacks, and the plan tells what was asked and which rule it was."""
    rule = Rule(name="night", when=When(tags=("batch",)), use="p/cheap", shadow=Shadow(model="p/watch"))
    one = router(fallbacks={"p/cheap": ["p/b"], "p/a": ["p/c"]}, rules=(rule,))
    plan = one.plan(Facts("p/a", tags=frozenset(["batch"])))
    assert [(candidate.name, candidate.why) for candidate in plan.candidates] == [
        ("p/cheap", "ruled"),
        ("p/b", "fallback"),
    ]
    assert (plan.asked, plan.rule, plan.target, plan.shadow) == ("p/a", "night", "p/cheap", "p/watch")
    assert names(one.plan(Facts("p/a"))) == ["p/a", "p/c"]


def test_rules_are_asked_for_every_call() -> None:
    """With rules, no plan is ready before something is known of the call."""
    one = router(rules=(Rule(name="tagged", when=When(tags=("a",)), use="p/b"),))
    assert names(one.plan(Facts("p/a"))) == ["p/a"]
    assert one.ready("p/a") is None
    assert names(one.plan(Facts("p/a", tags=frozenset("a")))) == ["p/b"]


def test_a_rule_leads_to_a_virtual_model() -> None:
    """Balancing follows a rule, with the key of the call."""
    one = router(virtual("sticky", "p/a", "p/b", "p/c"), rules=(Rule(name="all", use="fast"),))
    direct = router(virtual("sticky", "p/a", "p/b", "p/c"))
    for key in "abcdef":
        facts = Facts("q/z", key=lambda: key)
        assert names(one.plan(facts)) == names(direct.plan(Facts("fast", key=lambda: key)))
    assert one.plan(Facts("q/z")).strategy == "sticky"


def test_what_a_split_leaves_goes_where_it_was_asked() -> None:
    """A rollout to a few leaves the others with their model, and both plans name the rule and their part."""
    one = router(rules=(Rule(name="rollout", split=(Split(model="p/new", percentage=25),), by="caller"),))
    plans = [one.plan(Facts("p/old", caller=f"caller {number}")) for number in range(1_000)]
    assert sum(names(plan) == ["p/new"] for plan in plans) == pytest.approx(250, abs=60)
    assert {(plan.target, plan.percentage, plan.candidates[0].why) for plan in plans} == {
        ("p/new", 25, "ruled"),
        ("p/old", 75, "asked"),
    }
    assert {plan.rule for plan in plans} == {"rollout"}


@given(st.sampled_from(get_args(Strategy)), st.lists(st.booleans(), max_size=30))
def test_explaining_uses_up_nobodys_turn(strategy: Strategy, explained: list[bool]) -> None:
    """Calls go where they would have gone had nobody asked."""
    member_names = ("p/a", "p/b", "p/c")
    model = virtual(strategy, *(Member(model=name, weight=place + 1) for place, name in enumerate(member_names)))
    asked, left_alone = router(model), router(model)
    drawn = {"latency", "least_busy"}
    for is_explained in explained:
        if is_explained and strategy not in drawn:
            told, _ = asked.explain(Facts("fast"))
            assert told == asked.explain(Facts("fast"))[0]
            assert asked.behind("fast", Facts("fast")) == told.candidates
            assert asked.plan(Facts("fast")) == told == left_alone.plan(Facts("fast"))
        else:
            served = asked.plan(Facts("fast")), left_alone.plan(Facts("fast"))
            assert strategy in drawn or served[0] == served[1]


def test_a_call_is_explained_at_another_time() -> None:
    """The time may be given; rules about others are named with their reasons."""
    scene = Scene()
    scene.unix = 12 * 3_600
    night = Rule(name="night", when=When(hours=(Hours(start="22:00", end="06:00"),)), use="p/n")
    one = router(scene=scene, rules=(night,))
    by_day, verdicts = one.explain(Facts("p/a"))
    assert (names(by_day), by_day.rule) == (["p/a"], "")
    assert [verdict.condition for verdict in verdicts] == ["hours"]
    by_night, verdicts = one.explain(Facts("p/a"), now=lambda: 23 * 3_600)
    assert (names(by_night), by_night.rule) == (["p/n"], "night")
    assert [verdict.outcome for verdict in verdicts] == ["matched"]


def test_who_stands_behind_a_name_is_told_whatever_rules_say() -> None:
    """A copy goes to the model named for it, not where a rule sends calls for that model."""
    one = router(virtual("order", "p/a", "p/b"), rules=(Rule(name="all", use="p/x"),), fallbacks={"p/s": ["p/t"]})
    assert [candidate.name for candidate in one.behind("p/s", Facts("p/a"))] == ["p/s", "p/t"]
    assert [candidate.name for candidate in one.behind("fast", Facts("p/a"))] == ["p/a", "p/b"]
