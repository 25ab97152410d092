"""Streams that pass through: the same bytes, judged as the parser judges them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.types.answers import ChatAnswer
from narthex.types.events import Event
from narthex.wire.contract import MalformedStream, StreamFailed, TruncatedStream
from narthex.wire.openai_responses.scanner import ResponsesScanner
from narthex.wire.openai_responses.stream_encoder import ResponsesEncoder
from tests.wire.anthropic_messages.strategies import pieces_of
from tests.wire.openai_responses import strategies as made
from tests.wire.openai_responses.test_stream_parser import COMPLETED, CREATED, written


def stream_of(events: list[Event]) -> bytes:
    """Write a stream."""
    encoder = ResponsesEncoder()
    return b"".join(encoder.encode(event) for event in events)


@given(made.streamed(), st.data())
def test_every_byte_passes_and_the_end_is_seen(pair: tuple[ChatAnswer, list[Event]], data: st.DataObject) -> None:
    """Whatever the pieces, what comes out is what went in; usage and model are known at the end."""
    answer, events = pair
    raw = stream_of(events)
    scanner = ResponsesScanner()
    passed = b"".join(scanner.feed(piece) for piece in data.draw(pieces_of(raw))) + scanner.close()
    assert passed == raw
    assert scanner.complete
    assert scanner.finished
    assert (scanner.usage, scanner.model) == (answer.usage, answer.model)


@given(made.streamed(), st.data())
def test_a_cut_stream_is_never_whole(pair: tuple[ChatAnswer, list[Event]], data: st.DataObject) -> None:
    """Without its last event it is truncated, or nothing of this dialect."""
    raw = stream_of(pair[1])
    end = raw[:-2].rindex(b"\n\n") + 2
    scanner = ResponsesScanner()
    scanner.feed(raw[: data.draw(st.integers(0, end))])
    with pytest.raises((TruncatedStream, MalformedStream)):
        scanner.close()
    assert not scanner.complete


def test_a_failure_inside_is_raised_with_what_came_before() -> None:
    """The frames before it can still be passed on; itself it is not."""
    before = written(CREATED, {"type": "response.output_text.delta", "delta": "hi"})
    scanner = ResponsesScanner()
    with pytest.raises(StreamFailed) as caught:
        scanner.feed(before + written({"type": "error", "message": "no", "code": "server_error"}))
    assert caught.value.frames == before
    assert caught.value.code == "server_error"


def test_what_is_no_json_is_not_passed_on() -> None:
    """A client would break over it; what is JSON of an unknown kind passes."""
    good = written(CREATED, {"type": "response.web_search_call.searching"}, COMPLETED)
    scanner = ResponsesScanner()
    assert scanner.feed(b"event: response.output_text.done\ndata: {no\n\n" + good) + scanner.close() == good


def test_an_end_that_lacks_only_its_blank_line_counts() -> None:
    """The connection may end with the last event."""
    raw = written(CREATED, COMPLETED)
    scanner = ResponsesScanner()
    assert scanner.feed(raw[:-1]) + scanner.close() == raw
    assert scanner.complete
