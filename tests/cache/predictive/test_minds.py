"""Each principal is known by its own questions alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from narthex.cache.predictive.mind import Bounds, Mind, Terms
from narthex.cache.predictive.minds import Minds

FREE = Terms(least=0.0, picousd_per_s=1.0)


@given(some.lists(some.tuples(some.sampled_from("xy"), some.sampled_from([b"a", b"b", b"c"])), max_size=80))
def test_nobody_learns_from_another(asked: list[tuple[str, bytes]]) -> None:
    """What is predicted for one is what would be had the other asked nothing."""
    together, alone = Minds[str](), Mind[str](Bounds())
    for now, (who, intent) in enumerate(asked):
        together.of(who).asked("s", intent, now)
        if who == "x":
            alone.asked("s", intent, now)
    assert together.of("x").prospects("s", FREE) == alone.prospects("s", FREE)


def test_who_asked_nothing_for_longest_goes_first() -> None:
    """A bound on all of them."""
    minds = Minds[str](most=2)
    first = minds.of("a")
    for who in "bac":
        minds.of(who)
    assert [who for who, _ in minds.all()] == ["a", "c"]
    assert minds.known("a") is first
    assert minds.known("b") is None
    minds.forget()
    assert len(minds) == 0
