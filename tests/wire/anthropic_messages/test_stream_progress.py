"""How far a streamed answer has come."""

from __future__ import annotations

import pytest

from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.schema import Delta, StreamEvent, WireAnswer, WireUsage
from narthex.wire.anthropic_messages.stream_events import MalformedEvent
from narthex.wire.anthropic_messages.stream_progress import StreamProgress
from narthex.wire.contract import MalformedStream, TruncatedStream

BEGINNING = StreamEvent(type="message_start", message=WireAnswer(type="message", usage=WireUsage(input_tokens=5)))


def ending(reason: str | None, usage: WireUsage | None = None) -> StreamEvent:
    """A `message_delta`."""
    return StreamEvent(type="message_delta", delta=Delta(stop_reason=reason), usage=usage)


def test_the_beginning_counts_once() -> None:
    """A second `message_start` changes nothing."""
    progress = StreamProgress()
    assert progress.begin(BEGINNING) is BEGINNING.message
    assert progress.begin(BEGINNING) is None
    assert progress.usage_so_far() == Usage(input_tokens=5)
    assert progress.final_usage() is None


def test_the_reason_is_told_once_and_usage_to_the_last() -> None:
    """Later totals replace earlier ones, also behind the reason."""
    progress = StreamProgress()
    progress.begin(BEGINNING)
    assert progress.advance(ending(None, WireUsage(output_tokens=1))) is None
    assert not progress.finished
    assert progress.advance(ending("end_turn")) == "end_turn"
    assert progress.advance(ending("refusal", WireUsage(output_tokens=7))) is None
    assert progress.final_usage() == Usage(input_tokens=5, output_tokens=7)


def test_events_without_their_content_are_malformed() -> None:
    """And change nothing."""
    progress = StreamProgress()
    with pytest.raises(MalformedEvent):
        progress.begin(StreamEvent(type="message_start"))
    with pytest.raises(MalformedEvent):
        progress.advance(StreamEvent(type="message_delta", usage=WireUsage(output_tokens=1)))
    assert progress.usage_so_far() is None


def test_a_cut_stream_is_told_apart_from_another_dialect() -> None:
    """By whether any event of this one was seen."""
    progress = StreamProgress()
    assert isinstance(progress.broken(), MalformedStream)
    progress.known = True
    assert isinstance(progress.broken(), TruncatedStream)
