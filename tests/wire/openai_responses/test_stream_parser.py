"""Streams of providers: the same events wherever they are cut, and no end that is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.types.answers import ChatAnswer, FinishReason
from narthex.types.events import Ended, Event, Failed, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStarted
from narthex.types.folding import fold
from narthex.wire.contract import MalformedStream, TruncatedStream
from narthex.wire.openai_responses.stream_encoder import ResponsesEncoder
from narthex.wire.openai_responses.stream_parser import ResponsesParser
from tests.wire.anthropic_messages.strategies import pieces_of
from tests.wire.openai_responses import strategies as made


def written(*bodies: dict[str, object]) -> bytes:
    """Write events as a provider does."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (str(one["type"]).encode(), json.dumps(one).encode()) for one in bodies
    )


def read(raw: bytes) -> list[Event]:
    """Read a whole stream."""
    parser = ResponsesParser()
    return [*parser.feed(raw), *parser.close()]


CREATED: dict[str, object] = {
    "type": "response.created",
    "response": {"id": "resp_1", "model": "m", "status": "in_progress"},
}
COMPLETED: dict[str, object] = {
    "type": "response.completed",
    "response": {"id": "resp_1", "status": "completed", "usage": {"input_tokens": 2, "output_tokens": 1}},
}


@given(made.streamed(), st.data())
def test_a_stream_is_read_alike_wherever_it_is_cut(pair: tuple[ChatAnswer, list[Event]], data: st.DataObject) -> None:
    """Any division into pieces tells the answer that was written."""
    answer, events = pair
    encoder = ResponsesEncoder()
    raw = b"".join(encoder.encode(event) for event in events)
    parser = ResponsesParser()
    again = [event for piece in data.draw(pieces_of(raw)) for event in parser.feed(piece)] + parser.close()
    assert made.plain(fold(again)) == made.plain(answer)
    assert parser.skipped == 0


@given(made.streamed(), st.data())
def test_no_beginning_of_a_stream_is_taken_for_a_whole(
    pair: tuple[ChatAnswer, list[Event]], data: st.DataObject
) -> None:
    """Cut anywhere before its last event, it is truncated, or not known for what it is."""
    encoder = ResponsesEncoder()
    frames = [frame + b"\n\n" for event in pair[1] for frame in encoder.encode(event).split(b"\n\n")[:-1]]
    raw = b"".join(frames[:-1]) + frames[-1][: data.draw(st.integers(0, len(frames[-1]) - 10))]
    cut = raw[: data.draw(st.integers(0, len(raw)))]
    parser = ResponsesParser()
    events = parser.feed(cut)
    assert not any(isinstance(event, Ended) for event in events)
    with pytest.raises((TruncatedStream, MalformedStream)):
        parser.close()


def test_thoughts_of_several_summaries_are_told_apart() -> None:
    """Between two summaries of one thought stands a blank line; what is sealed comes at its end."""
    raw = written(
        CREATED,
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "one"},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 1, "delta": "two"},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {"type": "reasoning", "id": "rs_1", "encrypted_content": "sealed"},
        },
        COMPLETED,
    )
    thoughts = [event for event in read(raw) if isinstance(event, ReasoningDelta)]
    assert ("".join(one.text for one in thoughts), thoughts[-1].signature) == ("one\n\ntwo", "sealed")


def test_a_call_told_only_as_a_whole_item_keeps_its_arguments() -> None:
    """Some servers send no deltas of arguments."""
    item = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
    raw = written(CREATED, {"type": "response.output_item.done", "output_index": 0, "item": item}, COMPLETED)
    events = read(raw)
    assert ToolCallStarted(id="c1", name="f") in events
    assert ToolCallDelta(arguments='{"a":1}') in events
    assert fold(events).choices[0].finish_reason is FinishReason.TOOL_CALLS


def test_one_malformed_event_is_skipped() -> None:
    """The rest of a healthy stream counts."""
    raw = written(CREATED) + b"event: response.output_text.delta\ndata: {nonsense\n\n"
    raw += written({"type": "response.output_text.delta", "delta": "hi"}, COMPLETED)
    parser = ResponsesParser()
    events = [*parser.feed(raw), *parser.close()]
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["hi"]
    assert parser.skipped == 1


@pytest.mark.parametrize(
    ("event", "message", "code"),
    [
        ({"type": "error", "message": "slow down", "code": "rate_limit_exceeded"}, "slow down", "rate_limit_exceeded"),
        ({"type": "error", "error": {"message": "no", "code": 500}}, "no", "500"),
        (
            {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "broke"}}},
            "broke",
            "server_error",
        ),
        ({"type": "response.failed"}, "the provider failed", None),
    ],
)
def test_failures_are_told_in_the_providers_words(event: dict[str, object], message: str, code: str | None) -> None:
    """Each shape of them, and nothing is read after it."""
    events = read(written(CREATED, event, COMPLETED))
    assert isinstance(events[-1], Failed)
    assert (events[-1].message, events[-1].code) == (message, code)


def test_a_stream_of_something_else_is_malformed() -> None:
    """Another dialect is not a truncated answer of this one."""
    parser = ResponsesParser()
    parser.feed(b'data: {"choices":[]}\n\n')
    with pytest.raises(MalformedStream):
        parser.close()
