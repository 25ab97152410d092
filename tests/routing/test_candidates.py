"""Candidates say why they stand where they stand."""

from __future__ import annotations

from typing import get_args

import pytest

from narthex.routing.candidates import Candidate, Why


@pytest.mark.parametrize("why", get_args(Why))
def test_every_reason_is_a_short_sentence(why: Why) -> None:
    """Each reason there is has its own words, on one line."""
    reason = Candidate(name="p/a", why=why, figure=2.0).reason
    assert 0 < len(reason) <= 60
    assert not reason.endswith(".")
    others = {Candidate(name="p/a", why=other, figure=2.0).reason for other in get_args(Why) if other != why}
    assert reason not in others


def test_a_reason_names_measurement_tier_and_virtual_model() -> None:
    """What was measured, in which tier and for which virtual model is in the sentence."""
    one = Candidate(name="p/a", why="least_busy", figure=2, via="fast", tier=2, fallback=True)
    assert one.reason == "fallback: least busy, with 2 calls in flight in tier 2 of fast"
    assert Candidate(name="p/a", why="cheapest", figure=150_000).reason == "cheapest, at $0.15 for a million tokens"


def test_a_fallback_is_called_so_once() -> None:
    """A plain fallback does not repeat the word."""
    assert Candidate(name="p/a", why="fallback", fallback=True).reason.count("fallback") == 1
