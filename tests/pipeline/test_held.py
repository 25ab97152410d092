"""An answer that nobody has read yet is read whole, whatever form it has."""

from __future__ import annotations

from narthex.pipeline.held import read_whole, summed
from narthex.streams.stream import Stream
from narthex.testing.wires import openai_answer, openai_frames
from narthex.types.answers import ChatAnswer, FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Finished, Started, TextDelta
from narthex.types.messages import Text
from narthex.types.usage import Usage


def _text(answer: ChatAnswer | None) -> str:
    assert answer is not None
    (part,) = answer.choices[0].message.parts
    assert isinstance(part, Text)
    return part.text


def _stream(dialect: Dialect | None, *frames: bytes | Event) -> Stream:
    stream = Stream(dialect)
    for frame in frames:
        stream.append(frame)
    stream.close()
    return stream


def test_every_form_is_read_and_nothing_is_taken() -> None:
    """Bodies, frames and events give the same answer, and whoever reads afterwards finds all of it."""
    assert _text(read_whole(Stream.of(openai_answer("Hello you"), Dialect.OPENAI_CHAT))) == "Hello you"
    framed = _stream(Dialect.OPENAI_CHAT, *openai_frames("Hello you"))
    assert _text(read_whole(framed)) == "Hello you"
    assert framed.reader().take() == openai_frames("Hello you")
    told = _stream(
        None,
        Started(id="1", model="m", created_at=1),
        TextDelta(text="Hello you"),
        Finished(reason=FinishReason.STOP),
        Ended(),
    )
    assert _text(read_whole(told)) == "Hello you"


def test_what_is_no_answer_is_none() -> None:
    """A body or a stream that cannot be read is no answer, and no error either."""
    assert read_whole(Stream.of(b"{}", Dialect.OPENAI_CHAT)) is None
    assert read_whole(_stream(Dialect.OPENAI_CHAT, *openai_frames("x", finish=None, done=False))) is None
    assert read_whole(_stream(None, Started(id="1", model="m", created_at=1))) is None


def test_usage_is_summed_field_by_field() -> None:
    """And is an estimate if any of it is one."""
    one = Usage(input_tokens=1, output_tokens=2, cache_read_tokens=3, cache_write_tokens=4, reasoning_tokens=5)
    two = Usage(input_tokens=10, output_tokens=20, estimated=True)
    assert summed([one, two]) == Usage(
        input_tokens=11,
        output_tokens=22,
        cache_read_tokens=3,
        cache_write_tokens=4,
        reasoning_tokens=5,
        estimated=True,
    )
    assert summed([]) == Usage()
