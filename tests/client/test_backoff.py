"""Waits before a lost connection is sought again."""

from __future__ import annotations

from narthex.client.backoff import Backoff, Reconnect


def test_waits_double_up_to_a_bound_and_end() -> None:
    """Each is a random share of a bound; what came makes the next short again."""
    backoff = Backoff(Reconnect(base_s=1, cap_s=4, attempts=4), lambda: 0.0)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1, 2, 2, None]
    backoff.reset()
    assert backoff.next_s(attempts=1) == 0.5
    assert backoff.next_s(attempts=1) is None


def test_one_may_wait_for_ever() -> None:
    """However often it was tried, the bound is a figure."""
    backoff = Backoff(Reconnect(cap_s=15, attempts=10**9), lambda: 1.0)
    assert [backoff.next_s() for _ in range(3_000)][-1] == 15
