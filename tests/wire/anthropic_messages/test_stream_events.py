"""Single events of a stream."""

from __future__ import annotations

import pytest

from narthex.types.events import Failed
from narthex.wire.anthropic_messages.stream_events import MalformedEvent, failure_of, read_event
from narthex.wire.sse import SseEvent


def test_the_type_is_the_one_in_the_data() -> None:
    """The name before the data may be missing or wrong."""
    assert read_event(SseEvent(None, b'{"type": "ping"}')).type == "ping"
    assert read_event(SseEvent("pong", b'{"type": "ping"}')).type == "ping"


def test_an_event_named_error_is_one() -> None:
    """Whatever its data, even none that can be read."""
    assert failure_of(read_event(SseEvent("error", b"\xff"))) == Failed(message="\ufffd")
    assert failure_of(read_event(SseEvent("error", b""))).message
    said = b'{"error": {"type": "t", "message": "m", "details": {"error_code": "c"}}}'
    assert failure_of(read_event(SseEvent("error", said))) == Failed(message="m", code="c", kind="t")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"type": 3}', b'{"type": "ping", "index": "x"}', b"[" * 90_000, b"\xff"]
)
def test_data_that_is_no_event_is_malformed(data: bytes) -> None:
    """No type, another shape, no JSON."""
    with pytest.raises(MalformedEvent):
        read_event(SseEvent(None, data))
