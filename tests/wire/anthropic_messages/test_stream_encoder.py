"""Streams for clients."""

from __future__ import annotations

import json
from typing import cast

import anthropic.types
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from hypothesis import given
from pydantic import TypeAdapter

from narthex.errors import Overloaded
from narthex.types.answers import ChatAnswer, FinishReason
from narthex.types.events import (
    Ended,
    Event,
    Failed,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.folding import fold, unfold
from narthex.types.messages import ToolCall
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.answer import decode_answer, encode_answer
from narthex.wire.anthropic_messages.stream_encoder import MessagesEncoder
from narthex.wire.anthropic_messages.stream_parser import MessagesParser
from narthex.wire.sse import SseParser
from tests.wire.anthropic_messages.strategies import answers, streamed

STREAM_EVENT: TypeAdapter[anthropic.types.RawMessageStreamEvent] = TypeAdapter(anthropic.types.RawMessageStreamEvent)


def encoded(events: list[Event]) -> bytes:
    """Write a stream."""
    encoder = MessagesEncoder()
    return b"".join(encoder.encode(event) for event in events)


def bodies(data: bytes) -> list[dict[str, object]]:
    """Read the data of each frame; its type is its name."""
    events = SseParser().feed(data)
    rows = [cast("dict[str, object]", json.loads(event.data)) for event in events]
    assert [event.event for event in events] == [row["type"] for row in rows]
    return rows


def accumulated(data: bytes) -> anthropic.types.Message:
    """Put a stream together as the official SDK does."""
    snapshot: object = None
    buffers: dict[int, bytes] = {}
    for event in SseParser().feed(data):
        snapshot = accumulate_event(
            event=STREAM_EVENT.validate_json(event.data),
            current_snapshot=snapshot,  # type: ignore[arg-type]
            json_bufs=buffers,
            output_format=anthropic.NOT_GIVEN,
        )
    return cast("anthropic.types.Message", snapshot)


WRITTEN = (
    "event: message_start\n"
    'data: {"type":"message_start","message":{"id":"a","type":"message","role":"assistant","model":"m",'
    '"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":5,"cache_creation_input_tokens":0,'
    '"cache_read_input_tokens":4,"output_tokens":0}}}\n\n'
    "event: content_block_start\n"
    'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    "event: content_block_delta\n"
    'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
    "event: content_block_stop\n"
    'data: {"type":"content_block_stop","index":0}\n\n'
    "event: content_block_start\n"
    'data: {"type":"content_block_start","index":1,'
    '"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}\n\n'
    "event: content_block_delta\n"
    'data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}\n\n'
    "event: content_block_stop\n"
    'data: {"type":"content_block_stop","index":1}\n\n'
    "event: message_delta\n"
    'data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},'
    '"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":7,'
    '"output_tokens_details":{"thinking_tokens":2}}}\n\n'
    "event: message_stop\n"
    'data: {"type":"message_stop"}\n\n'
)


def test_writes_a_stream_in_full() -> None:
    """Names, order and indices are the vendor's; usage of the input comes first, all of it last."""
    events: list[Event] = [
        Started(id="a", model="m", created_at=5, input_usage=Usage(input_tokens=9, cache_read_tokens=4)),
        TextDelta(text="Hi"),
        ToolCallStarted(id="t", name="f", part=1),
        ToolCallDelta(arguments="{}", part=1),
        Finished(reason=FinishReason.TOOL_CALLS),
        UsageReported(usage=Usage(input_tokens=9, output_tokens=7, cache_read_tokens=4, reasoning_tokens=2)),
        Ended(),
    ]
    assert encoded(events).decode() == WRITTEN


def test_usage_that_nobody_told_is_zero() -> None:
    """The wire requires the field."""
    rows = bodies(encoded([Started(id="a", model="m", created_at=0), Finished(reason=FinishReason.STOP), Ended()]))
    assert rows[1]["usage"] == {"output_tokens": 0}


def test_a_refusal_ends_as_one() -> None:
    """The wire tells it by the reason."""
    events: list[Event] = [
        Started(id="a", model="m", created_at=0),
        RefusalDelta(text="No."),
        Finished(reason=FinishReason.STOP),
        Ended(),
    ]
    assert accumulated(encoded(events)).stop_reason == "refusal"


def test_of_several_choices_the_first_is_written() -> None:
    """A client of this wire cannot ask for several."""
    events: list[Event] = [
        Started(id="a", model="m", created_at=0),
        TextDelta(text="other", choice=1),
        TextDelta(text="first"),
        Finished(reason=FinishReason.LENGTH, choice=1),
        Finished(reason=FinishReason.STOP),
        Ended(),
    ]
    message = accumulated(encoded(events))
    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": "first"}]
    assert message.stop_reason == "end_turn"


@pytest.mark.parametrize("kind", ["overloaded_error", None])
def test_a_failure_of_the_provider_ends_the_stream(kind: str | None) -> None:
    """It is an error event, and nothing follows it."""
    encoder = MessagesEncoder()
    rows = bodies(encoder.encode(Failed(message="m", kind=kind)))
    assert rows == [{"type": "error", "error": {"type": kind or "api_error", "message": "m"}}]
    assert encoder.encode(Ended()) == b""
    assert encoder.error(Overloaded(), "r") == b""


def test_an_error_of_ours_ends_the_stream() -> None:
    """It has the body of an error answer, and nothing follows it."""
    encoder = MessagesEncoder()
    rows = bodies(encoder.error(Overloaded("busy"), "req_1"))
    assert rows[0]["request_id"] == "req_1"
    assert rows[0]["error"] == {"type": "overloaded_error", "message": "busy", "details": {"error_code": "overloaded"}}
    assert encoder.encode(TextDelta(text="a")) == b""


@given(answers())
def test_whole_and_streamed_are_the_same_answer(answer: ChatAnswer) -> None:
    """The same answer written whole and as a stream is the same to our readers and to the official SDK."""
    data = encoded(unfold(answer))
    parser = MessagesParser()
    assert fold(parser.feed(data)) == decode_answer(encode_answer(answer)) == answer
    message = anthropic.types.Message.model_validate_json(encode_answer(answer))
    whole, stream = message.to_dict(), accumulated(data).to_dict()
    for one in (whole, stream):
        # The SDK takes this from the beginning of a stream alone, where it is not known yet.
        cast("dict[str, object]", one["usage"]).pop("cache_creation", None)
    assert {**stream, "stop_details": None} == {**whole, "stop_details": None}


@given(streamed(interleaved=True))
def test_interleaved_calls_lose_nothing(told: tuple[ChatAnswer, list[Event]]) -> None:
    """However the fragments of parallel calls come mixed, blocks follow each other and the answer is whole."""
    answer, events = told
    data = encoded(events)
    open_index: int | None = None
    expected = 0
    for row in bodies(data):
        if row["type"] == "content_block_start":
            assert (open_index, row["index"]) == (None, expected)
            open_index, expected = expected, expected + 1
        elif row["type"] == "content_block_delta":
            assert row["index"] == open_index
        elif row["type"] == "content_block_stop":
            assert row["index"] == open_index
            open_index = None
        else:
            assert open_index is None
    assert fold(MessagesParser().feed(data)) == answer


@given(streamed())
def test_the_usual_order_is_never_held_back(told: tuple[ChatAnswer, list[Event]]) -> None:
    """Each event that says something is written when it comes, but usage and the reason, which wait for the end."""
    encoder = MessagesEncoder()
    calls = [part.id for part in told[0].choices[0].message.parts if isinstance(part, ToolCall)]
    for event in told[1]:
        frames = encoder.encode(event)
        says_something = isinstance(event, Started | Ended | ToolCallStarted) or bool(getattr(event, "text", ""))
        assert frames or not says_something
        if isinstance(event, ToolCallStarted):
            assert calls.pop(0) == event.id
