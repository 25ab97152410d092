"""A paced stream is the same answer, later: never faster than it may be, in order, and whole."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import Cancelled, CursorAhead, NarthexError
from narthex.streams.log import Log, LogBounds, ReaderDropped
from narthex.streams.stream import HIGH_WATER_BYTES, Stream
from narthex.streams.throttle import BURST_S, Bucket, Pace, Timers, paced
from narthex.types.dialects import Dialect
from narthex.types.events import Event, TextDelta

OPENAI = Dialect.OPENAI_CHAT


@dataclass(slots=True)
class Call:
    """Something that is called at its time, unless it is cancelled."""

    callback: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        """Call it no more."""
        self.cancelled = True


@dataclass
class FakeTimers:
    """A loop's timers, by a clock that stands still until it is told to go on."""

    now: float = 0.0
    calls: list[tuple[float, int, Call]] = field(default_factory=list)
    order: itertools.count[int] = field(default_factory=itertools.count)

    def time(self) -> float:
        """Return the time."""
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Call:
        """Call back in `delay` seconds."""
        call = Call(callback)
        heapq.heappush(self.calls, (self.now + delay, next(self.order), call))
        return call

    def call_soon(self, callback: Callable[[], object], /) -> Call:
        """Call back at the next advance."""
        return self.call_later(0.0, callback)

    @property
    def pending(self) -> int:
        """How many are still to be called."""
        return sum(not call.cancelled for _, _, call in self.calls)

    def advance(self, seconds: float) -> None:
        """Let time pass, and call what is due at its time."""
        until = self.now + seconds
        while self.calls and self.calls[0][0] <= until:
            self.now, _, call = heapq.heappop(self.calls)
            if not call.cancelled:
                call.callback()
        self.now = until


_typed: Timers = FakeTimers()


@dataclass(frozen=True)
class Step:
    """What happens next: time passes, something comes, or the reader stands still or goes on."""

    kind: str
    seconds: float = 0.0
    sizes: tuple[int, ...] = ()


class Paced:
    """A paced stream, and all that comes out of it with its time."""

    def __init__(
        self, source: Stream, pace: Pace, encode: Callable[[Event], bytes] | None = None, *, after: int = 0
    ) -> None:
        self.timers = FakeTimers()
        self.stream = paced(source, pace, dialect=OPENAI, encode=encode, after=after, timers=self.timers)
        self.came: list[tuple[float, bytes]] = []
        self.blocked = False
        self.reader = self.stream.reader(self.take)
        self.take()

    def take(self) -> None:
        """Take what is there, unless the reader does not keep up."""
        if not self.blocked:
            self.came += [(self.timers.now, bytes(frame)) for frame in self.reader.take() if isinstance(frame, bytes)]

    def unblock(self) -> None:
        """Keep up again."""
        self.blocked = False
        self.take()

    def follow(self, step: Step) -> None:
        """Let time pass, or the reader stand still or go on."""
        self.timers.advance(step.seconds)
        if step.kind == "block":
            self.blocked = True
        elif step.kind == "unblock":
            self.unblock()

    @property
    def pieces(self) -> list[bytes]:
        """What came, without the times."""
        return [data for _, data in self.came]


def event(text: str) -> bytes:
    """Write an event."""
    return f"data: {text}\n\n".encode()


def filled(*frames: bytes, error: NarthexError | None = None) -> Stream:
    """Return an answer that has ended."""
    stream = Stream(OPENAI)
    for frame in frames:
        stream.append(frame)
    stream.close(error)
    return stream


async def test_tokens_come_one_by_one_at_their_rate() -> None:
    """Two events a second are two events a second, whatever comes in at once, and the end comes with the last."""
    answer = Paced(filled(*(event(str(number)) for number in range(5))), Pace(tokens_per_s=2))
    answer.timers.advance(10)
    assert answer.came == [(number / 2, event(str(number))) for number in range(5)]
    assert answer.stream.closed
    assert answer.stream.error is None
    assert answer.timers.pending == 0


async def test_bytes_come_at_their_rate() -> None:
    """An event that is larger than a tenth of a second's bytes is saved up for."""
    answer = Paced(filled(event("x" * 92), event("y" * 92)), Pace(bytes_per_s=100))
    answer.timers.advance(0.89)
    assert answer.came == []
    answer.timers.advance(0.02)
    assert [data[6:7] for data in answer.pieces] == [b"x"]
    answer.timers.advance(0.98)
    assert not answer.stream.closed
    answer.timers.advance(0.02)
    assert [data[6:7] for data in answer.pieces] == [b"x", b"y"]
    assert answer.stream.closed


async def test_the_stricter_of_two_rates_counts() -> None:
    """With both set, an event goes when it may by both."""
    frames = [event("x" * 42)] * 3
    for pace in (Pace(tokens_per_s=1, bytes_per_s=1_000_000), Pace(tokens_per_s=1000, bytes_per_s=50)):
        answer = Paced(filled(*frames), pace)
        answer.timers.advance(1.5)
        assert not answer.stream.closed
        answer.timers.advance(1.6)
        assert answer.stream.closed


async def test_comments_are_no_tokens() -> None:
    """A provider's signs of life are not counted as part of the answer."""
    answer = Paced(filled(b": one\n\n", b": two\n\n: three\n\n", event("a")), Pace(tokens_per_s=0.1))
    assert b"".join(answer.pieces) == b": one\n\n: two\n\n: three\n\n" + event("a")


async def test_small_pieces_are_gathered_to_a_size() -> None:
    """Events wait until there are enough of them, and what is left at the end goes at once."""
    source = Stream(OPENAI)
    answer = Paced(source, Pace(min_chunk_bytes=25))
    for text in ("aa", "bb", "cc", "dd", "ee"):
        source.append(event(text))
    assert answer.pieces == [event("aa") + event("bb") + event("cc")]
    source.close()
    assert answer.pieces[1:] == [event("dd") + event("ee")]
    assert answer.stream.closed


async def test_nothing_is_gathered_for_too_long() -> None:
    """The first of the gathered events waits no longer than it may."""
    source = Stream(OPENAI)
    answer = Paced(source, Pace(min_chunk_bytes=1_000, flush_s=0.2))
    source.append(event("a"))
    answer.timers.advance(0.15)
    source.append(event("b"))
    answer.timers.advance(0.04)
    assert answer.pieces == []
    answer.timers.advance(0.01)
    assert answer.pieces == [event("a") + event("b")]
    source.append(event("c"))
    answer.timers.advance(0.19)
    assert len(answer.pieces) == 1
    answer.timers.advance(0.01)
    assert answer.pieces[1:] == [event("c")]


async def test_a_time_alone_gathers_all_that_comes_in_it() -> None:
    """Without a size everything goes in one piece when its time is over."""
    source = Stream(OPENAI)
    answer = Paced(source, Pace(flush_s=0.1))
    for _ in range(100):
        source.append(event("a"))
    assert answer.pieces == []
    answer.timers.advance(0.1)
    assert answer.pieces == [event("a") * 100]


async def test_the_error_at_the_end_comes_after_all_that_came_before_it() -> None:
    """An answer that broke is delivered as far as it goes, at its pace, and then says so."""
    answer = Paced(filled(event("a"), event("b"), error=Cancelled()), Pace(tokens_per_s=1))
    assert answer.pieces == [event("a")]
    assert not answer.stream.closed
    answer.timers.advance(1)
    assert answer.pieces == [event("a"), event("b")]
    assert isinstance(answer.stream.error, Cancelled)


async def test_a_reader_that_takes_nothing_gets_no_burst_afterwards() -> None:
    """What would have been allowed while the reader stood still is not made up for, and a broken line holds nothing."""
    answer = Paced(filled(*(event(str(number)) for number in range(40))), Pace(tokens_per_s=20))
    answer.blocked = True
    answer.timers.advance(100)
    before = len(answer.came)
    answer.unblock()
    # What was on its way, and a tenth of a second's worth.
    answer.timers.advance(0.01)
    assert len(answer.came) - before <= 3
    answer.timers.advance(100)
    assert b"".join(answer.pieces) == b"".join(event(str(number)) for number in range(40))


async def test_a_fast_provider_is_held_back() -> None:
    """No more is taken from the provider's stream than is about to be passed on, so that its bound holds."""
    notes: list[str] = []
    source = Stream(OPENAI)
    source.throttle(lambda: notes.append("pause"), lambda: notes.append("resume"))
    large = event("x" * (HIGH_WATER_BYTES // 2))
    answer = Paced(source, Pace(tokens_per_s=1))
    for _ in range(5):
        source.append(large)
    assert notes == ["pause"]
    source.close()
    answer.timers.advance(10)
    assert notes[:2] == ["pause", "resume"]
    assert answer.pieces == [large] * 5


async def test_who_leaves_while_waiting_ends_the_call_at_once() -> None:
    """The provider is not waited for: the call ends in the moment in which its only reader leaves."""
    ended: list[bool] = []
    source = Stream(OPENAI)
    source.cancel = lambda: ended.append(True)
    answer = Paced(source, Pace(tokens_per_s=1))
    source.append(event("a"))
    source.append(event("b"))
    answer.reader.leave()
    assert ended == [True]
    assert answer.timers.pending == 0
    answer.timers.advance(10)
    assert answer.pieces == [event("a")]


async def test_others_who_read_the_same_are_left_alone() -> None:
    """A paced reader slows nobody else, and its leaving ends nothing for them."""
    ended: list[bool] = []
    source = Stream(OPENAI)
    source.cancel = lambda: ended.append(True)
    other = source.reader()
    answer = Paced(source, Pace(tokens_per_s=1))
    for _ in range(3):
        source.append(event("a"))
    assert other.take() == [event("a")] * 3
    answer.reader.leave()
    assert ended == []


async def test_events_are_written_in_the_callers_dialect() -> None:
    """Events of the inner vocabulary are written first, and paced as what they have become."""

    def encode(one: Event) -> bytes:
        return event(one.text) * 2 if isinstance(one, TextDelta) and one.text else b""

    source = Stream(None)
    answer = Paced(source, Pace(tokens_per_s=1), encode)
    source.append(TextDelta(text="a"))
    source.append(TextDelta(text=""))
    source.close(last=TextDelta(text="b"))
    answer.timers.advance(10)
    assert answer.came == [(0.0, event("a")), (1.0, event("a")), (2.0, event("b")), (3.0, event("b"))]


async def test_a_fault_in_writing_is_told_to_who_reads_and_not_to_the_producer() -> None:
    """Whoever appends notices nothing; the reader meets the fault, and the call is ended."""

    def encode(_event: Event) -> bytes:
        raise ValueError("no words")

    ended: list[bool] = []
    source = Stream(None)
    source.cancel = lambda: ended.append(True)
    stream = paced(source, Pace(tokens_per_s=1), dialect=OPENAI, encode=encode, timers=FakeTimers())
    reader = stream.reader()
    source.append(TextDelta(text="a"))
    source.append(TextDelta(text="b"))
    assert ended == [True]
    assert not reader.ended
    with pytest.raises(ValueError, match="no words"):
        reader.take()


async def test_a_paced_reader_of_a_kept_answer_begins_where_it_left_off() -> None:
    """Events that it has are not given again, and an error that is among the events is not told twice."""
    log = Log(OPENAI)
    for text in "abc":
        log.append(event(text))
    log.close(Cancelled())
    answer = Paced(log, Pace(tokens_per_s=10), after=1)
    answer.timers.advance(1)
    assert answer.pieces == [event("b"), event("c")]
    assert answer.stream.tells_error
    with pytest.raises(CursorAhead):
        paced(log, Pace(), dialect=OPENAI, after=4, timers=FakeTimers())


async def test_a_paced_reader_that_falls_too_far_behind_is_dropped() -> None:
    """It meets that in place of an end, so that nobody takes the answer for whole, and nobody else notices."""
    log, timers = Log(OPENAI, LogBounds(reader_lag_bytes=20_000)), FakeTimers()
    log.detached = True
    stream = paced(log, Pace(bytes_per_s=1_000), dialect=OPENAI, timers=timers)
    reader, other = stream.reader(), log.reader()
    for _ in range(100):
        log.append(event("x" * 1_000))
        other.take()
    timers.advance(2)
    with pytest.raises(ReaderDropped):
        reader.take()
    assert not stream.closed
    assert timers.pending == 0
    assert not log.closed
    assert other.position == 100


async def test_what_is_halted_is_not_passed_on() -> None:
    """Delivery that is paused is paused for paced readers too, with what waits here, and goes on where it stood."""
    source = Stream(OPENAI)
    answer = Paced(source, Pace(tokens_per_s=1))
    for text in "abc":
        source.append(event(text))
    source.pause_delivery()
    source.close()
    answer.timers.advance(10)
    assert answer.pieces == [event("a")]
    source.resume_delivery()
    answer.timers.advance(10)
    assert answer.pieces == [event("a"), event("b"), event("c")]
    assert answer.stream.closed


async def test_the_loop_is_the_clock_unless_another_is_given() -> None:
    """Without a clock of a test the running loop's counts."""
    stream = paced(filled(event("a"), event("b")), Pace(tokens_per_s=100), dialect=OPENAI)
    reader = stream.reader()
    data = b""
    while await reader.wait():
        data += b"".join(frame for frame in reader.take() if isinstance(frame, bytes))
    assert data == event("a") + event("b")


steps = st.one_of(
    st.builds(Step, st.just("time"), seconds=st.floats(0.0, 3.0)),
    st.builds(Step, st.just("data"), sizes=st.lists(st.integers(0, 400), min_size=1, max_size=6).map(tuple)),
    st.builds(Step, st.sampled_from(["block", "unblock"])),
)
paces = st.builds(
    Pace,
    tokens_per_s=st.none() | st.floats(0.5, 200),
    bytes_per_s=st.none() | st.floats(20, 20_000),
    min_chunk_bytes=st.none() | st.integers(1, 2_000),
    flush_s=st.none() | st.floats(0.01, 2.0),
)


@given(pace=paces, schedule=st.lists(steps, max_size=40), is_broken=st.booleans())
def test_over_any_schedule_the_answer_is_the_same_and_never_too_fast(
    pace: Pace, schedule: list[Step], *, is_broken: bool
) -> None:
    """All of it comes, in order, byte for byte, event by event, and at no time more than rate and burst allow."""
    source, sent, names = Stream(OPENAI), b"", itertools.count()
    answer = Paced(source, pace)
    for step in schedule:
        answer.follow(step)
        if step.sizes:
            frame = b"".join(event(f"{next(names)}:" + "x" * size) for size in step.sizes)
            sent += frame
            source.append(frame)
    source.close(Cancelled() if is_broken else None)
    answer.unblock()
    answer.timers.advance(100_000)
    assert b"".join(answer.pieces) == sent
    assert answer.stream.closed
    assert (answer.stream.error is not None) is is_broken
    assert answer.timers.pending == 0
    assert all(piece.startswith(b"data: ") and piece.endswith(b"\n\n") for piece in answer.pieces)
    tokens = size = 0
    for at, piece in answer.came:
        tokens, size = tokens + piece.count(b"\n\n"), size + len(piece)
        for spent, rate in ((tokens, pace.tokens_per_s), (size, pace.bytes_per_s)):
            assert rate is None or spent <= rate * at + max(1.0, rate * BURST_S) + 1e-6 * spent


@given(rate=st.floats(0.1, 1e6), asked=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1e4)), max_size=50))
def test_an_allowance_is_never_overdrawn(rate: float, asked: list[tuple[float, float]]) -> None:
    """Who waits as long as it is told may spend, and no schedule of asking gets more than the rate."""
    now = spent = 0.0
    bucket = Bucket(rate, now)
    for pause, cost in asked:
        now += pause
        if bucket.wait_s(cost, now) == 0.0:
            bucket.spend(cost)
            spent += cost
        assert spent <= rate * now + max(1.0, rate * BURST_S) + 1e-6 * max(1.0, spent)
    wait_s = bucket.wait_s(10.0, now)
    assert bucket.wait_s(10.0, now + wait_s + 1e-6 * (1 + now)) == 0.0
