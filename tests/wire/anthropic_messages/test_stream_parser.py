"""Streams of providers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.types.answers import ChatAnswer, FinishReason
from narthex.types.events import (
    Ended,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.folding import fold
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.answer import decode_answer, encode_answer
from narthex.wire.anthropic_messages.stream_encoder import MessagesEncoder
from narthex.wire.anthropic_messages.stream_parser import MessagesParser
from narthex.wire.contract import BrokenStream, MalformedStream, TruncatedStream
from narthex.wire.sse import encode_event
from tests.wire.anthropic_messages.strategies import pieces_of, streamed

START: dict[str, object] = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1},
    },
}
END: dict[str, object] = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
    "usage": {"output_tokens": 20},
}
STOP: dict[str, object] = {"type": "message_stop"}
BEGUN = Started(
    id="msg_1",
    model="claude-sonnet-4-5",
    created_at=0,
    input_usage=Usage(input_tokens=15, output_tokens=1, cache_read_tokens=5),
)
TOTAL = UsageReported(usage=Usage(input_tokens=15, output_tokens=20, cache_read_tokens=5))
DONE: list[Event] = [Finished(reason=FinishReason.STOP), TOTAL, Ended()]


def frame(event: dict[str, object]) -> bytes:
    """Write an event as the provider does."""
    return encode_event(json.dumps(event).encode(), str(event["type"]))


def frames(*events: dict[str, object]) -> bytes:
    """Write several."""
    return b"".join(frame(event) for event in events)


def block(content: dict[str, object], index: int = 0) -> dict[str, object]:
    """The beginning of a block."""
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(content: dict[str, object], index: int = 0) -> dict[str, object]:
    """More of a block."""
    return {"type": "content_block_delta", "index": index, "delta": content}


def stop(index: int = 0) -> dict[str, object]:
    """The end of a block."""
    return {"type": "content_block_stop", "index": index}


def text(value: str, index: int = 0) -> dict[str, object]:
    """More text."""
    return delta({"type": "text_delta", "text": value}, index)


TEXT = block({"type": "text", "text": ""})


def read(data: bytes) -> list[Event]:
    """Read a stream to its end."""
    parser = MessagesParser()
    return parser.feed(data) + parser.close()


EVERY_KIND = frames(
    START,
    block({"type": "thinking", "thinking": "", "signature": ""}),
    {"type": "ping"},
    delta({"type": "thinking_delta", "thinking": "Hm"}),
    delta({"type": "signature_delta", "signature": "sig"}),
    stop(),
    block({"type": "redacted_thinking", "data": "xx"}, 1),
    stop(1),
    block({"type": "text", "text": ""}, 2),
    text("Hi", 2),
    delta({"type": "citations_delta", "citation": {"type": "c"}}, 2),
    stop(2),
    block({"type": "tool_use", "id": "t1", "name": "f", "input": {}}, 3),
    delta({"type": "input_json_delta", "partial_json": ""}, 3),
    delta({"type": "input_json_delta", "partial_json": '{"a": '}, 3),
    delta({"type": "input_json_delta", "partial_json": "1}"}, 3),
    stop(3),
    END,
    STOP,
)


def test_reads_a_stream_of_every_kind_of_block() -> None:
    """Thinking, text with sources and a call in fragments become events of parts numbered in order."""
    assert read(EVERY_KIND) == [
        BEGUN,
        ReasoningDelta(text="Hm"),
        ReasoningDelta(signature="sig"),
        ReasoningDelta(redacted="xx", part=1),
        TextDelta(text="Hi", part=2),
        TextDelta(text="", citations=({"type": "c"},), part=2),
        ToolCallStarted(id="t1", name="f", part=3),
        ToolCallDelta(arguments='{"a": ', part=3),
        ToolCallDelta(arguments="1}", part=3),
        *DONE,
    ]


def test_the_providers_own_tools_at_work_are_left_out() -> None:
    """Blocks of unknown types and events of unknown types say nothing, and are not malformed."""
    parser = MessagesParser()
    events = parser.feed(
        frames(
            START,
            block({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
            delta({"type": "input_json_delta", "partial_json": '{"query": "x"}'}),
            stop(),
            block({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}, 1),
            stop(1),
            {"type": "hologram_start", "angle": 3},
            block({"type": "text", "text": ""}, 2),
            text("Found.", 2),
            delta({"type": "sparkle_delta"}, 2),
            stop(2),
            END,
            STOP,
        )
    )
    assert events == [BEGUN, TextDelta(text="Found."), *DONE]
    assert parser.skipped == 0


@pytest.mark.parametrize(
    ("start", "arguments"), [({}, "{}"), ({"a": 1}, '{"a": 1}'), (None, "{}")], ids=["none", "at once", "null"]
)
def test_arguments_that_come_with_the_beginning_are_kept(start: object, arguments: str) -> None:
    """Some servers send a tool's input in one piece; a tool without input has an empty object, as in a whole answer."""
    call = block({"type": "tool_use", "id": "t", "name": "f", "input": start})
    events = [BEGUN, ToolCallStarted(id="t", name="f"), ToolCallDelta(arguments=arguments), *DONE]
    assert read(frames(START, call, stop(), END, STOP)) == events
    assert read(frames(START, call, END, STOP)) == events


def test_content_in_the_beginning_of_a_block_is_kept() -> None:
    """Some servers put the first words there."""
    thinking = block({"type": "thinking", "thinking": "Hm", "signature": "s"})
    assert read(frames(START, thinking, stop(), block({"type": "text", "text": "Hi"}, 1), END, STOP)) == [
        BEGUN,
        ReasoningDelta(text="Hm", signature="s"),
        TextDelta(text="Hi", part=1),
        *DONE,
    ]


def test_empty_blocks_are_no_parts() -> None:
    """A block that says nothing gets no number, so the parts are those of the whole answer."""
    empty = [
        block({"type": "text", "text": ""}),
        text(""),
        stop(),
        block({"type": "thinking", "thinking": ""}, 1),
        stop(1),
    ]
    assert read(frames(START, *empty, block({"type": "text"}, 2), text("a", 2), END, STOP)) == [
        BEGUN,
        TextDelta(text="a"),
        *DONE,
    ]


def test_the_last_totals_count() -> None:
    """`message_delta` may come several times, and may say more than the output."""
    early: dict[str, object] = {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 3}}
    late = {**END, "usage": {"input_tokens": 11, "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 9}}}
    events = read(frames(START, early, END, late, STOP))
    usage = Usage(input_tokens=16, output_tokens=30, cache_read_tokens=5, reasoning_tokens=9)
    assert events == [BEGUN, Finished(reason=FinishReason.STOP), UsageReported(usage=usage), Ended()]


def test_usage_of_the_beginning_is_not_that_of_the_answer() -> None:
    """A stream whose end tells no usage reports none, for what was told is too low."""
    end: dict[str, object] = {"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "X"}}
    finished = Finished(reason=FinishReason.STOP_SEQUENCE, stop_sequence="X")
    assert read(frames(START, end, STOP)) == [BEGUN, finished, Ended()]


def test_an_answer_is_whole_with_its_reason_even_unclosed() -> None:
    """All that a lost `message_stop` takes away is made up for when the connection ends."""
    parser = MessagesParser()
    assert parser.feed(frames(START, END)) == [BEGUN, Finished(reason=FinishReason.STOP)]
    assert parser.close() == [TOTAL, Ended()]
    assert parser.close() == []


@pytest.mark.parametrize(
    "data", [frames(START), frames(START, TEXT, text("a"), stop()), frames(START, STOP), frames({"type": "ping"})]
)
def test_an_answer_without_a_reason_is_truncated(data: bytes) -> None:
    """However much came, an answer that does not say why it ended has no end."""
    with pytest.raises(TruncatedStream):
        read(data)


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"data: {}\n\n", b'data: {"object": "chat.completion.chunk"}\n\ndata: [DONE]\n\n']
)
def test_what_is_no_stream_of_this_dialect_is_malformed(data: bytes) -> None:
    """Another dialect, or a page, is told apart from an answer that was cut."""
    with pytest.raises(MalformedStream):
        read(data)


def test_a_malformed_event_is_skipped_and_counted() -> None:
    """One bad event does not spoil the answer around it."""
    parser = MessagesParser()
    bad = [
        b"event: content_block_delta\ndata: {not json}\n\n",
        b"data: \xff\n\n",
        frame({"type": "content_block_start", "index": 7}),
        frame({"type": "content_block_delta", "index": 0}),
        frame({"type": "message_delta"}),
        frame({"type": "message_start"}),
        frame(block({"type": "tool_use", "id": "x"}, 8)),
        frame(delta({"type": "input_json_delta", "partial_json": "{"}, 9)),
        frame(block({"type": "tool_use", "id": "a", "name": "f", "input": "?"})).replace(b"?", b"\xff"),
    ]
    events = parser.feed(frames(START, TEXT, text("a")) + b"".join(bad) + frames(text("b"), stop(), END, STOP))
    assert events == [BEGUN, TextDelta(text="a"), TextDelta(text="b"), *DONE]
    assert parser.skipped == len(bad)


def test_a_lost_beginning_is_made_up_for() -> None:
    """Words whose `message_start` or `content_block_start` was lost are still words."""
    data = frames(text("a"), delta({"type": "thinking_delta", "thinking": "t"}, 1), START, END, STOP)
    assert read(data) == [
        Started(id="", model="", created_at=0),
        TextDelta(text="a"),
        ReasoningDelta(text="t", part=1),
        *DONE,
    ]


@pytest.mark.parametrize(
    ("data", "failed"),
    [
        (
            frame({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            Failed(message="Overloaded", kind="overloaded_error"),
        ),
        (
            b'data: {"type": "error", "error": {"message": "m", "details": {"error_code": "c"}}}\n\n',
            Failed(message="m", code="c"),
        ),
        (
            b'event: error\ndata: {"error": {"type": "t", "message": "m", "details": {"error_code": "c"}}}\n\n',
            Failed(message="m", code="c", kind="t"),
        ),
        (b"event: error\ndata: gone\n\n", Failed(message="gone")),
        (b'data: {"type": "error"}\n\n', Failed(message="the provider failed inside the stream")),
        (b'data: {"type": "error", "error": {}}\n\n', Failed(message="the provider failed inside the stream")),
    ],
)
def test_a_failure_inside_the_stream_is_told_and_is_the_end(data: bytes, failed: Failed) -> None:
    """In whatever shape it comes, nothing follows it."""
    parser = MessagesParser()
    assert parser.feed(frames(START) + data + frames(END, STOP)) == [BEGUN, failed]
    assert parser.feed(frames(END)) == []
    assert parser.close() == []


def test_nothing_follows_the_end() -> None:
    """What comes behind `message_stop` is not part of the answer."""
    parser = MessagesParser()
    assert parser.feed(frames(START, END, STOP, text("more"))) == [BEGUN, *DONE]
    assert parser.feed(frames(text("more"))) == []


@given(st.data())
def test_pieces_cut_anywhere_make_the_same_answer(data: st.DataObject) -> None:
    """Split at any byte, in any line ending, a stream folds into the whole answer that it tells."""
    answer, events = data.draw(streamed())
    encoder = MessagesEncoder()
    whole = b"".join(encoder.encode(event) for event in events)
    whole = whole.replace(b"\n", data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"])))
    parser = MessagesParser()
    read_back = [event for piece in data.draw(pieces_of(whole)) for event in parser.feed(piece)]
    read_back += parser.close()
    assert parser.skipped == 0
    assert fold(read_back) == answer == decode_answer(encode_answer(answer))


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_random_bytes_raise_nothing_undocumented(pieces: list[bytes]) -> None:
    """Noise is no answer, and never ends as one."""
    parser = MessagesParser()
    for piece in pieces:
        assert not any(isinstance(event, Ended) for event in parser.feed(piece))
    with pytest.raises(BrokenStream):
        parser.close()


@given(st.data())
def test_a_damaged_stream_raises_nothing_undocumented(data: st.DataObject) -> None:
    """A stream with a few bytes changed or lost is read as far as it goes, or is broken."""
    _, events = data.draw(streamed())
    encoder = MessagesEncoder()
    whole = bytearray(b"".join(encoder.encode(event) for event in events))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        if data.draw(st.booleans()):
            whole[place] = data.draw(st.integers(0, 255))
        else:
            del whole[place]
    parser = MessagesParser()
    read_back = parser.feed(bytes(whole))
    try:
        read_back += parser.close()
    except BrokenStream:
        return
    assert isinstance(read_back[-1], Ended | Failed)
    assert isinstance(read_back[0], Started | Failed)


@given(streamed(), st.data())
def test_no_cut_stream_is_taken_for_whole(told: tuple[ChatAnswer, list[Event]], data: st.DataObject) -> None:
    """Cut anywhere before its reason, an answer is broken; cut after it, it is whole."""
    encoder = MessagesEncoder()
    whole = b"".join(encoder.encode(event) for event in told[1])
    reason = whole.index(b"event: message_delta")
    reason_end = whole.index(b"\n\n", reason) + 2
    cut = data.draw(st.integers(0, len(whole)))
    parser = MessagesParser()
    events = parser.feed(whole[:cut])
    if cut < reason_end:
        with pytest.raises(BrokenStream):
            parser.close()
    else:
        assert fold(events + parser.close()) == told[0]
