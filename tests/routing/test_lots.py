"""Lots: the same for the same key, by weight, and moved by nobody else's coming and going."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as some

from narthex.routing.lots import by_lots, lot, may_take

names = some.lists(some.sampled_from("abcdefghij"), min_size=1, unique=True)


def order(key: bytes, given_names: list[str], **weights: float) -> list[str]:
    """Return the order that a key draws."""
    return by_lots(key, given_names, name=str, weight=lambda name: weights.get(name, 1.0))


@given(names, some.binary(max_size=20), some.data())
def test_who_leaves_moves_only_its_own_share(given_names: list[str], key: bytes, data: some.DataObject) -> None:
    """The order of all others stays what it was."""
    gone = data.draw(some.sampled_from(given_names))
    before = order(key, given_names)
    assert order(key, [name for name in given_names if name != gone]) == [name for name in before if name != gone]
    assert sorted(before) == sorted(given_names)
    assert order(key, given_names[::-1]) == before


def test_shares_go_by_weight() -> None:
    """Of many keys each gets its part, and without weight none."""
    firsts = Counter(order(b"%d" % number, list("abc"), a=3, b=1, c=0)[0] for number in range(4_000))
    assert 2_850 < firsts["a"] < 3_150
    assert firsts["c"] == 0
    assert lot(1.0, 2.0) == 0.0 < lot(0.5, 2.0) < lot(0.5, 1.0) < lot(0.5, 0.0)


@given(some.lists(some.tuples(some.integers(0, 30), some.integers(1, 9)), min_size=1, max_size=8))
def test_somebody_may_always_take_it(busy: list[tuple[int, int]]) -> None:
    """Whoever has no more than its share of what is under way; who has more than a quarter above may not."""
    everywhere, whole = sum(calls for calls, _ in busy), sum(weight for _, weight in busy)
    may = [may_take(calls, everywhere, weight / whole) for calls, weight in busy]
    assert any(may)
    for (calls, weight), allowed in zip(busy, may, strict=True):
        if calls * whole <= everywhere * weight:
            assert allowed
        if calls > 1.25 * (everywhere + 1) * weight / whole + 1e-9:
            assert not allowed
