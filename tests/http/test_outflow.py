"""An answer reaches its connection as it comes, once, in order, and never after its caller has left."""

from __future__ import annotations

import asyncio
import zlib

import pytest

from narthex.compression.contents import encoder
from narthex.errors import Cancelled, NarthexError
from narthex.http.outflow import PART_BYTES, Outflow, flow
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import HIGH_WATER_BYTES, Stream
from narthex.streams.throttle import Pace
from narthex.types.dialects import Dialect
from narthex.types.events import Event, TextDelta


def words(error: NarthexError) -> bytes:
    """Say why an answer is not whole."""
    return b"error: " + error.code.encode()


class Sent:
    """A connection that remembers what is written to it."""

    def __init__(self, stream: Stream, *, encode: object = None) -> None:
        self.pieces: list[bytes] = []
        self.flow = Outflow(stream, self.pieces.append, head=b"HEAD|", encode=encode, last_words=words)  # type: ignore[arg-type]  # tests give their own

    @property
    def text(self) -> bytes:
        """Everything, in order."""
        return b"".join(self.pieces)


async def test_each_frame_is_a_chunk_written_at_once() -> None:
    """What the producer appends is written before `append()` returns; the end comes with the last of it."""
    stream = Stream(Dialect.OPENAI_CHAT)
    stream.append(b"one")
    sent = Sent(stream)
    assert sent.pieces == [b"HEAD|3\r\none\r\n"]
    stream.append(b"three")
    assert sent.pieces[1:] == [b"5\r\nthree\r\n"]
    stream.close(last=b"!")
    assert sent.pieces[2:] == [b"1\r\n!\r\n0\r\n\r\n"]
    assert sent.flow.ended.result() is None


async def test_an_answer_that_is_there_already_is_one_write() -> None:
    """Head, frames and end of an answer that has ended go out together."""
    stream = Stream(Dialect.OPENAI_CHAT)
    stream.append(b"a")
    stream.append(b"b")
    stream.close()
    assert Sent(stream).pieces == [b"HEAD|2\r\nab\r\n0\r\n\r\n"]


async def test_an_error_is_told_before_the_end() -> None:
    """An answer that is not whole says so, whether something of it was written or not."""
    stream = Stream(Dialect.OPENAI_CHAT)
    sent = Sent(stream)
    stream.append(b"half")
    stream.close(Cancelled())
    assert sent.text == b"HEAD|4\r\nhalf\r\n10\r\nerror: cancelled\r\n0\r\n\r\n"


async def test_an_empty_answer_is_an_end() -> None:
    """A stream without a frame is a head and an end."""
    stream = Stream(Dialect.OPENAI_CHAT)
    sent = Sent(stream)
    stream.close()
    assert sent.text == b"HEAD|0\r\n\r\n"


async def test_a_slow_caller_gets_all_of_it_later() -> None:
    """Nothing is written while the caller takes nothing, and the producer is held when too much waits."""
    notes: list[str] = []
    stream = Stream(Dialect.OPENAI_CHAT)
    stream.throttle(lambda: notes.append("pause"), lambda: notes.append("resume"))
    sent = Sent(stream)
    sent.flow.pause()
    for _ in range(3):
        stream.append(b"x" * HIGH_WATER_BYTES)
    assert (sent.pieces, notes) == ([], ["pause"])
    stream.close(last=b"y")
    sent.flow.resume()
    assert notes == ["pause", "resume"]
    assert sent.text.count(b"x") == 3 * HIGH_WATER_BYTES
    assert sent.text.endswith(b"xy\r\n0\r\n\r\n")
    sent.flow.resume()
    assert sent.text.endswith(b"xy\r\n0\r\n\r\n")


async def test_events_are_written_in_the_callers_dialect() -> None:
    """Events go through the encoder one by one, in order; one that writes nothing makes no chunk."""
    stream = Stream(None)

    def encode(event: Event) -> bytes:
        return event.text.encode() if isinstance(event, TextDelta) else b""

    sent = Sent(stream, encode=encode)
    stream.append(TextDelta(text=""))
    assert sent.pieces == []
    stream.append(TextDelta(text="a"))
    stream.close(last=TextDelta(text="b"))
    assert sent.pieces == [b"HEAD|1\r\na\r\n", b"1\r\nb\r\n0\r\n\r\n"]


async def test_a_broken_encoder_is_told_to_whoever_waits() -> None:
    """A fault in writing is not the producer's: it goes to the connection, and nothing more is written."""
    stream = Stream(None)

    def encode(_event: Event) -> bytes:
        raise ValueError("no words")

    sent = Sent(stream, encode=encode)
    stream.append(TextDelta(text="a"))
    stream.append(TextDelta(text="b"))
    stream.close()
    with pytest.raises(ValueError, match="no words"):
        sent.flow.ended.result()
    assert sent.pieces == []


async def test_nothing_is_written_after_leaving() -> None:
    """Once the caller has left, frames are taken by nobody and hold nobody."""
    stream = Stream(Dialect.OPENAI_CHAT)
    sent = Sent(stream)
    sent.flow.leave()
    stream.append(b"late")
    stream.close()
    assert sent.pieces == []
    assert not sent.flow.ended.done()


async def test_a_sign_of_life_is_a_chunk_of_its_own() -> None:
    """It comes with the head if nothing was written yet, and never to a caller who does not keep up or has it all."""
    stream = Stream(Dialect.OPENAI_CHAT)
    sent = Sent(stream)
    sent.flow.keep_alive()
    assert sent.pieces == [b"HEAD|d\r\n: keepalive\n\n\r\n"]
    sent.flow.pause()
    sent.flow.keep_alive()
    stream.append(b"a")
    sent.flow.resume()
    stream.close()
    sent.flow.keep_alive()
    assert sent.pieces[1:] == [b"1\r\na\r\n", b"0\r\n\r\n"]


async def test_only_what_is_written_is_progress() -> None:
    """Events that the caller's dialect has no words for leave the stream as silent as it was."""
    stream = Stream(None)
    sent = Sent(stream, encode=lambda event: event.text.encode() if isinstance(event, TextDelta) else b"")
    before = sent.flow.progress
    stream.append(TextDelta(text=""))
    assert sent.flow.progress == before
    stream.append(TextDelta(text="a"))
    assert sent.flow.progress == before + 1


@pytest.mark.parametrize("pace", [None, Pace(min_chunk_bytes=1_000)])
async def test_a_call_flows_at_its_pace(pace: Pace | None) -> None:
    """With a pace frames are gathered into one chunk; without one each is written as it comes."""
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
    exchange.pace = pace
    stream = Stream(Dialect.OPENAI_CHAT)
    pieces: list[bytes] = []
    flow(exchange, stream, pieces.append, b"")
    for frame in (b"data: a\n\n", b"data: b\n\n"):
        stream.append(frame)
    stream.close()
    chunks = [b"9\r\ndata: a\n\n\r\n", b"9\r\ndata: b\n\n\r\n", b"0\r\n\r\n"]
    assert pieces == (chunks if pace is None else [b"12\r\ndata: a\n\ndata: b\n\n\r\n0\r\n\r\n"])


async def test_a_paced_caller_who_leaves_ends_the_call() -> None:
    """What is still to come is not waited for."""
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
    exchange.pace = Pace(tokens_per_s=0.001)
    ended: list[bool] = []
    stream = Stream(Dialect.OPENAI_CHAT)
    stream.cancel = lambda: ended.append(True)
    pieces: list[bytes] = []
    out = flow(exchange, stream, pieces.append, b"")
    stream.append(b"data: a\n\ndata: b\n\n")
    out.leave()
    assert ended == [True]
    assert pieces == [b"9\r\ndata: a\n\n\r\n"]


class Read:
    """A connection that reads the coding of what is written to it."""

    def __init__(self, stream: Stream) -> None:
        self.pieces = list[bytes]()
        self.reader = zlib.decompressobj(31)
        coded = encoder("gzip", hasty=True)
        self.flow = Outflow(
            stream, self.pieces.append, head=b"", encode=None, last_words=words, encoder=coded, sign=b":\n\n"
        )

    @property
    def new(self) -> bytes:
        """What came since."""
        body, found = b"".join(self.pieces), b""
        self.pieces.clear()
        while body:
            size, _, rest = body.partition(b"\r\n")
            found, body = found + self.reader.decompress(rest[: int(size, 16)]), rest[int(size, 16) + 2 :]
        return found


async def test_events_are_read_in_their_coding_as_they_come() -> None:
    """Each, signs of life, and the error at the end; what comes at once in parts, a turn of the loop between them."""
    stream = Stream(Dialect.OPENAI_CHAT)
    read = Read(stream)
    stream.append(b"one")
    assert read.new == b"one"
    read.flow.keep_alive()
    assert read.new == b":\n\n"
    large = bytes(range(256)) * 600
    stream.append(large)
    read.flow.keep_alive()
    assert read.new == large[:PART_BYTES]
    read.flow.pause()
    await asyncio.sleep(0)
    assert read.new == b""
    read.flow.resume()
    stream.close(Cancelled())
    await read.flow.ended
    assert read.new == large[PART_BYTES:] + b"error: cancelled"
    assert read.reader.eof


async def test_what_is_broken_off_is_whole_in_its_coding() -> None:
    """With what was still to be written before it, so that no event is cut in two."""
    stream = Stream(Dialect.OPENAI_CHAT)
    stream.append(bytes(PART_BYTES + 10))
    read = Read(stream)
    read.flow.break_off(Cancelled())
    assert read.new == bytes(PART_BYTES + 10) + b"error: cancelled"
    assert read.reader.eof
