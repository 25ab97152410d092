"""Whose turn it is to ask."""

from __future__ import annotations

from narthex.cache.leases import Lease, Outcome, Turn


def test_a_lease_ends_once() -> None:
    """As it was said first; whoever took it over is who ends it."""
    told: list[tuple[str, Outcome]] = []
    given, taken = Turn(), Turn()
    given.lease = Lease(b"k", "t", lambda lease, outcome: told.append((lease.token, outcome)))
    taken.take(given)
    given.give_up("alone")
    assert told == []
    lease = taken.lease
    taken.give_up("kept")
    taken.give_up()
    assert lease is not None
    lease.end("left")
    assert told == [("t", "kept")]


def test_where_it_is_anothers_turn_there_is_no_lease() -> None:
    """And that goes with the rest."""
    given, taken = Turn(), Turn()
    given.elsewhere_s = 2.0
    taken.take(given)
    assert (taken.elsewhere_s, taken.lease, taken.hand_over()) == (2.0, None, None)
