"""Virtual models and chains of fallbacks: what they lead to, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.budgets import Budget
from narthex.routing.cascades import AnswerCheck
from narthex.routing.virtual import FallbackTable, Member, Path, Strategy, VirtualModel, check
from tests.routing.surroundings import virtual

NAMES = ("a", "b", "c", "d", "e", "*")
tables = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES[:-1]), max_size=5), max_size=6)


def known(name: str) -> str | None:
    """Know every name of one letter, and every `provider/model` but those of the provider `gone`."""
    provider, slash, _ = name.partition("/")
    return None if (slash and provider != "gone") or len(name) == 1 else f'"{name}" is nothing'


def found(models: tuple[VirtualModel, ...] = (), **fallbacks: tuple[str, ...]) -> dict[Path, str]:
    """Return the contradictions by place; `every` stands for `*`."""
    table = {"*" if name == "every" else name: names for name, names in fallbacks.items()}
    return dict(check(models, table, unknown=known))


@given(tables, st.sampled_from(NAMES[:-1]))
def test_chains_end_without_loops_or_repeats(table: dict[str, list[str]], name: str) -> None:
    """Whatever the lists, a chain ends, names nobody twice, and never the name itself."""
    chain = FallbackTable(table).chain(name)
    assert len(set(chain)) == len(chain)
    assert name not in chain


@given(tables, st.sampled_from(NAMES[:-1]))
def test_chains_begin_with_the_own_list(table: dict[str, list[str]], name: str) -> None:
    """A name's own list comes first and in order; `*` holds only for names without one."""
    own = [one for one in dict.fromkeys(table.get(name, table.get("*", []))) if one != name]
    assert list(FallbackTable(table).chain(name)[: len(own)]) == own


@given(tables, st.sampled_from(NAMES[:-1]))
def test_chains_hold_all_that_lists_lead_to(table: dict[str, list[str]], name: str) -> None:
    """Everybody that can be reached by the lists is in the chain, and nobody else."""
    reached = set(table.get(name, table.get("*", [])))
    while more := {following for one in reached for following in table.get(one, [])} - reached:
        reached |= more
    assert set(FallbackTable(table).chain(name)) == reached - {name}


def test_an_empty_list_switches_the_general_one_off() -> None:
    """A model with an empty list has no fallbacks, also where `*` names some."""
    table = FallbackTable({"*": ["p/spare"], "p/alone": []})
    assert table.chain("p/alone") == ()
    assert table.chain("p/other") == ("p/spare",)


def test_lists_are_found_through_aliases() -> None:
    """An alias has the fallbacks of what it stands for, and a chain names nobody under two names."""
    table = FallbackTable(
        {"fast": ["p/b", "spare"]}, canonical=lambda name: {"fast": "p/a", "spare": "p/b"}.get(name, name)
    )
    assert table.chain("p/a") == table.chain("fast") == ("p/b",)


def test_virtual_models_bring_their_fallbacks() -> None:
    """The fallbacks of a virtual model are a list like any other, and are followed behind others."""
    fast = VirtualModel(name="fast", members=(Member(model="p/a"),), fallbacks=("p/b",))
    assert FallbackTable({"fast": ["p/c"]}, [fast]).chain("fast") == ("p/c",)
    table = FallbackTable({"p/z": ["fast"]}, [fast])
    assert table.chain("fast") == ("p/b",)
    assert table.chain("p/z") == ("fast", "p/b")


def test_sound_definitions_are_accepted() -> None:
    """Tiers, weights, a general list and a fallback to another virtual model contradict nothing."""
    spare = virtual("cost", "q/x", name="spare")
    fast = VirtualModel(
        name="fast", members=(Member(model="p/a", weight=0), Member(model="p/b", tier=2)), fallbacks=("spare",)
    )
    assert found((fast, spare), every=("spare", "p/a"), a=("b",), b=()) == {}


@pytest.mark.parametrize(
    ("model", "path", "said"),
    [
        (virtual("order"), ("virtual", "fast", "members"), "there are none"),
        (virtual("order", "p/a", "p/a"), ("virtual", "fast", "members", 1, "model"), "a member already"),
        (virtual("order", "gone/x"), ("virtual", "fast", "members", 0, "model"), '"gone/x" is nothing'),
        (virtual("order", "quick"), ("virtual", "fast", "members", 0, "model"), "is no `provider/model`"),
        (virtual("order", "fast"), ("virtual", "fast", "members", 0, "model"), "a virtual model itself"),
        (virtual("order", "p/a", name="a/b"), ("virtual", "a/b"), "no plain name"),
        (virtual("order", "p/a", name="*"), ("virtual", "*"), "no plain name"),
        (virtual("order", "p/a", slow_start_s=-1), ("virtual", "fast", "slow_start_s"), "-1 is no time"),
        (virtual("order", "p/a", slow_start_s=math.nan), ("virtual", "fast", "slow_start_s"), "nan is no time"),
    ],
)
def test_a_virtual_model_that_cannot_hold_is_refused(model: VirtualModel, path: Path, said: str) -> None:
    """Each fault is told where it stands."""
    assert said in found((model,))[path]


@pytest.mark.parametrize(
    ("member", "option", "said"),
    [
        (Member(model="p/a", weight=-1), "weight", "-1 is no weight"),
        (Member(model="p/a", weight=math.inf), "weight", "inf is no weight"),
        (Member(model="p/a", weight=math.nan), "weight", "nan is no weight"),
        (Member(model="p/a", tier=0), "tier", "0 is no tier"),
    ],
)
def test_a_member_that_cannot_hold_is_refused(member: Member, option: str, said: str) -> None:
    """Weights are 0 or more and finite, tiers begin at 1."""
    assert said in found((virtual("weighted", member, "p/b"),))[("virtual", "fast", "members", 0, option)]


def test_a_cascade_and_its_check_go_together() -> None:
    """One without the other is refused, and so is a cascade of one, or a check that cannot hold."""

    def told(check: AnswerCheck | None, *members: str, strategy: Strategy = "cascade") -> dict[Path, str]:
        return found((replace(virtual(strategy, *members), check=check),))

    check = AnswerCheck(is_json=True)
    assert told(check, "a/m", "b/m") == {}
    assert list(told(None, "a/m", "b/m")) == [("virtual", "fast")]
    assert list(told(check, "a/m", "b/m", strategy="order")) == [("virtual", "fast", "check")]
    assert list(told(check, "a/m")) == [("virtual", "fast", "members")]
    assert list(told(AnswerCheck(must_match="("), "a/m", "b/m")) == [("virtual", "fast", "check", "must_match")]


def test_pacing_and_its_budget_go_together() -> None:
    """One without the other is refused, and so is a budget that cannot hold."""

    def told(budget: Budget | None, *members: str, strategy: Strategy = "paced") -> dict[Path, str]:
        return found((replace(virtual(strategy, *members), budget=budget),))

    budget = Budget(microusd=1, period="day")
    assert told(budget, "a/m", "b/m") == {}
    assert list(told(None, "a/m", "b/m")) == [("virtual", "fast")]
    assert list(told(budget, "a/m", "b/m", strategy="order")) == [("virtual", "fast", "budget")]
    assert list(told(budget, "a/m")) == [("virtual", "fast", "members")]


def test_members_that_never_serve_are_refused() -> None:
    """A virtual model of which no member may ever serve is a mistake, unless it has fallbacks."""
    drained = Member(model="p/a", draining=True)
    assert "draining" in found((virtual("order", drained),))[("virtual", "fast", "members")]
    assert found((VirtualModel(name="fast", members=(drained,), fallbacks=("p/b",)),)) == {}
    weightless = virtual("weighted", Member(model="p/a", weight=0))
    assert "weight above 0" in found((weightless,))[("virtual", "fast", "members")]


def test_loops_are_refused_once_where_they_begin() -> None:
    """A chain that leads back to itself is told with its whole way, once."""
    contradictions = found(a=("b",), b=("c",), c=("a",), d=("a",))
    assert list(contradictions) == [("fallbacks", "a")]
    assert "(a → b → c → a)" in contradictions[("fallbacks", "a")]
    assert "(a → a)" in found(a=("a",))[("fallbacks", "a")]


def test_loops_are_seen_through_virtual_models_and_aliases() -> None:
    """It matters what names stand for, not how they are written."""
    fast = VirtualModel(name="fast", members=(Member(model="p/a"),), fallbacks=("quick",))
    contradictions = dict(check([fast], {}, unknown=known, canonical=lambda name: {"quick": "fast"}.get(name, name)))
    assert "(fast → fast)" in contradictions[("virtual", "fast", "fallbacks")]


@given(tables)
def test_a_table_is_refused_exactly_if_it_loops(table: dict[str, list[str]]) -> None:
    """Wherever a name leads back to itself by the lists, and nowhere else, the table is refused."""
    edges = {name: set(names) for name, names in table.items() if name != "*"}
    for _ in NAMES:
        edges = {name: names.union(*(edges.get(one, set()) for one in names)) for name, names in edges.items()}
    loops = any(name in names for name, names in edges.items())
    messages = [message for _, message in check([], table, unknown=known)]
    assert any("leads back to itself" in message for message in messages) == loops


def test_what_lists_name_must_be_there_once() -> None:
    """Unknown and repeated names are told at their position, unknown keys at the key."""
    contradictions = found(a=("p/b", "gone", "p/b"), lost=())
    assert contradictions == {
        ("fallbacks", "a", 1): '"gone" is nothing',
        ("fallbacks", "a", 2): '"p/b" stands in this list already; remove one',
        ("fallbacks", "lost"): '"lost" is nothing',
    }


def test_an_alias_of_a_virtual_model_is_known() -> None:
    """Lists may name a virtual model by its alias, though it leads to no model of any provider."""
    fast = VirtualModel(name="fast", members=(Member(model="p/a"),))
    aliases = {"quick": "fast"}
    assert list(check([fast], {"p/b": ["quick"]}, unknown=known, canonical=lambda name: aliases.get(name, name))) == []


def test_two_lists_for_one_name_are_refused() -> None:
    """Where the table and the virtual model both name fallbacks, or a name and its alias do, one must go."""
    contradictions = dict(check([], {"a": ["p/b"], "b": ["p/c"]}, unknown=known, canonical=lambda _: "p/a"))
    assert "keep one" in contradictions[("fallbacks", "b")]
    fast = VirtualModel(name="fast", members=(Member(model="p/a"),), fallbacks=("p/b",))
    assert "keep one" in found((fast,), fast=("p/c",))[("fallbacks", "fast")]


def test_places_are_those_of_the_configuration() -> None:
    """Whoever maps settings says where the tables stand."""
    contradictions = dict(
        check([virtual("order")], {"lost": []}, unknown=known, models_at=("x", "y"), fallbacks_at=("z",))
    )
    assert set(contradictions) == {("x", "y", "fast", "members"), ("z", "lost")}
