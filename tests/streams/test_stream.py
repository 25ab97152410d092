"""The log between a producer and its readers: order, endings, bounds."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import Cancelled, InternalError
from narthex.streams.stream import HIGH_WATER_BYTES, Frame, Stream
from narthex.types.dialects import Dialect


async def read(stream: Stream) -> list[Frame]:
    """Read a stream to its end."""
    reader = stream.reader()
    frames: list[Frame] = []
    while await reader.wait():
        frames += reader.take()
    return frames


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
