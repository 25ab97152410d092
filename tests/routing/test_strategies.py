"""Strategies: who serves first, who is next, and which shares come out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.lots import MOST_AHEAD, may_take
from narthex.routing.strategies import ByTurns, LeastBusy, Ranking, price_microusd_per_mtok, ranking
from narthex.routing.virtual import Member, Strategy, VirtualModel
from narthex.types.catalog import ModelFacts
from tests.routing.surroundings import Scene, virtual

weights = st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any)
counts = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 20)), min_size=2, max_size=6)
keys = [f"conversation {number}" for number in range(2_000)]


def members_with(given_weights: Sequence[float]) -> tuple[Member, ...]:
    """Return a member for each weight: `p/0`, `p/1` and so on."""
    return tuple(Member(model=f"p/{number}", weight=weight) for number, weight in enumerate(given_weights))


def of(model: VirtualModel, scene: Scene, *, leading: bool = True) -> Ranking:
    """Return the ranking of a virtual model in a scene."""
    return ranking(model, scene.around, leading=leading)


def firsts(model: VirtualModel, scene: Scene, calls: int, *, leading: bool = True) -> Counter[str]:
    """Count who served first in calls that belong to no conversation."""
    rank = of(model, scene, leading=leading)
    return Counter(rank(model.members, lambda: "")[0][0].model for _ in range(calls))


@pytest.mark.parametrize("strategy", get_args(Strategy))
@pytest.mark.parametrize("leading", [True, False])
@given(given_weights=weights)
def test_everybody_is_in_line_once(strategy: Strategy, given_weights: list[int], *, leading: bool) -> None:
    """Whatever the strategy, an order holds each member exactly once, those without weight behind all others."""
    model = virtual(strategy, *members_with(given_weights))
    ranked, _, _ = of(model, Scene(), leading=leading)(model.members, lambda: "key")
    assert sorted(member.model for member in ranked) == sorted(member.model for member in model.members)
    if strategy not in {"order", "cost", "cascade", "paced"}:
        assert [bool(member.weight) for member in ranked] == sorted((bool(w) for w in given_weights), reverse=True)


def test_order_keeps_the_order() -> None:
    """The first in the configuration serves first."""
    model = virtual("order", "p/b", "p/a", "p/c")
    ranked, why, _ = of(model, Scene())(model.members, lambda: "")
    assert [member.model for member in ranked] == ["p/b", "p/a", "p/c"]
    assert why == "first"


# -- by weight -------------------------------------------------------------------------------------------------------


@given(weights, st.integers(1, 3))
def test_turns_are_exact(given_weights: list[int], rounds: int) -> None:
    """After as many calls as all weights together, each member has served exactly by its weight."""
    model = virtual("weighted", *members_with(given_weights))
    served = firsts(model, Scene(), rounds * sum(given_weights))
    assert [served[member.model] for member in model.members] == [rounds * weight for weight in given_weights]


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6))
def test_shares_converge(given_weights: list[float]) -> None:
    """With any weights, nobody is ever more calls away from its share than there are members."""
    model = virtual("weighted", *members_with(given_weights))
    served = firsts(model, Scene(), 500)
    total = sum(given_weights)
    for member in model.members:
        assert abs(served[member.model] - 500 * member.weight / total) <= len(given_weights)


def test_turns_are_spread() -> None:
    """A heavy member does not serve all its turns in a row."""
    model = virtual("weighted", *members_with([5, 1, 1]))
    rank = of(model, Scene())
    assert "".join(rank(model.members, lambda: "")[0][0].model[-1] for _ in range(7)) == "0010200"


def test_turns_stay_fair_when_members_come_and_go() -> None:
    """A member that was away gets its share from its return on, and no arrears."""
    model = virtual("weighted", "p/a", "p/b")
    rank = of(model, Scene())
    for _ in range(100):
        rank(model.members[:1], lambda: "")
    served = Counter(rank(model.members, lambda: "")[0][0].model for _ in range(10))
    assert abs(served["p/a"] - served["p/b"]) <= 2


def test_next_in_line_is_whose_turn_is_next() -> None:
    """Behind the member that serves stands the one with most credit."""
    model = virtual("weighted", *members_with([1, 3, 2]))
    ranked, why, weight = of(model, Scene())(model.members, lambda: "")
    assert [member.model for member in ranked] == ["p/1", "p/2", "p/0"]
    assert (why, weight) == ("turn", 3)


def test_lots_behind_others_share_by_weight() -> None:
    """In a line that is seldom used, members are drawn in proportion to their weight."""
    served = firsts(virtual("weighted", *members_with([3, 1])), Scene(), 4_000, leading=False)
    assert 0.72 < served["p/0"] / 4_000 < 0.78


def test_lots_do_not_fall_into_step() -> None:
    """Where only every second order is used, members still share."""
    model = virtual("weighted", "p/a", "p/b")
    rank = of(model, Scene(), leading=False)
    served = Counter([rank(model.members, lambda: "")[0][0].model for _ in range(400)][::2])
    assert served["p/a"] == pytest.approx(100, abs=30)


def test_a_member_that_came_back_gets_its_share_slowly() -> None:
    """Its turns grow from a tenth to all of its share over the time of the slow start."""
    scene = Scene()
    model = virtual("weighted", "p/a", "p/b", slow_start_s=100)
    scene.live.came["p/b"] = scene.now
    shares = []
    for _ in range(4):
        shares.append(firsts(model, scene, 1_000)["p/b"] / 1_000)
        scene.now += 50
    expected = [Fraction(1, 11), Fraction(1, 3), Fraction(1, 2), Fraction(1, 2)]
    assert shares == pytest.approx([float(share) for share in expected], abs=0.01)


# -- by what is going on ---------------------------------------------------------------------------------------------


@given(counts, st.integers(0, 99))
def test_nobody_busier_is_picked(given_counts: list[tuple[int, int]], seed: int) -> None:
    """No other member has fewer calls in flight for its weight than the one that serves."""
    scene = Scene(seed=seed)
    model = virtual("least_busy", *members_with([weight for weight, _ in given_counts]))
    scene.live.busy = {f"p/{number}": busy for number, (_, busy) in enumerate(given_counts)}
    ranked, _, figure = of(model, scene)(model.members, lambda: "")
    loads = [Fraction(scene.live.busy[member.model] + 1, int(member.weight)) for member in ranked]
    assert loads == sorted(loads)
    assert figure == scene.live.busy[ranked[0].model]


def test_the_idle_share_evenly() -> None:
    """Among members that are equally busy the first in the configuration has no advantage."""
    served = firsts(virtual("least_busy", "p/a", "p/b", "p/c"), Scene(), 3_000)
    assert min(served.values()) > 850


def test_the_quicker_of_two_serves() -> None:
    """Of two members the quicker serves, until it has so many calls in flight that waiting takes longer."""
    scene = Scene()
    model = virtual("latency", "p/a", "p/b")
    scene.live.slow = {"p/a": 0.5, "p/b": 0.1}
    rank = of(model, scene)
    ranked, why, figure = rank(model.members, lambda: "")
    assert (ranked[0].model, why, figure) == ("p/b", "quickest", 0.1)
    scene.live.busy = {"p/b": 5}
    assert rank(model.members, lambda: "")[0][0].model == "p/a"


def test_a_slow_member_is_left_alone() -> None:
    """One target of four that is ten times slower gets at most a twentieth of the calls, the quick ones share."""
    scene = Scene()
    model = virtual("latency", *members_with([1, 1, 1, 1]))
    scene.live.slow = {"p/0": 1.0, "p/1": 0.1, "p/2": 0.1, "p/3": 0.1}
    rank = of(model, scene)
    under_way: deque[str] = deque(maxlen=12)
    served: Counter[str] = Counter()
    for _ in range(4_000):
        scene.live.busy = Counter(under_way)
        chosen = rank(model.members, lambda: "")[0][0].model
        under_way.append(chosen)
        served[chosen] += 1
    assert served["p/0"] <= 200
    assert min(served[f"p/{number}"] for number in (1, 2, 3)) > 1_000


def test_the_crowd_does_not_run_to_the_quickest() -> None:
    """Of four members the second quickest serves too: two are drawn, and the quicker of them is taken."""
    scene = Scene()
    model = virtual("latency", *members_with([1, 1, 1, 1]))
    scene.live.slow = {"p/0": 0.1, "p/1": 0.2, "p/2": 0.3, "p/3": 0.4}
    served = firsts(model, scene, 6_000)
    assert served["p/0"] == pytest.approx(3_000, abs=200)
    assert served["p/1"] == pytest.approx(2_000, abs=200)
    assert served["p/2"] == pytest.approx(1_000, abs=200)


def test_what_was_never_measured_is_tried_with_one_call() -> None:
    """A new member gets a call, and no second one before the first was measured."""
    scene = Scene()
    model = virtual("latency", "p/a", "p/new")
    scene.live.slow = {"p/a": 0.1}
    rank = of(model, scene)
    ranked, why, _ = rank(model.members, lambda: "")
    assert (ranked[0].model, why) == ("p/new", "unmeasured")
    scene.live.busy = {"p/new": 1}
    assert rank(model.members, lambda: "")[0][0].model == "p/a"


# -- by price --------------------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=1, max_size=6))
def test_the_cheapest_serves(prices: list[int | None]) -> None:
    """Members stand in order of price; equals keep their order, and those without a price come last."""
    model = virtual("cost", *members_with([1] * len(prices)))
    scene = Scene(prices={f"p/{number}": price for number, price in enumerate(prices) if price is not None})
    ranked, why, _ = of(model, scene)(model.members, lambda: "")
    expected = sorted(range(len(prices)), key=lambda number: (prices[number] is None, prices[number] or 0))
    assert [member.model for member in ranked] == [f"p/{number}" for number in expected]
    assert why == ("unpriced" if all(price is None for price in prices) else "cheapest")


def test_prices_mix_input_and_output() -> None:
    """Three tokens of input count for one of output, and half a price is none."""
    both = ModelFacts(id="a", provider="p", input_microusd_per_mtok=100, output_microusd_per_mtok=500)
    assert price_microusd_per_mtok(both) == 200
    assert price_microusd_per_mtok(ModelFacts(id="a", provider="p", input_microusd_per_mtok=100)) is None
    assert price_microusd_per_mtok(ModelFacts(id="a", provider="p", output_microusd_per_mtok=100)) is None
    assert price_microusd_per_mtok(None) is None


# -- by conversation -------------------------------------------------------------------------------------------------


@given(st.text(min_size=1), st.integers(0, 99))
def test_a_conversation_stays(key: str, seed: int) -> None:
    """The same key leads to the same order, in every process, whatever else goes on."""
    model = virtual("sticky", *members_with([1, 2, 3]))
    scene = Scene(seed=seed)
    scene.live.busy = {"p/0": seed}
    first = of(model, Scene())(model.members, lambda: key)
    assert of(model, scene, leading=False)(model.members, lambda: key) == first


@given(weights, st.data())
def test_one_that_leaves_moves_only_its_own(given_weights: list[int], data: st.DataObject) -> None:
    """When a member leaves, the others keep every conversation, and its own go to those that were next in line."""
    model = virtual("sticky", *members_with(given_weights))
    gone = data.draw(st.sampled_from(model.members))
    rest = [member for member in model.members if member is not gone]
    rank = of(model, Scene())
    for key in keys[:50]:
        before = [member.model for member in rank(model.members, lambda: key)[0] if member is not gone]  # noqa: B023
        after = [member.model for member in rank(rest, lambda: key)[0]] if rest else []  # noqa: B023
        assert after == before


def test_conversations_share_by_weight() -> None:
    """Many conversations spread over the members in proportion to their weights."""
    model = virtual("sticky", *members_with([1, 2, 5]))
    rank = of(model, Scene())
    served = Counter(rank(model.members, lambda: key)[0][0].model for key in keys)  # noqa: B023
    assert [served[f"p/{number}"] / len(keys) for number in range(3)] == pytest.approx([0.125, 0.25, 0.625], abs=0.03)


def test_calls_without_a_conversation_take_turns() -> None:
    """Where there is no key, members share by weight."""
    assert firsts(virtual("sticky", *members_with([1, 3])), Scene(), 400) == {"p/0": 100, "p/1": 300}


def test_the_key_is_asked_for_by_sticky_only() -> None:
    """No other strategy looks for a key, which may cost something to find."""

    def unasked() -> str:
        pytest.fail("the key was asked for")

    for strategy in get_args(Strategy):
        if strategy != "sticky":
            model = virtual(strategy, "p/a", "p/b")
            assert of(model, Scene())(model.members, unasked)[0]


# -- by how calls begin ----------------------------------------------------------------------------------------------


@given(given_weights=weights, prefixes=st.lists(st.integers(0, 4), min_size=1, max_size=120))
def test_turns_by_prefix_keep_to_the_shares(given_weights: list[int], prefixes: list[int]) -> None:
    """However calls begin, and with others between: no member is further ahead of its share than it may be."""
    model, total = virtual("weighted", *members_with(given_weights)), sum(given_weights)
    rank, served = of(model, Scene()), Counter[str]()
    assert isinstance(rank, ByTurns)
    for number, prefix in enumerate(prefixes, 1):
        ranked, why, _ = rank.near(model.members, b"%d" % prefix) if prefix else rank(model.members, lambda: "")
        assert sorted(one.model for one in ranked) == sorted(one.model for one in model.members)
        served[ranked[0].model] += 1
        for member in model.members:
            assert served[member.model] <= number * Fraction(int(member.weight), total) + MOST_AHEAD
        assert why in {"prefix", "turn"}


@pytest.mark.parametrize("strategy", ["weighted", "least_busy"])
def test_calls_that_begin_alike_meet_who_has_read_it(strategy: Strategy) -> None:
    """Of conversations among eight members nearly all go on where they began; by turns hardly any would."""
    model, scene = virtual(strategy, *(f"p/{number}" for number in range(8))), Scene()
    rank, seen, warm = of(model, scene), set[tuple[int, str]](), 0
    assert isinstance(rank, ByTurns | LeastBusy)
    turns = [talk for talk in range(150) for _ in range(8)]
    scene.random.shuffle(turns)
    for talk in turns:
        place = talk, rank.near(model.members, b"%d" % talk)[0][0].model
        warm += place in seen
        seen.add(place)
    # At most 7 of 8: the first turn of each is new.
    assert warm > 0.8 * len(turns) * 7 / 8


@given(counts=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 20)), min_size=2, max_size=6), prefix=st.binary())
@pytest.mark.parametrize("strategy", ["weighted", "least_busy"])
def test_no_beginning_makes_a_member_too_busy(strategy: Strategy, counts: list[tuple[int, int]], prefix: bytes) -> None:
    """Whoever serves for the sake of it has at most a quarter more than its share of the calls under way."""
    scene = Scene()
    model = virtual(strategy, *members_with([weight for weight, _ in counts]))
    scene.live.busy = {f"p/{number}": busy for number, (_, busy) in enumerate(counts)}
    rank = of(model, scene)
    assert isinstance(rank, ByTurns | LeastBusy)
    ranked, why, _ = rank.near(model.members, prefix)
    assert why == "prefix"
    share = ranked[0].weight / sum(weight for weight, _ in counts)
    assert may_take(scene.live.in_flight(ranked[0].model), sum(busy for _, busy in counts), share)
