"""The questions that have an answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.cache.semantic.entries import Entries
from tests.cache.semantic.asking import ask

TEXTS = ("How do I reset it?", "how do I reset it", "How do I sell it?", "How do I fix it?", "Where is the bar?")


def entries(most: int = 100, most_bytes: int = 10**9) -> Entries:
    """Return a place for entries."""
    return Entries(most=most, most_bytes=most_bytes)


def test_an_entry_is_found_by_text_vector_and_key() -> None:
    """Within its scope alone."""
    held = entries()
    entry = held.put(ask("How do I reset my router?"), b"key")
    assert held.same_text(ask("how do i reset my router")) is entry
    assert held.nearest(ask("How can I reset my router?"), 3)[0][0] is entry
    assert held.of_key(b"key") == [entry]
    other = ask("How do I reset my router?", tenant="other")
    assert held.same_text(other) is None
    assert held.nearest(other, 3) == []
    assert held.nearest(ask("How do I reset my router?").embedded(other.vector, "changed/1"), 3) == []


def test_the_same_text_again_renews_its_entry() -> None:
    """With its new key, for the same principal; in another namespace it is embedded anew, and keeps who brought it."""
    held = entries()
    first = held.put(ask("How do I reset it?", principal="ann"), b"one")
    assert held.put(ask("how do I reset it", principal="ann"), b"two") is first
    assert (len(held), held.of_key(b"one"), held.of_key(b"two")) == (1, [], [first])
    question = ask("How do I reset it?", principal="bob")
    moved = held.put(question.embedded(question.vector, "changed/1"), b"two")
    assert (len(held), moved.principal, moved.namespace) == (1, "ann", "changed/1")


def test_the_same_text_of_another_takes_nobodys_place_who_was_vouched_for() -> None:
    """Two requests with one normalised text may differ: who vouched for one vouched for its key alone."""
    held = entries()
    first = held.put(ask("How do I reset it?", principal="ann"), b"one")
    second = held.put(ask("how do I reset it", principal="eve"), b"evil")
    assert second is not first
    assert (held.of_key(b"one"), second.principal, second.is_sighted) == ([], "eve", False)
    second.is_sighted = True
    assert held.put(ask("How do I reset it?", principal="eve"), b"more evil") is second
    assert second.key == b"evil"


def test_those_used_longest_ago_go() -> None:
    """By number and by bytes."""
    held = entries(most=3)
    kept = [held.put(ask(f"How do I reset thing number {number}?"), b"%d" % number) for number in range(3)]
    held.used(kept[0])
    held.put(ask("How do I reset something?"), b"x")
    assert held.get(kept[1].number) is None
    assert held.get(kept[0].number) is kept[0]
    assert held.evicted == 1
    small = entries(most_bytes=kept[0].size * 2 + 100)
    for number in range(9):
        small.put(ask(f"How do I reset thing number {number}?"), b"%d" % number)
    assert len(small) == 2
    assert small.bytes_used <= kept[0].size * 2 + 100


@given(st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(["put", "drop"]), st.booleans()), max_size=25))
@settings(max_examples=40, deadline=None)
def test_nothing_is_left_of_what_is_dropped(steps: list[tuple[str, str, bool]]) -> None:
    """Counts, sizes and indexes agree after any steps, and are empty when all is dropped."""
    held = entries(most=3)
    for text, step, is_here in steps:
        question = ask(text, tenant="a" if is_here else "b")
        known = held.same_text(question)
        if step == "put":
            held.put(question, text.encode())
        elif known is not None:
            held.drop(known)
        assert held.bytes_used == sum(entry.size for entry in held)
        assert len(held) <= 3
    for entry in list(held):
        held.drop(entry)
    assert (held.bytes_used, len(held), held.of_key(TEXTS[0].encode())) == (0, 0, [])
    assert held.nearest(ask(TEXTS[0], tenant="a"), 3) == []


def test_judgements_are_bounded() -> None:
    """The latest count."""
    entry = entries().put(ask("How do I reset it?"), b"k")
    for number in range(40):
        entry.remember(float(number), same=True)
    assert [score for score, _ in entry.judgements] == pytest.approx(list(range(24, 40)))


def test_what_another_process_learned_is_taken_in_once() -> None:
    """Its own knowledge of the same text holds, but for who vouches for it."""
    entries = Entries(most=10, most_bytes=1_000_000)
    assert entries.adopt(ask("How do I reset my router?"), b"k", is_sighted=False)
    assert not entries.adopt(ask("How do I reset my router?"), b"k", is_sighted=False)
    assert not entries.adopt(ask("How do I reset my router?"), b"other", is_sighted=True)
    assert entries.adopt(ask("How do I reset my router?"), b"k", is_sighted=True)
    (entry,) = entries
    assert (entry.key, entry.is_sighted, entry.principal) == (b"k", True, "ann")
    assert entries.nearest(ask("How can I reset my router?"), 3)[0][0] is entry
