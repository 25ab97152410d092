"""Which keys were used, marked in memory."""

from __future__ import annotations

import threading

from narthex.tenancy.sightings import Sightings, Use, merge

HERE, THERE = ("192.0.2.1", 5000), ("192.0.2.2", 5000)


def test_uses_of_a_key_are_one_with_its_first_and_last_moment() -> None:
    """From whichever addresses and ports they came; what was taken is not there a second time."""
    now = [1.0]
    sightings = Sightings(clock=lambda: now[0])
    for at, peer in ((1.0, HERE), (2.0, THERE), (3.0, (HERE[0], 6000)), (4.0, None)):
        now[0] = at
        sightings.saw("key_a", peer)
    sightings.saw("key_b", THERE)
    taken = sightings.take()
    assert taken["key_a"] == Use(1_000, 4_000, {"192.0.2.1": 1_000, "192.0.2.2": 2_000})
    assert taken["key_a"].began_at == "192.0.2.1"
    assert taken["key_b"] == Use(4_000, 4_000, {"192.0.2.2": 4_000})
    assert sightings.take() == {}
    assert Use(0, 0).began_at == ""


def test_many_addresses_take_no_more_room() -> None:
    """Beyond the limit the key is marked all the same, and its time goes on."""
    now = [1.0]
    sightings = Sightings(clock=lambda: now[0], most=3)
    for number in range(10):
        now[0] = float(number)
        sightings.saw("key_a", (f"192.0.2.{number}", 1))
    sightings.saw("key_b", HERE)
    taken = sightings.take()
    assert (taken["key_a"].first_ms, taken["key_a"].last_ms, len(taken["key_a"].addresses)) == (0, 9_000, 3)
    assert taken["key_b"] == Use(9_000, 9_000)


def test_what_is_marked_while_it_is_taken_is_not_lost() -> None:
    """Each mark is in what one of both takes, and in one only."""
    sightings, ended = Sightings(), threading.Event()
    seen: list[str] = []

    def taking() -> None:
        while not ended.is_set():
            seen.extend(sightings.take())

    thread = threading.Thread(target=taking)
    thread.start()
    names = [f"key_{number}" for number in range(5_000)]
    for name in names:
        sightings.saw(name, HERE)
    ended.set()
    thread.join()
    assert sorted([*seen, *sightings.take()]) == sorted(names)


def test_known_uses_take_in_more() -> None:
    """The earliest and the latest moment stay, in whatever order they are told."""
    uses = {"key_a": Use(5, 6, {"a": 5})}
    merge(uses, {"key_a": Use(1, 2, {"a": 1, "b": 2}), "key_b": Use(3, 3)})
    assert uses == {"key_a": Use(1, 6, {"a": 1, "b": 2}), "key_b": Use(3, 3)}
