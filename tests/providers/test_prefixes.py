"""What is remembered of prefixes: in how many calls they came, for a while, and not too many of them."""

from __future__ import annotations

import math

from narthex.providers.prefixes import MAX_REMEMBERED, Prefixes


def test_uses_are_counted_by_calls_within_the_time() -> None:
    """A call counts once, however often it is tried; after the time the count begins again; a use makes it last."""
    now = [0.0]
    prefixes = Prefixes(lambda: now[0])
    assert [prefixes.uses(b"a", call, within_s=10) for call in ("1", "1", "2")] == [1, 1, 2]
    now[0] = 9.0
    assert prefixes.uses(b"a", "3", within_s=10) == 3
    now[0] = 18.0
    assert prefixes.uses(b"a", "4", within_s=10) == 4
    now[0] = 28.0
    assert prefixes.uses(b"a", "5", within_s=10) == 1
    assert prefixes.uses(b"b", "5", within_s=10) == 1


def test_the_least_used_is_forgotten() -> None:
    """Memory is bounded: the prefix that was longest not used goes first."""
    prefixes = Prefixes(lambda: 0.0)
    for number in range(MAX_REMEMBERED):
        prefixes.uses(b"%d" % number, "x", within_s=10)
    prefixes.uses(b"0", "y", within_s=10)
    prefixes.uses(b"new", "x", within_s=10)
    assert len(prefixes) == MAX_REMEMBERED
    assert prefixes.uses(b"0", "z", within_s=10) == 3
    assert prefixes.uses(b"1", "z", within_s=10) == 1


def test_how_long_a_prefix_did_not_come() -> None:
    """Since its last use; of one that is not known for ever."""
    now = [0.0]
    prefixes = Prefixes(lambda: now[0])
    prefixes.uses(b"a", "1", within_s=10)
    now[0] = 7.0
    assert (prefixes.idle_s(b"a"), prefixes.idle_s(b"b")) == (7.0, math.inf)
