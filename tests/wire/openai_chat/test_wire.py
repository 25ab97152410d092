"""The dialect as one object, from a client's request to its answer."""

from __future__ import annotations

from narthex.errors import Failure, InvalidRequest
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, TextDelta
from narthex.types.usage import Usage
from narthex.wire.openai_chat import OPENAI_CHAT

REQUEST = b'{"model":"ours","messages":[{"role":"user","content":"hi"}],"stream":true}'
STREAM = (
    b'data: {"id":"c","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
    b'data: {"id":"c","created":7,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"c","created":7,"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)
WHOLE = (
    b'{"id":"c","created":7,"model":"m","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2}}'
)


def test_names_its_dialect() -> None:
    """The registry files it under this name."""
    assert OPENAI_CHAT.dialect is Dialect.OPENAI_CHAT


def test_a_streamed_dialogue() -> None:
    """Request in, request out, stream in, stream out: the client reads what the provider said."""
    request = OPENAI_CHAT.decode_request(REQUEST)
    assert b'"model":"theirs"' in OPENAI_CHAT.encode_request(request, model="theirs").body
    parser, encoder = OPENAI_CHAT.parser(), OPENAI_CHAT.encoder(request)
    events: list[Event] = parser.feed(STREAM)
    written = b"".join(encoder.encode(event) for event in events)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["hi"]
    assert events[-1] == Ended()
    assert b"usage" not in written
    assert written.endswith(b"data: [DONE]\n\n")


def test_a_passing_dialogue() -> None:
    """A watched stream passes, without the usage that the client did not ask for."""
    scanner = OPENAI_CHAT.scanner(hide_usage=True)
    assert b"usage" not in scanner.feed(STREAM)
    assert (scanner.complete, scanner.model, scanner.usage) == (True, "m", Usage(input_tokens=1, output_tokens=2))


def test_a_whole_dialogue() -> None:
    """A whole answer is read, written and looked over."""
    answer = OPENAI_CHAT.decode_answer(WHOLE)
    assert OPENAI_CHAT.decode_answer(OPENAI_CHAT.encode_answer(answer)) == answer
    assert OPENAI_CHAT.scan_answer(WHOLE).usage == answer.usage


def test_errors_both_ways() -> None:
    """Ours are written in the dialect's shape, a provider's are classified."""
    assert b'"request_id":"r"' in OPENAI_CHAT.encode_error(InvalidRequest("x"), "r")
    error = OPENAI_CHAT.decode_error(b"{}", status=429, provider="up", retry_after_s=1.0)
    assert (error.failure, error.retry_after_s) == (Failure.RATE_LIMITED, 1.0)
