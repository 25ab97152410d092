"""Balancing around a strategy: tiers, members that are away or draining, slow start."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.balancing import Balancer, no_key
from narthex.routing.candidates import Candidate
from narthex.routing.figures import Figures
from narthex.routing.strategies import Surroundings
from narthex.routing.virtual import Member, Strategy
from tests.routing.surroundings import Scene, virtual

members = st.lists(
    st.builds(
        Member,
        model=st.sampled_from([f"p/{number}" for number in range(8)]),
        weight=st.integers(0, 5).map(float),
        tier=st.integers(1, 3),
        draining=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda member: member.model,
)


@given(members, st.sets(st.sampled_from([f"p/{number}" for number in range(8)])), st.sampled_from(get_args(Strategy)))
def test_tiers_hold(given_members: list[Member], down: set[str], strategy: Strategy) -> None:
    """Who is available stands before who is not, a higher tier before a lower; who drains is not there at all."""
    scene = Scene()
    scene.live.down = down
    order = Balancer(virtual(strategy, *given_members), scene.around).order(lambda: "key")
    places = [(candidate.name in down, candidate.tier) for candidate in order]
    assert places == sorted(places)
    assert sorted(one.name for one in order) == sorted(one.model for one in given_members if not one.draining)
    assert all((candidate.why == "unavailable") == (candidate.name in down) for candidate in order)
    assert all(
        candidate.tier == member.tier
        for candidate in order
        for member in given_members
        if member.model == candidate.name
    )


def test_a_lower_tier_serves_only_if_no_other_can() -> None:
    """Calls go to the second tier while the whole first one is away, and back as soon as one of it is there."""
    scene = Scene()
    model = virtual("weighted", "p/a", "p/b", Member(model="q/a", tier=2), Member(model="q/b", tier=2))
    balancer = Balancer(model, scene.around)

    def served() -> Counter[str]:
        return Counter(balancer.order()[0].name for _ in range(100))

    assert served() == {"p/a": 50, "p/b": 50}
    scene.live.down = {"p/a"}
    assert served() == {"p/b": 100}
    scene.live.down = {"p/a", "p/b"}
    assert served() == {"q/a": 50, "q/b": 50}
    scene.live.down = set()
    assert set(served()) == {"p/a", "p/b"}


def test_standing_behind_takes_no_turn() -> None:
    """Where a virtual model is only a fallback, its turns are not used up by calls that never came to it."""
    balancer = Balancer(virtual("weighted", "p/a", "p/b"), Scene().around)
    assert balancer.order()[0].name == "p/a"
    for _ in range(7):
        assert all(candidate.fallback for candidate in balancer.order(fallback=True))
    assert balancer.order()[0].name == "p/b"


def test_a_lower_tier_keeps_its_turns() -> None:
    """Calls that a higher tier serves take no turn of the tiers behind it."""
    scene = Scene()
    model = virtual("weighted", "p/a", *(Member(model=f"q/{number}", tier=2) for number in range(3)))
    balancer = Balancer(model, scene.around)
    served = []
    for _ in range(6):
        balancer.order()
        scene.live.down = {"p/a"}
        served.append(balancer.order()[0].name)
        scene.live.down = set()
    assert served == ["q/0", "q/1", "q/2"] * 2


def test_reasons_come_with_the_order() -> None:
    """The first says why it serves, the next that they are next, the last that they are away."""
    scene = Scene()
    scene.live.down = {"p/c"}
    scene.live.busy = {"p/a": 4, "p/b": 2}
    order = Balancer(virtual("least_busy", "p/a", "p/b", "p/c"), scene.around).order()
    assert [(one.name, one.why, one.figure) for one in order] == [
        ("p/b", "least_busy", 2),
        ("p/a", "next", 0),
        ("p/c", "unavailable", 0),
    ]
    assert {one.via for one in order} == {"fast"}


def test_all_draining_leaves_nobody() -> None:
    """A virtual model whose members all drain offers nobody."""
    model = virtual("weighted", Member(model="p/a", draining=True))
    assert Balancer(model, Scene().around).order() == []


@pytest.mark.parametrize("strategy", ["order", "cost", "latency"])
def test_a_first_choice_that_came_back_serves_with_a_growing_chance(strategy: Strategy) -> None:
    """Where there are no shares, slow start lets the favourite serve now and then, and always when it is over."""
    scene = Scene(prices={"p/a": 1, "p/b": 2})
    scene.live.slow = {"p/a": 0.1, "p/b": 0.2}
    model = virtual(strategy, "p/a", Member(model="p/b", weight=100 if strategy == "cost" else 1), slow_start_s=100)
    balancer = Balancer(model, scene.around)
    scene.live.came = {"p/a": scene.now - 60}
    first = [balancer.order()[0] for _ in range(1_000)]
    assert Counter(one.name for one in first)["p/a"] == pytest.approx(600, abs=60)
    assert {one.why for one in first if one.name == "p/b"} == {"warming"}
    scene.now += 40
    assert {balancer.order()[0].name for _ in range(100)} == {"p/a"}


def test_the_only_member_is_never_held_back() -> None:
    """With nobody else there, a member that came back serves at once."""
    scene = Scene()
    scene.live.came = {"p/a": scene.now}
    scene.live.down = {"p/b"}
    balancer = Balancer(virtual("order", "p/a", "p/b", slow_start_s=100), scene.around)
    assert {(one.name, one.why) for one in (balancer.order()[0] for _ in range(50))} == {("p/a", "first")}


def test_a_slow_target_hardly_matters() -> None:
    """Of four targets one is ten times slower: it gets at most a twentieth, and the slowest hundredth is as without it.

    A minute of calls at random moments is played through with the figures that they leave behind.
    """
    served, waits = played({"p/0": 1.0, "p/1": 0.1, "p/2": 0.1, "p/3": 0.1})
    _, healthy = played({"p/1": 0.1, "p/2": 0.1, "p/3": 0.1})
    assert served["p/0"] <= sum(served.values()) / 20
    assert min(served[f"p/{number}"] for number in (1, 2, 3)) >= sum(served.values()) / 5
    assert waits[len(waits) * 99 // 100] <= 1.5 * healthy[len(healthy) * 99 // 100]


def played(answer_s: dict[str, float]) -> tuple[Counter[str], list[float]]:
    """Play a minute of calls; return who served how many, and how long callers waited, the shortest first."""
    scene = Scene()
    figures = Figures(lambda: scene.now, fade_s=10.0)
    around = Surroundings(live=figures, clock=lambda: scene.now, random=scene.random)
    balancer = Balancer(virtual("latency", *answer_s), around)
    served: Counter[str] = Counter()
    waits: list[float] = []
    under_way: list[tuple[float, str, float]] = []
    end = scene.now + 60
    while scene.now < end:
        scene.now += scene.random.expovariate(40)
        while under_way and under_way[0][0] <= scene.now:
            _, name, wait = heapq.heappop(under_way)
            figures.observe(name, wait)
            figures.end(name)
        name = balancer.order()[0].name
        wait = answer_s[name] * scene.random.uniform(0.8, 1.2)
        figures.begin(name)
        heapq.heappush(under_way, (scene.now + wait, name, wait))
        served[name] += 1
        waits.append(wait)
    return served, sorted(waits)


def test_no_key_is_no_key() -> None:
    """A call that belongs to no conversation has an empty key."""
    assert no_key() == ""


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_a_beginning_is_heeded_where_there_is_a_choice(strategy: Strategy) -> None:
    """By the two strategies that only share out, of those that are there; to be told of it uses up no turn."""
    scene = Scene()
    balancer = Balancer(virtual(strategy, "p/a", "p/b", "p/c"), scene.around)
    asked: list[bool] = []

    def begun(auto: bool, /) -> bytes:
        asked.append(auto)
        return b"Be brief."

    def first(*, peek: bool = False) -> Candidate:
        return balancer.order(lambda: "key", prefix=begun, peek=peek)[0]

    served = [first(peek=number % 2 == 0) for number in range(8)]
    if strategy not in {"weighted", "least_busy"}:
        assert not asked
        return
    assert set(asked) == {True}
    assert {(one.name, one.why) for one in served} == {(served[0].name, "prefix")}
    scene.live.down = {served[0].name}
    assert first().name != served[0].name
    assert balancer.order(prefix=begun, fallback=True)[0].why != "prefix"
    scene.live.down = set()
    assert first().name == served[0].name
