"""The limits of one exchange, step by step, by a clock that the tests hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.providers.contract import Timeouts
from narthex.providers.expiry import Phase
from narthex.providers.transport.patience import CLOSING_S, LOOKS, Patience, Progress

LIMITS = Timeouts(connect_s=1.0, headers_s=2.0, first_token_s=8.0, idle_s=3.0, total_s=40.0)
STEP_S = 0.125
"""How often time is looked at; a power of two, so that sums are exact."""


class Script:
    """A response that comes as a test says: the head, then pieces with content or without."""

    def __init__(self, *, head_at: float | None, pieces: list[tuple[float, bool]], ended_at: float = 0.0) -> None:
        self._head_at = head_at
        self._pieces = pieces
        self._ended_at = ended_at
        self._now = self._asked_at = 0.0
        self.asked = 0

    def told(self) -> bool:
        """Tell whether content came since it was asked last."""
        self.asked += 1
        since, self._asked_at = self._asked_at, self._now
        return any(content for at, content in self._pieces if since < at <= self._now)

    def end(self, limits: Timeouts = LIMITS, *, is_streaming: bool = True) -> tuple[float, Phase]:
        """Return when time is over, and for what."""
        patience = Patience(limits, 0.0, is_streaming=is_streaming)
        while True:
            self._now += STEP_S
            heard_at = max((at for at, _ in self._pieces if at <= self._now), default=0.0)
            has_head = self._head_at is not None and self._head_at <= self._now
            closing_since = self._ended_at if self._ended_at <= self._now else 0.0
            missed = patience.missed(self._now, Progress(has_head, heard_at, self.told, closing_since))
            if missed is not None:
                return self._now, missed[0]


def every(seconds: float, *, content: bool, since: float = 0.0) -> list[tuple[float, bool]]:
    """Return a piece each so many seconds."""
    return [(since + seconds * number, content) for number in range(1, 400)]


def test_a_stream_has_limits_of_its_own_for_each_step() -> None:
    """No head, no content, and a silence in the middle end it after their own times, and each says which."""
    assert Script(head_at=None, pieces=[]).end() == (2.0, Phase.HEADERS)
    assert Script(head_at=1.0, pieces=[]).end() == (8.0, Phase.FIRST_TOKEN)
    assert Script(head_at=1.0, pieces=[(4.0, True)]).end() == (7.0, Phase.IDLE)
    assert Script(head_at=1.0, pieces=every(1.0, content=True)).end() == (40.0, Phase.TOTAL)


def test_signs_of_life_are_no_content() -> None:
    """Pings for ever end a stream: before its first content when that is due, later after as long a time."""
    pings = every(1.0, content=False)
    assert Script(head_at=1.0, pieces=pings).end() == (8.0, Phase.FIRST_TOKEN)
    at, phase = Script(head_at=1.0, pieces=[(2.0, True), *pings]).end()
    assert phase is Phase.CONTENT
    assert 2.0 + LIMITS.first_token_s <= at <= 2.0 + LIMITS.first_token_s * (1 + 1 / LOOKS)


def test_signs_of_life_bridge_a_long_thought() -> None:
    """A model that thinks longer than `idle_s` is waited for while its provider shows that it is there."""
    pieces = [(1.0, True), *every(1.0, content=False, since=1.0)[:6], (7.5, True)]
    assert Script(head_at=0.5, pieces=pieces).end() == (10.5, Phase.IDLE)


def test_a_head_or_a_role_begins_no_silence() -> None:
    """Before the first content there may be nothing at all for longer than `idle_s`: the model thinks."""
    assert Script(head_at=0.5, pieces=[(0.75, False), (7.0, True)]).end() == (10.0, Phase.IDLE)


def test_a_whole_answer_comes_when_it_is_written() -> None:
    """Its head comes late, and the pieces of its body are nothing before the last: one limit is for all of it."""
    for pieces in ([], every(1.0, content=True)):
        assert Script(head_at=None, pieces=pieces).end(is_streaming=False) == (8.0, Phase.ANSWER)


def test_the_end_of_a_response_is_not_waited_for() -> None:
    """After the answer its response has a moment, whatever else comes."""
    script = Script(head_at=0.5, pieces=every(0.25, content=False), ended_at=5.0)
    assert script.end() == (5.0 + CLOSING_S, Phase.CLOSING)


def test_what_is_not_read_is_not_late() -> None:
    """While a response is not read only the whole call has a limit; afterwards the steps have their times anew."""
    patience = Patience(LIMITS, 0.0, is_streaming=True)
    assert all(patience.missed(float(now), None) is None for now in range(1, 30))
    assert patience.missed(30.0, Progress(True, 29.5, lambda: True, 10.0)) == (Phase.CLOSING, CLOSING_S)
    patience = Patience(LIMITS, 0.0, is_streaming=True)
    patience.missed(29.0, None)
    assert patience.missed(30.0, Progress(True, 29.5, lambda: False)) is None
    assert patience.missed(39.0, Progress(True, 38.0, lambda: False)) == (Phase.FIRST_TOKEN, 8.0)
    assert patience.missed(40.0, None) == (Phase.TOTAL, 40.0)


def test_without_word_of_content_every_piece_is_some() -> None:
    """Whoever reads without looking at what comes has the limit between two pieces."""
    patience = Patience(LIMITS, 0.0, is_streaming=True)
    assert patience.missed(4.0, Progress(True, 0.0, None)) is None
    assert patience.missed(7.0, Progress(True, 5.0, None)) is None
    assert patience.missed(8.0, Progress(True, 5.0, None)) == (Phase.IDLE, 3.0)


def test_what_nobody_has_read_is_no_content_yet() -> None:
    """Pieces that lie unread are judged once they are read: as signs of life, or as content that came in time."""
    for is_content, phase in ((False, Phase.FIRST_TOKEN), (True, Phase.IDLE)):
        patience = Patience(LIMITS, 0.0, is_streaming=True)
        unread = Progress(True, 0.5, None, is_unread=True)
        assert all(patience.missed(now, unread) is None for now in (1.0, 2.0, 7.0, 8.5))
        told = iter([is_content]).__next__
        missed = patience.missed(9.0, Progress(True, 0.5, told)) or patience.missed(9.5, Progress(True, 0.5, bool))
        assert missed is not None
        assert missed[0] is phase
    assert patience.missed(40.0, unread) == (Phase.TOTAL, 40.0)


def test_content_is_looked_for_only_now_and_then() -> None:
    """A stream that runs well is not looked at piece by piece."""
    script = Script(head_at=0.5, pieces=every(STEP_S, content=True))
    assert script.end() == (40.0, Phase.TOTAL)
    assert script.asked <= 40.0 / LIMITS.first_token_s * LOOKS


TIMES = st.integers(1, 400).map(lambda steps: steps * STEP_S)


@given(
    pieces=st.lists(st.tuples(TIMES, st.booleans()), max_size=30),
    head_at=st.none() | TIMES,
    seconds=st.tuples(TIMES, TIMES, TIMES, TIMES),
)
def test_nothing_lasts_longer_than_it_may(
    pieces: list[tuple[float, bool]], head_at: float | None, seconds: tuple[float, float, float, float]
) -> None:
    """Whatever comes and whenever, the exchange ends by its limits, no sooner than one of them allows."""
    headers_s, first_token_s, idle_s, total_s = seconds
    limits = Timeouts(headers_s=headers_s, first_token_s=first_token_s, idle_s=idle_s, total_s=total_s)
    begins = head_at if head_at is not None else 1_000.0
    pieces = [(begins + after, content) for after, content in pieces]
    at, phase = Script(head_at=head_at, pieces=sorted(pieces)).end(limits)
    contents = [when for when, content in pieces if content and when <= at]
    assert at <= total_s
    if begins > at:
        assert at == min(headers_s, first_token_s, total_s)
    match phase:
        case Phase.FIRST_TOKEN:
            assert at == first_token_s
            assert not contents
        case Phase.IDLE:
            assert contents
            assert at >= max(when for when, _ in pieces if when <= at) + idle_s
        case Phase.CONTENT:
            assert at >= max(contents) + first_token_s
        case _:
            assert phase in {Phase.HEADERS, Phase.TOTAL}
