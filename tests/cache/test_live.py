"""What is told of an answer, and what is heard of it: every piece once, in order, and whether that was the end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.cache.leases import Lease
from narthex.cache.live import Group, Hearing, Listening, Speaker, Telling, Wish

KEY = b"k" * 32


def telling(window_bytes: int = 1_000) -> Telling:
    """Return one that nobody is woken for."""
    return Telling("one:1", b"form", lambda: None, window_bytes=window_bytes)


def hearing(left: list[Hearing] | None = None) -> Hearing:
    """Return one that has heard nothing."""
    return Hearing(KEY, "one:1", b"form", ([] if left is None else left).append)


class Live:
    """Lets everything be heard."""

    def __init__(self) -> None:
        self.heard: list[Hearing] = []
        self.left: list[Hearing] = []

    def offer(self, lease: Lease, speaker: Speaker) -> None:
        """See `LiveAnswers`."""

    def hear(self, key: bytes, token: str, form: bytes) -> Hearing | None:
        """See `LiveAnswers`."""
        self.heard.append(Hearing(key, token, form, self.left.append))
        return self.heard[-1]


def test_what_waits_is_told_in_groups() -> None:
    """Each knows the number of its last piece; many small ones go together, and nothing twice."""
    one = telling(1_000_000)
    one.tell([b"a", b"b"])
    assert one.take() == [Group(2, [b"a", b"b"], 0)]
    assert one.take() == []
    one.tell([b"c" * 65_535, b"d", b"e"])
    assert [(group.last, len(group.pieces)) for group in one.take()] == [(4, 2), (5, 1)]
    assert not one.has_news
    one.end(b"words")
    assert one.has_news


def test_no_more_is_held_than_may_be_heard() -> None:
    """The oldest groups go; the one that was told last stays, however large."""
    one, held = telling(window_bytes=10), list[int]()
    for piece in (b"a" * 4, b"b" * 4, b"c" * 4, b"d" * 9):
        one.tell([piece])
        held += [group.held for group in one.take()]
    assert held == [0, 0, 2, 4]


def test_who_cannot_be_told_as_fast_as_it_comes_takes_up_no_memory() -> None:
    """Then some of it is gone, and that is known."""
    one = telling(window_bytes=10)
    one.tell([b"a" * 6])
    before = one.is_behind
    one.tell([b"b" * 6])
    one.tell([b"c"])
    assert (before, one.is_behind) == (False, True)
    assert one.take() == []


@given(st.lists(st.integers(1, 5), max_size=20), st.integers(0, 20))
def test_nothing_is_heard_twice(sizes: list[int], again: int) -> None:
    """Groups may come again, and cut in another way; what is missing between is seen."""
    pieces = [bytes([n]) for n in range(sum(sizes))]
    one, taken, first = hearing(), list[bytes](), 1
    for size in sizes:
        start = max(1, first - again)
        assert one.feed(start, pieces[start - 1 : first - 1 + size])
        taken += one.take()
        first += size
    assert taken == pieces
    assert one.heard == len(pieces)
    assert not one.feed(one.heard + 2, [b"x"])


def test_it_has_begun_with_its_first_piece() -> None:
    """A head alone is nothing that could be given; what is lost stays so, and whoever waits is told once."""
    one, woken = hearing(), list[bool]()
    one.wake = lambda: woken.append(True)
    one.head = b"head"
    assert not one.has_begun
    assert one.feed(1, [b"a"])
    assert (one.has_begun, one.is_over) == (True, False)
    one.lose()
    one.lose()
    assert (one.is_over, woken) == (True, [True])


def test_it_is_left_once() -> None:
    """And wakes nobody after that; held back it says when it may go on."""
    left, released = list[Hearing](), list[bool]()
    one = hearing(left)
    one.when_released = lambda: released.append(one.is_held)
    one.hold()
    assert one.is_held
    one.release()
    one.leave()
    one.leave()
    assert (left, released) == ([one], [False])


def test_one_listens_to_whoever_has_the_lease() -> None:
    """And to none that had it before; what may not be given is not listened to again."""
    live = Live()
    listening = Listening(live, KEY, Wish(b"form", lambda head: head == b"good"))
    listening.to("one:1")
    listening.to("one:1")
    assert listening.begun() is None
    listening.to("two:1")
    assert [one.token for one in live.heard] == ["one:1", "two:1"]
    assert live.left == live.heard[:1]
    live.heard[1].head = b"bad"
    live.heard[1].feed(1, [b"a"])
    assert listening.begun() is None
    listening.to("three:1")
    assert (len(live.heard), len(live.left)) == (2, 2)
    listening.end()


def test_what_has_begun_is_its_takers() -> None:
    """It goes on when nobody listens any more; without a wish, or anywhere to hear it, nothing is heard."""
    live = Live()
    listening = Listening(live, KEY, Wish(b"form", lambda _head: True))
    listening.to("one:1")
    live.heard[0].head = b"head"
    live.heard[0].feed(1, [b"a"])
    assert listening.begun() is live.heard[0]
    listening.end()
    assert not live.left
    for nothing in (Listening(live, KEY, None), Listening(None, KEY, Wish(b"form", lambda _head: True))):
        nothing.to("one:1")
        assert nothing.begun() is None
    assert len(live.heard) == 1
