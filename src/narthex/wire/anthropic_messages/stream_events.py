"""Reads one event of a stream."""

from __future__ import annotations

import msgspec

from narthex.types.events import Failed
from narthex.wire.anthropic_messages.errors import error_words
from narthex.wire.anthropic_messages.schema import ErrorBody, ErrorDetails, StreamEvent
from narthex.wire.sse import SseEvent

_UNEXPLAINED = "the provider failed inside the stream"
_EVENT = msgspec.json.Decoder(StreamEvent)


class MalformedEvent(ValueError):
    """An event is not what its type says."""


def read_event(frame: SseEvent) -> StreamEvent:
    """Read one event; its type is the one in its data, except that `event: error` always is an error.

    Raises:
        MalformedEvent: Its data is not an event of this dialect.
    """
    if frame.event == "error":
        message, code, kind = error_words(frame.data)
        said = message or frame.data.decode("utf-8", "replace") or _UNEXPLAINED
        return StreamEvent(type="error", error=_error(said, code, kind))
    try:
        return _EVENT.decode(frame.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedEvent(str(error)) from error


def failure_of(event: StreamEvent) -> Failed:
    """Return what an event of type `error` says."""
    error = event.error
    if error is None:
        return Failed(message=_UNEXPLAINED)
    code = None if error.details is None else error.details.error_code
    return Failed(message=error.message or _UNEXPLAINED, code=code, kind=error.type)


def _error(message: str, code: str | None, kind: str | None) -> ErrorBody:
    details = None if code is None else ErrorDetails(error_code=code)
    return ErrorBody(type=kind, message=message, details=details)
