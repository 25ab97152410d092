"""Windows: who can hold a call that was too long for another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.candidates import Candidate
from narthex.routing.plan import Plan
from narthex.routing.windows import larger
from narthex.types.catalog import ModelFacts

windows = st.lists(st.one_of(st.none(), st.integers(1, 100)), max_size=6)


def plan_of(count: int) -> Plan:
    """Return a plan with candidates `p/0`, `p/1` and so on."""
    candidates = tuple(Candidate(name=f"p/{number}", why="next") for number in range(count))
    return Plan(asked="p/0", candidates=candidates, target="p/0")


@given(windows, st.integers(1, 100), st.integers(0, 6))
def test_those_that_fit_come_first(given_windows: list[int | None], needed: int, tried: int) -> None:
    """Windows that fit stand first and unknown ones last, both in the plan's order; small and tried ones are out."""
    facts = {
        f"p/{number}": ModelFacts(id=str(number), provider="p", context_tokens=window)
        for number, window in enumerate(given_windows)
    }
    left = larger(plan_of(len(given_windows)), needed, facts.get, tried={f"p/{number}" for number in range(tried)})
    rest = list(enumerate(given_windows))[tried:]
    fitting = [f"p/{number}" for number, window in rest if window is not None and window >= needed]
    unknown = [f"p/{number}" for number, window in rest if window is None]
    assert [candidate.name for candidate in left] == [*fitting, *unknown]


def test_models_of_which_nothing_is_known_are_unknown() -> None:
    """A model without facts is tried last, rather than not at all."""
    facts = {"p/1": ModelFacts(id="1", provider="p", context_tokens=200)}
    assert [one.name for one in larger(plan_of(3), 100, facts.get, tried=("p/0",))] == ["p/1", "p/2"]
