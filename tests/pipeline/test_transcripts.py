"""A response as it is written down is the response as it was told."""

from __future__ import annotations

import json
from typing import cast

import pytest

from narthex.errors import Cancelled, InternalError, NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.transcripts import Transcript
from narthex.streams.stream import Stream
from narthex.types.answers import FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Finished, Started, TextDelta
from narthex.wire.openai_responses.stream_encoder import ResponsesEncoder
from tests.pipeline.doubles import exchange

EVENTS: tuple[Event, ...] = (
    Started(id="resp_1", model="m", created_at=7),
    TextDelta(text="Hello"),
    TextDelta(text=" there"),
    Finished(reason=FinishReason.STOP),
    Ended(at=9),
)


def call(answer: Stream) -> Exchange:
    """Return a call with this answer."""
    made = exchange({"model": "up/m", "input": "Hi", "stream": True}, dialect=Dialect.OPENAI_RESPONSES)
    made.answer = answer
    return made


def events(count: int, error: NarthexError | None = None, *, limit_bytes: int = 10_000) -> Transcript:
    """Return the transcript of an answer in the inner vocabulary that ended after so many events."""
    stream = Stream(None)
    stream.append(EVENTS[0])
    transcript = Transcript(call(stream), limit_bytes)
    for event in EVENTS[1:count]:
        stream.append(event)
    stream.close(error)
    return transcript


def read(transcript: Transcript) -> dict[str, object]:
    """Return the response that was written down."""
    response = transcript.response()
    assert response is not None
    return cast("dict[str, object]", json.loads(response))


def test_a_whole_answer_is_itself() -> None:
    """Nothing is done to it."""
    transcript = Transcript(call(Stream.of(b'{"id":"resp_1"}', Dialect.OPENAI_RESPONSES)), 1_000)
    assert (transcript.response(), transcript.bytes) == (b'{"id":"resp_1"}', 15)


def test_events_make_the_response_that_the_last_one_told() -> None:
    """What is written down equals what stood in `response.completed`."""
    transcript = events(5)
    encoder = ResponsesEncoder(transcript.exchange.chat_request())
    frames = b"".join(map(encoder.encode, EVENTS))
    last = json.loads(frames.rpartition(b"data: ")[2])
    assert read(transcript) == last["response"]
    assert not transcript.is_too_large


@pytest.mark.parametrize(("error", "status"), [(InternalError("no"), "failed"), (Cancelled(), "cancelled")])
def test_an_answer_without_its_end_says_so(error: NarthexError, status: str) -> None:
    """What broke off has failed and tells why, what its caller left is cancelled; both keep what was said."""
    told = read(events(3, error))
    assert told["status"] == status
    assert (told["error"] is None) is (status == "cancelled")
    (item,) = cast("list[dict[str, list[dict[str, str]]]]", told["output"])
    assert item["content"][0]["text"] == "Hello there"


def test_what_is_too_large_is_let_go() -> None:
    """Nothing of it is held on to."""
    transcript = events(5, limit_bytes=250)
    assert transcript.is_too_large
    assert not transcript._events


def framed(*names: str) -> list[bytes]:
    """Return the events of a provider's own response, one frame each."""
    response = {"id": "resp_theirs", "object": "response"}
    told = [{"type": f"response.{name}", "response": {**response, "status": name}} for name in names]
    return [b"data: " + json.dumps(one).encode() + b"\n\n" for one in told]


def passed(frames: list[bytes], error: NarthexError | None = None) -> Transcript:
    """Return the transcript of an answer that passes through."""
    stream = Stream(Dialect.OPENAI_RESPONSES)
    transcript = Transcript(call(stream), 1_000)
    for frame in frames:
        stream.append(frame)
    stream.close(error)
    return transcript


def test_what_passes_through_keeps_its_name() -> None:
    """The last event tells the whole response, under its provider's ID."""
    delta = b'data: {"type":"response.output_text.delta","delta":"x"}\n\n'
    told = read(passed([*framed("in_progress"), delta, delta, *framed("completed")]))
    assert (told["id"], told["status"]) == ("resp_theirs", "completed")


@pytest.mark.parametrize(("error", "status"), [(InternalError("no"), "failed"), (Cancelled(), "cancelled")])
def test_what_breaks_off_while_passing_through_says_so(error: NarthexError, status: str) -> None:
    """Of the response as it began, with what became of it; garbage in between changes nothing."""
    told = read(passed([*framed("in_progress"), b"data: {\n\n"], error))
    assert (told["id"], told["status"]) == ("resp_theirs", status)
    assert (told["error"] is None) is (status == "cancelled")


def test_no_response_is_none() -> None:
    """Where none was begun there is nothing to be kept."""
    assert passed([b"data: {}\n\n"]).response() is None
    stream = Stream(None)
    transcript = Transcript(call(stream), 1_000)
    stream.close(InternalError())
    assert transcript.response() is None
