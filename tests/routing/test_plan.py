"""Plans explain themselves: as text, as JSON and in a header."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.candidates import Candidate
from narthex.routing.plan import MAX_HEADER_BYTES, Plan

SERVING = Candidate(name="p/a", why="least_busy", figure=2, via="fast")
NEXT = Candidate(name="q/b", why="fallback", fallback=True)
FULL = Plan(
    asked="gpt",
    candidates=(SERVING, NEXT),
    target="fast",
    rule="night",
    percentage=20,
    shadow="r/c",
    strategy="least_busy",
)


def test_a_plan_is_told_in_lines() -> None:
    """Each part of the decision has its line, each candidate its reason."""
    assert FULL.explain().splitlines() == [
        "asked for: gpt",
        "rule night: fast (20 % of its calls)",
        "strategy: least_busy",
        "1. p/a: least busy, with 2 calls in flight of fast",
        "2. q/b: fallback, if those before it cannot serve",
        "copy to: r/c",
    ]


def test_a_plan_without_decisions_is_short() -> None:
    """A model asked for by its name has two lines; an alias tells what it stands for."""
    one = (Candidate(name="p/a", why="asked"),)
    assert Plan(asked="p/a", candidates=one, target="p/a").explain() == "asked for: p/a\n1. p/a: it was asked for"
    assert "stands for: p/a" in Plan(asked="quick", candidates=one, target="p/a").explain()
    assert "the default model" in Plan(asked="", candidates=one, target="p/a").explain()


def test_a_plan_without_candidates_says_so() -> None:
    """Where everybody drains, the explanation tells why nobody serves."""
    assert "draining" in Plan(asked="fast", candidates=(), target="fast", strategy="order").explain()


def test_a_plan_is_json() -> None:
    """The same stands in a JSON object."""
    assert json.loads(json.dumps(FULL.as_dict())) == {
        "asked": "gpt",
        "target": "fast",
        "rule": "night",
        "percentage": 20,
        "strategy": "least_busy",
        "shadow": "r/c",
        "candidates": [
            {"model": "p/a", "reason": SERVING.reason, "via": "fast", "fallback": False},
            {"model": "q/b", "reason": NEXT.reason, "via": None, "fallback": True},
        ],
    }


def test_a_plan_has_a_short_form() -> None:
    """The header names rule, virtual model, strategy, candidates and copy."""
    assert FULL.header() == "rule=night; via=fast; by=least_busy; to=p/a,q/b; copy=r/c"
    assert Plan(asked="p/a", candidates=(Candidate(name="p/a", why="asked"),), target="p/a").header() == "to=p/a"


def test_only_a_plan_without_decisions_is_direct() -> None:
    """A single candidate that no rule, strategy or shadow brought in leaves nothing to tell."""
    one = (Candidate(name="p/a", why="asked"),)
    assert Plan(asked="p/a", candidates=one, target="p/a").direct
    assert not Plan(asked="p/a", candidates=(*one, NEXT), target="p/a").direct
    assert not Plan(asked="p/a", candidates=one, target="p/a", rule="r").direct
    assert not Plan(asked="p/a", candidates=one, target="p/a", shadow="q/b").direct
    assert not Plan(asked="p/a", candidates=one, target="p/a", strategy="order").direct


@given(st.text(), st.text(), st.lists(st.text(), min_size=1, max_size=40))
def test_a_header_carries_any_name(rule: str, shadow: str, names: list[str]) -> None:
    """No name can end the header or begin another item, and its length is bounded."""
    candidates = tuple(Candidate(name=name, why="next") for name in names)
    header = Plan(asked="x", candidates=candidates, target="v", rule=rule, shadow=shadow, strategy="order").header()
    assert re.fullmatch(r"[A-Za-z0-9/:@._*+~%=;, -]*", header)
    assert header.count(";") <= 4
    assert len(header) <= MAX_HEADER_BYTES


def test_a_long_header_is_cut() -> None:
    """Many candidates with long names leave a header that servers accept."""
    candidates = tuple(Candidate(name=f"p/{'x' * 100}{number}", why="next") for number in range(20))
    assert len(Plan(asked="x", candidates=candidates, target="v").header()) == MAX_HEADER_BYTES
