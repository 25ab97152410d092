"""Findings."""

from __future__ import annotations

from narthex.cli.health.findings import bad, good, poor


def test_only_what_is_not_well_has_a_remedy() -> None:
    """Each kind has its status."""
    assert (good("A", "a").status, good("A", "a").remedy) == ("ok", None)
    assert (poor("A", "a", "b").status, bad("A", "a", "b").status) == ("warn", "fail")
    assert poor("A", "a", "b").remedy == "b"
