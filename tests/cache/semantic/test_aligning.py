"""Words side by side."""

from __future__ import annotations

from narthex.cache.semantic.aligning import align
from narthex.cache.semantic.marks import read


def test_words_stand_for_one_another() -> None:
    """By stem, as one word or two, as initials, by a slip or by meaning; what is left is named."""
    found = align(read("cancel my invoices at check-in"), read("terminate my invioce at check in"))
    assert (found.same, found.alike, found.slips) == (1, 1, 1)
    assert found.left == found.right == ()
    assert align(read("merge a pull request"), read("merge a PR")).left == ()
    left_over = align(read("reset the router"), read("reset the old phone"))
    assert left_over.left == ("router",)
    assert left_over.right == ("old", "phone")


def test_a_word_that_repeats_itself_is_one_word() -> None:
    """It stands for no single one of its parts."""
    for one, other in (("say bye-bye in French", "say bye in French"), ("pr-pr", "first pr on")):
        for asked, known in ((one, other), (other, one)):
            found = align(read(asked), read(known))
            assert found.left
            assert found.right


def test_long_questions_with_little_in_common_are_not_laid_side_by_side() -> None:
    """Only what is one word in both is taken out: the rest would take long, and change nothing."""
    one, other = (
        " ".join(f"{first}{second}{last}" for first in "bcdfg" for second in "aeiou") for last in ("lt", "mp")
    )
    found = align(read(f"router {one} cancel {one[::-1]}"), read(f"{other} terminate {other[::-1]} router"))
    assert (found.same, found.alike, found.slips) == (1, 0, 0)
    assert "cancel" in found.left
    assert "terminate" in found.right


def test_contraries_are_seen_in_small_words_too() -> None:
    """On and off, up and down, and the same word with a denying prefix."""
    assert align(read("turn it on"), read("turn it off")).is_contrary
    assert align(read("is it suitable"), read("is it unsuitable")).is_contrary
    assert align(read("which are enabled"), read("which are disabling")).is_contrary
    assert not align(read("turn it on"), read("switch it on")).is_contrary
