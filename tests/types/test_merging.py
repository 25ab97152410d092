"""Tests of the words for answers made one."""

from __future__ import annotations

from narthex.types.merging import MAX_MERGED, MERGE_MODES, MERGE_PREFIX


def test_the_words() -> None:
    """Names of several models cannot be taken for one model's, and there is a bound on how many."""
    assert MERGE_MODES == ("interleave", "race", "sequence", "best_of")
    assert MERGE_PREFIX.endswith(":")
    assert MAX_MERGED == 8
