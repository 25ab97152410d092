"""A bounded memory of what was asked for of late."""

from __future__ import annotations

from narthex.ledger.limits.recent import Recent


def test_what_is_asked_for_stays() -> None:
    """What was used while a generation was filled outlives it; the rest goes; never more than two are held."""
    recent: Recent[int, str] = Recent(10)
    gone: dict[int, str] = {}
    for number in range(1_000):
        gone |= recent.put(number, str(number)) or {}
        assert recent.get(0) == "0"
        assert len(recent) <= 21
    assert 0 not in gone
    assert 1 in gone
    assert recent.get(1) is None
    assert recent.get(999) == "999"


def test_what_is_let_go_of_may_be_kept() -> None:
    """Whoever hears what goes may put it back, or take out what stays."""
    recent: Recent[int, str] = Recent(1)
    recent.put(1, "a")
    assert recent.put(2, "b") == {}
    gone = recent.put(3, "c")
    assert gone == {1: "a"}
    recent.keep(1, "a")
    recent.remove(2)
    assert dict(recent.items()) == {1: "a", 3: "c"}
