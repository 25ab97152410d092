"""What is declared void is void, and nothing else, however much else was declared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.cache import invalidation
from narthex.cache.invalidation import Invalidation

TAGS = st.sampled_from(["a", "b", "ab", "abc", "x"])
STEP = st.one_of(
    st.tuples(st.just("write"), st.sets(TAGS, max_size=3)),
    st.tuples(st.just("tag"), TAGS),
    st.tuples(st.just("pattern"), st.sampled_from(["a*", "*b", "x", "*"])),
    st.tuples(st.just("all"), st.none()),
)


@given(st.lists(STEP, max_size=25))
def test_it_agrees_with_going_through_all_entries(steps: list[tuple[str, object]]) -> None:
    """At each moment exactly those entries are void that a declaration after their question concerns."""
    void = Invalidation()
    written: list[tuple[set[str], int, list[bool]]] = []
    for kind, said in steps:
        if kind == "write":
            assert isinstance(said, set)
            written.append((said, void.number, [False]))
            continue
        if kind == "all":
            void.declare_all()
        else:
            assert isinstance(said, str)
            void.declare(tags=[said] if kind == "tag" else [], patterns=[said] if kind == "pattern" else [])
        for tags, _, dead in written:
            dead[0] = dead[0] or kind == "all" or any(_concerns(kind, str(said), tag) for tag in tags)
    for tags, number, dead in written:
        assert void.is_void(tags, number) is dead[0]


def _concerns(kind: str, said: str, tag: str) -> bool:
    return tag == said if kind == "tag" else invalidation.pattern_of(said).fullmatch(tag) is not None


def test_what_was_asked_before_is_void_though_it_came_after() -> None:
    """An answer that was on its way while its tag was declared void is void with the rest."""
    void = Invalidation()
    asked = void.number
    void.declare(tags=["t"])
    assert void.is_void(["t"], asked)
    assert not void.is_void(["t"], void.number)
    assert not void.is_void(["u"], asked)


def test_declarations_made_elsewhere_have_their_own_numbers() -> None:
    """Numbers never go back, in whatever order declarations come."""
    void = Invalidation()
    assert void.declare(tags=["a"], number=10) == 10
    assert void.declare(tags=["b"], number=7) == 10
    assert void.is_void(["b"], 9)
    assert void.declare_all(number=3) == 10
    assert void.is_void([], 9)


def test_signs_of_patterns_are_nothing_but_text() -> None:
    """Only `*` stands for anything."""
    void = Invalidation()
    void.declare(patterns=["a.(b*"])
    assert void.is_void(["a.(b\nc"], 0)
    assert not void.is_void(["axxb"], 0)


def test_too_many_declarations_void_more_and_never_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is let go of takes with it all that is as old."""
    monkeypatch.setattr(invalidation, "MAX_TAGS", 2)
    monkeypatch.setattr(invalidation, "MAX_PATTERNS", 1)
    void = Invalidation()
    first = void.declare(tags=["a"])
    void.declare(tags=["b", "c"])
    assert void.is_void(["a"], first - 1)
    assert void.is_void(["z"], first - 1)
    void.declare(patterns=["x*"])
    second = void.declare(patterns=["y*"])
    assert void.is_void(["xx"], second - 2)
    assert not void.is_void(["xx"], second)


def test_whoever_declares_a_lot_does_so_to_no_one_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is let go of is of one owner, and so is all that is void with it; the same twice is held once."""
    monkeypatch.setattr(invalidation, "MAX_TAGS", 2)
    monkeypatch.setattr(invalidation, "MAX_PATTERNS", 2)
    void = Invalidation()
    for _ in range(5):
        void.declare(tags=["tag:key:a:1"], patterns=["tag:key:a:x*"])
    assert not void.is_void(["tag:key:a:2"], 0)
    void.declare(patterns=["tag:key:a:y*", "tag:key:a:z*"])
    void.declare(tags=["model:key:b:1", "model:key:b:2", "model:key:b:3"])
    assert void.is_void(["tag:key:a:2"], 4)
    assert not void.is_void(["tag:key:a:2"], 5)
    assert void.is_void(["model:key:b:4"], 6)
    assert not void.is_void(["tag:key:b:4", "tag:key:ab:4", "model:key:a:4", "scope:a"], 0)


def test_too_many_owners_void_more_and_never_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so does what is nobody's."""
    monkeypatch.setattr(invalidation, "MAX_TAGS", 1)
    monkeypatch.setattr(invalidation, "MAX_OWNERS", 1)
    void = Invalidation()
    for owner in "abc":
        void.declare(tags=[f"tag:key:{owner}:1"])
    assert void.is_void(["tag:key:z:1"], 1)
    assert not void.is_void(["tag:key:z:1"], 2)
    void.declare(tags=["scope:a", "scope:b"])
    assert void.is_void(["tag:key:z:1"], 3)


def test_a_pattern_for_everybody_is_for_everybody() -> None:
    """Wherever its stars are."""
    void = Invalidation()
    void.declare(patterns=["tag:*:2025*"])
    assert void.is_void(["model:key:a:m", "tag:key:a:2025-01"], 0)
    assert not void.is_void(["tag:key:a:2026"], 0)
    void.declare(patterns=["tag:key:a:*6", "t*"])
    assert void.is_void(["tag:key:b:1"], 1)
