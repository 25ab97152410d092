"""Processes that share entries never give one that another has declared void, in whatever order they hear of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.cache import coherence as coherences
from narthex.cache.coherence import Coherence, Declaration, Told, entry_tag
from narthex.cache.invalidation import Invalidation

KEY = b"k" * 32


class Peer:
    """A process, as far as it knows what is void."""

    def __init__(self) -> None:
        self.own = Invalidation()
        self.coherence = Coherence(self.own)

    def declare(self, *tags: str) -> Declaration:
        """Declare something void."""
        self.own.declare(tags=tags)
        return self.coherence.declare(tags=tags)


def told(number: int, previous: int, declaration: Declaration) -> Told:
    """Return a declaration in its place."""
    return Told(number, previous, declaration)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["declare", "tell", "hear", "ask", "write"]),
        st.integers(0, 2),
        st.sampled_from(["a", "b"]),
    ),
    max_size=40,
)


class Peers:
    """Three processes, and what they have in common."""

    def __init__(self) -> None:
        self.all = [Peer() for _ in range(3)]
        self.log: list[Told] = []
        self.asked: list[tuple[int, int, str, int]] = []
        """When, by whom, with which tag, and the last number known there."""
        self.declared: list[tuple[int, int, str, str]] = []
        self.entries: list[tuple[str, int, int]] = []
        """Tag, shared number, and when it was asked for."""
        for peer in self.all:
            peer.coherence.joined()

    def do(self, time: int, step: str, who: int, tag: str) -> None:
        """Take a step."""
        peer = self.all[who]
        if step == "declare":
            self.declared.append((time, who, tag, peer.declare(tag).name))
        elif step == "tell":
            self.tell(peer)
        elif step == "hear":
            peer.coherence.hear(self.log)
        elif step == "ask":
            self.asked.append((time, who, tag, peer.own.number))
        elif self.asked:
            self.write(*self.asked.pop())

    def tell(self, peer: Peer) -> None:
        """Give numbers to what waits."""
        for one in peer.coherence.waiting:
            if one.name not in {each.declaration.name for each in self.log}:
                self.log.append(told(len(self.log) + 1, len(self.log), one))

    def write(self, at: int, by: int, tag: str, own: int) -> None:
        """Write an answer for the others."""
        number = self.all[by].coherence.number_at(own)
        if number is not None:
            self.entries.append((tag, number, at))

    def check(self, who: int) -> None:
        """See that nothing is given of which this process knows that it is void."""
        known = self.all[who].coherence
        heard = {one.declaration.name for one in self.log if one.number <= known.number}
        for tag, number, at in self.entries:
            if any(of == tag and when > at and (by == who or name in heard) for when, by, of, name in self.declared):
                assert known.is_void(KEY, [tag], number)


@settings(max_examples=150)
@given(STEPS)
def test_nothing_stale_is_given_by_those_who_know(steps: list[tuple[str, int, str]]) -> None:
    """Whatever is asked before a declaration is void for all who have heard of it, and for who made it at once."""
    peers = Peers()
    for time, step in enumerate(steps):
        peers.do(time, *step)
    for who in range(3):
        peers.check(who)


def test_before_others_are_known_nothing_of_theirs_is_given() -> None:
    """Neither is anything written for them: nobody could tell how old it is."""
    peer = Peer()
    assert peer.coherence.is_void(KEY, [], 5)
    assert peer.coherence.number_at(peer.own.number) is None
    peer.coherence.hear([told(5, 0, Declaration(everything=True))])
    peer.coherence.joined()
    assert not peer.coherence.is_void(KEY, [], 5)
    assert peer.coherence.is_void(KEY, [], 4)
    assert peer.coherence.number_at(peer.own.number) == 5
    assert peer.coherence.number_at(0) is None


def test_what_one_declares_holds_at_once_and_is_good_again_once_told() -> None:
    """Until it has its number it concerns all that lies there; what is asked after that is given again."""
    peer = Peer()
    peer.coherence.joined()
    said = peer.declare("t")
    assert list(peer.coherence.waiting) == [said]
    assert peer.coherence.is_void(KEY, ["t"], 99)
    assert not peer.coherence.is_void(KEY, ["u"], 99)
    before = peer.own.number
    peer.coherence.hear([told(7, 0, said)])
    assert list(peer.coherence.waiting) == []
    number = peer.coherence.number_at(peer.own.number)
    assert number == 7
    assert not peer.coherence.is_void(KEY, ["t"], number)
    assert peer.coherence.number_at(before) == 0
    assert peer.coherence.is_void(KEY, ["t"], 0)
    # What it kept in memory after its own declaration is not void by hearing of it.
    assert not peer.own.is_void(["t"], before)


def test_what_others_declare_is_void_here() -> None:
    """By tag, by pattern, one by one, or all."""
    peer = Peer()
    dropped: list[bytes] = []
    peer.coherence.when_heard = dropped.extend
    peer.coherence.joined()
    at = peer.own.number
    peer.coherence.hear([told(1, 0, Declaration(tags=("t", entry_tag(KEY), "entry:no")))])
    assert dropped == [KEY]
    assert peer.own.is_void(["t"], at)
    assert peer.coherence.is_void(KEY, [], 0)
    assert not peer.coherence.is_void(KEY, [], 1)
    peer.coherence.hear([told(2, 1, Declaration(patterns=("u*",)))])
    assert peer.coherence.is_void(b"o", ["uv"], 1)
    peer.coherence.hear([told(3, 2, Declaration(everything=True))])
    assert peer.own.is_void([], peer.own.number - 2)
    assert peer.coherence.is_void(b"o", [], 2)


@pytest.mark.parametrize("known", [True, False])
def test_where_something_was_missed_everything_older_is_void(known: bool) -> None:
    """It might have been concerned."""
    peer = Peer()
    if known:
        peer.coherence.hear([told(1, 0, Declaration(tags=("t",)))])
        peer.coherence.joined()
    at = peer.own.number
    peer.coherence.hear([told(9, 8, Declaration(tags=("u",)))])
    peer.coherence.joined()
    assert peer.own.is_void([], at)
    assert peer.coherence.is_void(KEY, [], 7)
    assert not peer.coherence.is_void(KEY, [], 8)
    assert peer.coherence.lost == known


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many declarations become one that declares everything void."""
    monkeypatch.setattr(coherences, "MAX_WAITING", 3)
    peer = Peer()
    for number in range(5):
        peer.declare(f"t{number}")
    assert [one.everything for one in peer.coherence.waiting] == [True, False]


def test_declarations_fit_what_they_name() -> None:
    """Tags as they are, patterns with whatever stands for the star."""
    assert Declaration(patterns=("model:up/*",)).concerns(["x", "model:up/m"])
    assert not Declaration(tags=("a",), patterns=("b*",)).concerns(["ab"])
    assert Declaration(everything=True).concerns([])
