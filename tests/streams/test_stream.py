"""The log between a producer and its readers: order, endings, bounds."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import Cancelled, InternalError
from narthex.streams.stream import HIGH_WATER_BYTES, Frame, Reader, Stream
from narthex.types.dialects import Dialect
from narthex.types.events import TextDelta
from tests.pipeline.doubles import read


async def test_a_reader_gets_every_frame_in_order() -> None:
    """What was appended before and after a reader came reaches it once, in order."""
    stream = Stream(Dialect.OPENAI_CHAT)
    stream.append(b"one")
    reading = asyncio.ensure_future(read(stream))
    await asyncio.sleep(0)
    stream.append(b"two")
    await asyncio.sleep(0)
    stream.append(b"three")
    stream.close()
    assert await reading == [b"one", b"two", b"three"]
    assert (stream.frames_total, stream.bytes_total) == (3, 11)


async def test_two_readers_read_independently() -> None:
    """A reader that lags takes nothing from another, and loses nothing."""
    stream = Stream(Dialect.OPENAI_CHAT)
    fast, slow = stream.reader(), stream.reader()
    for frame in (b"a", b"b"):
        stream.append(frame)
    assert fast.take() == [b"a", b"b"]
    stream.append(b"c")
    stream.close()
    assert slow.take() == [b"a", b"b", b"c"]
    assert fast.take() == [b"c"]
    assert not await fast.wait()


async def test_the_producer_is_paused_and_goes_on() -> None:
    """A producer that runs ahead of its reader is paused once, and resumed when the reader has caught up."""
    calls: list[str] = []
    stream = Stream(Dialect.OPENAI_CHAT)
    stream.throttle(lambda: calls.append("pause"), lambda: calls.append("resume"))
    reader = stream.reader()
    for _ in range(5):
        stream.append(b"x" * (HIGH_WATER_BYTES // 2))
    assert calls == ["pause"]
    assert len(reader.take()) == 5
    assert calls == ["pause", "resume"]


async def test_the_slowest_reader_holds_the_producer() -> None:
    """As long as one reader has not read, the producer stays paused; when that reader leaves it goes on."""
    calls: list[str] = []
    stream = Stream(Dialect.OPENAI_CHAT)
    stream.throttle(lambda: calls.append("pause"), lambda: calls.append("resume"))
    fast, slow = stream.reader(), stream.reader()
    stream.append(b"x" * (HIGH_WATER_BYTES + 1))
    fast.take()
    assert calls == ["pause"]
    slow.leave()
    fast.take()
    assert calls == ["pause", "resume"]


async def test_an_error_ends_the_log_once() -> None:
    """The first close decides; nothing is appended after it, and listeners hear of it once."""
    heard: list[object] = []
    stream = Stream(None)
    stream.on_close(lambda one: heard.append(one.error))
    error = InternalError("broken")
    stream.close(error)
    stream.close(Cancelled())
    stream.append(b"late")
    assert stream.error is error
    assert heard == [error]
    assert stream.frames_total == 0
    late: list[object] = []
    stream.on_close(lambda one: late.append(one.error))
    assert late == [error]


async def test_opened_waits_for_the_first_frame_or_the_end() -> None:
    """`opened` returns at the first frame, and at an end without one."""
    stream = Stream(None)
    waiting = asyncio.ensure_future(stream.opened())
    await asyncio.sleep(0)
    assert not waiting.done()
    stream.append(b"first")
    await waiting
    empty = Stream(None)
    empty.close()
    await empty.opened()


def test_a_whole_answer_is_a_closed_stream_of_one_frame() -> None:
    """A whole answer is a stream that has ended."""
    stream = Stream.of(b"{}", Dialect.OPENAI_CHAT)
    assert stream.whole
    assert stream.closed
    assert stream.body == b"{}"


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=9), st.none()), max_size=40))
def test_any_interleaving_of_appending_and_taking_keeps_all(steps: list[bytes | None]) -> None:
    """However appending and taking alternate, what is taken is what was appended."""

    async def run() -> None:
        stream = Stream(Dialect.OPENAI_CHAT)
        reader = stream.reader()
        taken: list[Frame] = []
        for step in steps:
            if step is None:
                taken += reader.take()
            else:
                stream.append(step)
        stream.close()
        while await reader.wait():
            taken += reader.take()
        assert taken == [step for step in steps if step is not None]

    asyncio.run(run())


async def test_a_reader_that_is_called_hears_of_every_frame_and_the_end() -> None:
    """A reader with a callback is called from within `append` and `close`, and no more once it has left."""
    stream = Stream(Dialect.OPENAI_CHAT)
    heard: list[object] = []
    reader = stream.reader(lambda: heard.append(reader.take() or reader.ended))
    stream.append(b"a")
    stream.append(b"b")
    stream.close(last=b"c")
    assert heard == [[b"a"], [b"b"], [b"c"]]
    assert reader.ended
    other = Stream(Dialect.OPENAI_CHAT)
    gone = other.reader(lambda: heard.append("late"))
    gone.leave()
    other.append(b"d")
    assert "late" not in heard


async def test_a_reader_may_leave_while_it_is_called() -> None:
    """One that leaves in the middle of a call costs no other reader its call."""
    stream = Stream(Dialect.OPENAI_CHAT)
    heard: list[str] = []

    def leave() -> None:
        heard.append("first")
        first.leave()

    first = stream.reader(leave)
    stream.reader(lambda: heard.append("second"))
    stream.append(b"a")
    stream.append(b"b")
    assert heard == ["first", "second", "second"]


async def test_a_whole_answer_is_read_like_any_other() -> None:
    """Two readers of a whole answer each find its one frame and its end."""
    stream = Stream.of(b"{}", Dialect.OPENAI_CHAT)
    for _ in range(2):
        assert await read(stream) == [b"{}"]


async def test_a_stream_may_be_held_to_its_end() -> None:
    """Nobody reads, the producer is not paused, and all of it is still there for whoever reads afterwards."""
    stream, notes = Stream(Dialect.OPENAI_CHAT), list[str]()
    stream.throttle(lambda: notes.append("pause"), lambda: notes.append("resume"))
    frame = bytes(HIGH_WATER_BYTES + 1)
    stream.append(frame)
    waiting = asyncio.ensure_future(stream.ended_within(4 * HIGH_WATER_BYTES))
    await asyncio.sleep(0)
    stream.append(frame)
    await asyncio.sleep(0)
    assert not waiting.done()
    stream.close()
    assert await waiting
    assert notes == ["pause", "resume"]
    assert stream.held == (frame, frame)
    assert stream.reader().take() == [frame, frame]


async def test_a_stream_that_is_too_large_is_held_no_longer() -> None:
    """It is told as soon as there is too much, and from then on the producer is paused as ever."""
    stream, notes = Stream(Dialect.OPENAI_CHAT), list[str]()
    stream.throttle(lambda: notes.append("pause"), lambda: notes.append("resume"))
    waiting = asyncio.ensure_future(stream.ended_within(2 * HIGH_WATER_BYTES))
    await asyncio.sleep(0)
    for _ in range(3):
        stream.append(bytes(HIGH_WATER_BYTES))
    assert not await waiting
    assert notes == ["pause"]
    stream.reader().take()
    assert notes == ["pause", "resume"]
    stream.append(bytes(HIGH_WATER_BYTES + 1))
    assert notes == ["pause", "resume", "pause"]


async def test_events_are_held_for_what_they_take_up() -> None:
    """A few events with long texts are as much too large as a long stream of bytes."""
    stream = Stream(None)
    waiting = asyncio.ensure_future(stream.ended_within(3 * HIGH_WATER_BYTES))
    for _ in range(3):
        await asyncio.sleep(0)
        assert not waiting.done()
        stream.append(TextDelta(text="x" * HIGH_WATER_BYTES))
        await asyncio.sleep(0)
    stream.close()
    assert not await waiting


# -- leaving and retention ---------------------------------------------------------------------------------------------


def producing(dialect: Dialect | None = Dialect.OPENAI_CHAT) -> tuple[Stream, list[str]]:
    """Return a stream, and what its producer is told."""
    told: list[str] = []
    stream = Stream(dialect)
    stream.throttle(lambda: told.append("pause"), lambda: told.append("resume"))
    stream.cancel = lambda: told.append("cancel")
    return stream, told


async def test_the_last_reader_to_leave_ends_the_call() -> None:
    """The producer goes on while one of its readers is left, and is ended once with the last."""
    stream, told = producing()
    readers = [stream.reader(), stream.reader()]
    readers[0].leave()
    assert told == []
    readers[1].leave()
    readers[1].leave()
    assert told == ["cancel"]


async def test_nobody_ends_a_call_that_has_ended() -> None:
    """Whoever leaves behind the end ends nothing."""
    stream, told = producing()
    reader = stream.reader()
    stream.close()
    reader.leave()
    assert told == []


async def test_what_is_retained_can_be_read_again() -> None:
    """Readers that come later, even after the end, begin at the first frame; what was read is not forgotten."""
    stream, told = producing()
    stream.append(b"a")
    stream.retain(lambda _size: True)
    early = stream.reader()
    assert early.take() == [b"a"]
    stream.append(b"b")
    assert early.take() == [b"b"]
    early.leave()
    assert stream.from_start
    late = stream.reader()
    assert late.take() == [b"a", b"b"]
    stream.close(last=b"c")
    assert late.take() == [b"c"]
    assert await read(stream) == [b"a", b"b", b"c"]
    assert told == []


async def test_what_is_not_retained_is_gone() -> None:
    """A stream like any other forgets what was read, and says so."""
    stream, _ = producing()
    reader = stream.reader()
    stream.append(b"a")
    assert stream.from_start
    reader.take()
    assert not stream.from_start


async def test_nobody_holds_a_retained_stream() -> None:
    """A producer is never paused while all is retained, and goes on where it was paused before."""
    stream, told = producing()
    stream.append(b"x" * (HIGH_WATER_BYTES + 1))
    stream.retain(lambda _size: True)
    stream.reader()
    for _ in range(4):
        stream.append(b"x" * HIGH_WATER_BYTES)
    assert told == ["pause", "resume"]


async def test_retention_ends_with_its_room() -> None:
    """Without room for more, a stream is like any other: its readers get the rest, the slowest holds the producer."""
    stream, told = producing()
    room = 3 * HIGH_WATER_BYTES
    stream.retain(lambda size: size < room)
    fast, slow = stream.reader(), stream.reader()
    frame = b"x" * HIGH_WATER_BYTES
    for _ in range(3):
        stream.append(frame)
        assert fast.take() == [frame]
    assert told == []
    stream.append(frame)
    assert told == ["pause"]
    assert slow.take() == [frame] * 4
    assert fast.take() == [frame]
    assert told == ["pause", "resume"]
    assert not stream.from_start


async def test_retention_that_ends_with_nobody_there_ends_the_call() -> None:
    """What can neither be read nor kept is not produced."""
    stream, told = producing()
    stream.retain(lambda size: size < 100)
    stream.append(b"a")
    assert told == []
    stream.append(b"x" * 100)
    assert told == ["cancel"]


async def test_without_room_nothing_is_retained() -> None:
    """Refused from the start, retention leaves a stream to those who read it already."""
    stream, told = producing()
    stream.append(b"a")
    reader = stream.reader()
    stream.retain(lambda _size: False)
    assert reader.take() == [b"a"]
    assert (told, stream.from_start) == ([], False)


async def test_room_is_asked_for_all_that_is_held() -> None:
    """What frames take up is told as it grows: bytes as they are, events with all that is in them."""
    asked: list[int] = []

    def room(size: int) -> bool:
        asked.append(size)
        return True

    stream = Stream(Dialect.OPENAI_CHAT)
    stream.append(b"x" * 100)
    stream.retain(room)
    stream.append(b"x" * 1_000)
    stream.close(last=b"x" * 10)
    assert [size // 100 for size in asked] == [1, 11, 12]
    events = Stream(None)
    events.retain(room)
    events.append(TextDelta(text="x" * 5_000))
    assert asked[-1] > 5_000


async def test_what_is_retained_lets_go_of_its_producer() -> None:
    """Behind its end a log holds nothing of the call that made it."""
    stream, told = producing()
    stream.retain(lambda _size: True)
    stream.close(last=b"a")
    stream.cancel()
    stream._pause()
    stream._resume()
    assert told == []


async def test_listeners_are_called_in_turn() -> None:
    """All who listen hear of the end once, in the order in which they came."""
    heard: list[int] = []
    stream = Stream(None)
    for number in range(3):
        stream.on_close(lambda _stream, number=number: heard.append(number))  # type: ignore[misc]  # bound on purpose
    stream.close()
    stream.close()
    assert heard == [0, 1, 2]


async def test_listeners_are_called_before_any_reader_is_told() -> None:
    """What they write down is there when somebody sees the end, even if one of them breaks."""
    heard: list[str] = []
    stream = Stream(None)
    reader = stream.reader(lambda: heard.append("reader" if reader.ended or reader.take() else "early"))
    stream.tap(lambda frame: heard.append(f"tap {frame!r}"))

    def room(size: int) -> bool:
        heard.append(f"keeper {size}")
        return True

    stream.retain(room)
    stream.on_close(lambda _stream: heard.append("listener"))

    def break_off(_stream: Stream) -> None:
        raise ValueError

    stream.on_close(break_off)
    heard.clear()
    with pytest.raises(ValueError, match=r"^$"):
        stream.close(last=b"end")
    assert heard == ["tap b'end'", "keeper 43", "listener", "reader"]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["append", "take", "come", "leave", "room"])), max_size=60)
)
def test_every_reader_of_any_history_gets_a_gapless_rest(steps: list[tuple[int, str]]) -> None:
    """Whoever comes, reads and leaves, and whenever room runs out, each reader gets every frame from its first on."""
    stream = Stream(Dialect.OPENAI_CHAT)
    rooms = [True]
    stream.retain(lambda _size: rooms[0])
    stream.cancel = lambda: stream.close(Cancelled())
    readers: dict[int, tuple[Reader, int, list[Frame]]] = {}
    written: list[Frame] = []
    for who, step in steps:
        if step == "append" and not stream.closed:
            written.append(b"%d" % len(written))
            stream.append(written[-1])
        elif step == "come" and who not in readers:
            reader = stream.reader()
            assert rooms[0] is False or not written or stream.from_start
            readers[who] = (reader, reader.position, [])
        elif step == "take" and who in readers:
            readers[who][2].extend(readers[who][0].take())
        elif step == "leave" and who in readers:
            readers.pop(who)[0].leave()
        elif step == "room":
            rooms[0] = False
    for reader, begun, got in readers.values():
        got.extend(reader.take())
        assert got == written[begun:]


async def test_a_tap_sees_every_frame_once_and_first() -> None:
    """What is held already and what comes, whoever reads; it keeps nothing, and nobody from leaving."""
    stream = Stream(Dialect.OPENAI_CHAT)
    seen: list[Frame] = []
    cancelled: list[bool] = []
    stream.cancel = lambda: cancelled.append(True)
    reader = stream.reader(lambda: taken.extend(reader.take()))
    taken: list[Frame] = []
    stream.append(b"one")
    other = stream.reader()
    stream.append(b"two")
    assert other.take() == [b"two"]
    stream.tap(seen.append)
    stream.append(b"three")
    other.leave()
    reader.leave()
    assert cancelled
    stream.close(last=b"four")
    assert taken == [b"one", b"two", b"three"]
    assert seen == [b"three", b"four"]
    assert not stream._wakes


async def test_a_tap_comes_late() -> None:
    """Of a stream that has ended it sees what is held."""
    stream = Stream(Dialect.OPENAI_CHAT)
    seen: list[Frame] = []
    stream.append(b"one")
    stream.close(last=b"two")
    stream.tap(seen.append)
    assert seen == [b"one", b"two"]
    assert await read(stream) == [b"one", b"two"]
