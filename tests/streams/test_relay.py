"""A stream for one of several callers: all of it, at its own pace, with an end of its own."""

from __future__ import annotations

import asyncio

from narthex.errors import Cancelled, InternalError
from narthex.streams.relay import relay
from narthex.streams.stream import HIGH_WATER_BYTES, Frame, Stream
from narthex.types.dialects import Dialect
from tests.pipeline.doubles import read


def source() -> tuple[Stream, list[str]]:
    """Return a stream, and what its producer is told."""
    told: list[str] = []
    stream = Stream(Dialect.OPENAI_CHAT)
    stream.throttle(lambda: told.append("pause"), lambda: told.append("resume"))
    stream.cancel = lambda: told.append("cancel")
    return stream, told


async def test_it_begins_at_the_first_frame_and_follows() -> None:
    """What was written before and what comes later arrives once, in order, within the call that writes it."""
    stream, _ = source()
    stream.append(b"a")
    other = relay(stream)
    assert other.dialect is stream.dialect
    reader = other.reader()
    assert reader.take() == [b"a"]
    stream.events_total = 2
    stream.append(b"b")
    assert reader.take() == [b"b"]
    assert other.events_total == 2
    stream.close(last=b"c")
    assert reader.take() == [b"c"]
    assert reader.ended
    assert (other.frames_total, other.bytes_total) == (3, 3)


async def test_the_end_comes_with_the_last_frame() -> None:
    """A reader finds the last frame and the end in one, whether the source ends now or has ended long ago."""
    for late in (False, True):
        stream, _ = source()
        stream.retain(lambda _size: True)
        seen: list[tuple[list[Frame], bool]] = []
        if late:
            stream.append(b"a")
            stream.close(last=b"b")
        other = relay(stream)
        reader = other.reader(lambda: seen.append((reader.take(), reader.ended)))  # noqa: B023 - called in this turn
        if late:
            assert (reader.take(), reader.ended) == ([b"a", b"b"], True)
            continue
        stream.append(b"a")
        stream.close(last=b"b")
        assert seen == [([b"a"], False), ([b"b"], True)]


async def test_it_ends_as_its_source_does() -> None:
    """Why an answer is not whole is told to all."""
    stream, _ = source()
    other = relay(stream)
    error = InternalError("broken")
    stream.append(b"a")
    stream.close(error)
    assert await read(other) == [b"a"]
    assert other.error is error


async def test_it_may_end_before_its_source() -> None:
    """One who leaves, or runs out of time, ends its own stream; the source goes on while another follows."""
    stream, told = source()
    staying, leaving, late = relay(stream), relay(stream), relay(stream)
    leaving.reader().leave()
    assert isinstance(leaving.error, Cancelled)
    late.close(InternalError("over"))
    stream.append(b"a")
    assert leaving.frames_total == late.frames_total == 0
    assert told == []
    staying.reader().leave()
    assert told == ["cancel"]


async def test_it_goes_at_its_own_pace() -> None:
    """One that is not read takes no more than its share, holds its source, and gets the rest in order when read."""
    stream, told = source()
    slow, fast = relay(stream), relay(stream)
    reader, other = slow.reader(), fast.reader()
    frames = [b"%06d" % number + b"x" * (HIGH_WATER_BYTES // 4) for number in range(16)]
    got: list[Frame] = []
    for frame in frames:
        stream.append(frame)
        got += other.take()
    assert got == frames
    assert slow.frames_total < len(frames)
    assert told[0] == "pause"
    stream.close()
    got = reader.take()
    assert got != frames
    while await reader.wait():
        got += reader.take()
    assert got == frames
    assert slow.closed


async def test_a_reader_that_is_called_keeps_the_order() -> None:
    """What comes while a reader takes what it was behind by comes behind it."""
    stream, _ = source()
    stream.retain(lambda _size: True)
    frames = [b"%06d" % number + b"x" * HIGH_WATER_BYTES for number in range(6)]
    for frame in frames[:3]:
        stream.append(frame)
    other = relay(stream)
    got: list[Frame] = []
    blocked = True

    def push() -> None:
        if not blocked:
            got.extend(reader.take())

    reader = other.reader(push)
    stream.append(frames[3])
    stream.append(frames[4])
    blocked = False
    push()
    stream.close(last=frames[5])
    await asyncio.sleep(0)
    push()
    assert got == frames


async def test_a_source_that_is_paused_has_not_ended() -> None:
    """What waits there when it ends comes when it goes on: until then nothing is taken for whole."""
    stream, _ = source()
    other = relay(stream)
    reader = other.reader()
    stream.append(b"a")
    stream.pause_delivery()
    stream.append(b"b")
    stream.close(last=b"c")
    assert (reader.take(), reader.ended) == ([b"a"], False)
    stream.resume_delivery()
    assert (reader.take(), reader.ended) == ([b"b", b"c"], True)
