"""What is needed of an answer to write it down as a response when it has ended."""

from __future__ import annotations

from typing import Final

import msgspec

from narthex.errors import Cancelled
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Frame, Stream
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.wire.openai_responses.kept import RawJson
from narthex.wire.openai_responses.stream_encoder import ResponsesEncoder
from narthex.wire.sse import SseParser

_EVENT_BYTES: Final = 96
"""What an event takes up beside its text."""


class _Event(msgspec.Struct):
    response: RawJson | None = None


_decode = msgspec.json.Decoder(_Event).decode
_encode = msgspec.json.Encoder().encode


class Transcript:
    """An answer to a call of the responses API, as it is given.

    Attributes:
        exchange: The call.
        bytes: What was taken in, roughly.
        is_too_large: Whether there was more than fits, of which nothing is left then.
    """

    def __init__(self, exchange: Exchange, limit_bytes: int) -> None:
        """Begin to take in the answer to a call.

        Args:
            exchange: The call; its answer is there, and nobody has read any of it yet.
            limit_bytes: Most that is taken in.
        """
        answer = exchange.answer
        assert answer is not None
        self.exchange = exchange
        self.bytes = 0
        self.is_too_large = False
        self._answer: Stream = answer
        self._limit_bytes = limit_bytes
        self._events: list[Event] = []
        self._first = self._last = b""
        if answer.whole:
            self.bytes = answer.bytes_total
        else:
            answer.tap(self._take)

    def response(self) -> bytes | None:
        """Return the response, once the answer has ended; None if there is none to be seen in it."""
        if self._answer.whole:
            return self._answer.body
        if self._answer.dialect is Dialect.OPENAI_RESPONSES:
            return self._passed()
        encoder = ResponsesEncoder(self.exchange.chat_request())
        for event in self._events:
            encoder.encode(event)
        error = self._answer.error
        if error is not None:
            encoder.error(error, self.exchange.id)
        told = encoder.response
        if isinstance(error, Cancelled):
            told |= {"status": "cancelled", "error": None}
        return _encode(told) if "id" in told else None

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, bytes):
            # Each end of a response tells the whole of it.
            self._first = self._first or frame
            self._last = frame
            self.bytes = len(self._first) + len(frame)
        elif not self.is_too_large:
            self._events.append(frame)
            self.bytes += _EVENT_BYTES + _said_bytes(frame)
        if self.bytes > self._limit_bytes:
            self.is_too_large = True
            self._events.clear()

    def _passed(self) -> bytes | None:
        """Return the response in frames that passed through: the last that was told, failed if it broke off."""
        told = _last_response(self._last) or _last_response(self._first)
        error = self._answer.error
        if told is not None and error is not None:
            is_cancelled = isinstance(error, Cancelled)
            said = None if is_cancelled else {"code": error.code, "message": error.message}
            told |= {
                "status": msgspec.Raw(b'"cancelled"' if is_cancelled else b'"failed"'),
                "error": msgspec.Raw(_encode(said)),
            }
        return None if told is None else _encode(told)


def _said_bytes(event: Event) -> int:
    said = getattr(event, "text", None) or getattr(event, "arguments", None) or getattr(event, "redacted", None) or ""
    return len(said)


def _last_response(frames: bytes) -> RawJson | None:
    told: RawJson | None = None
    for sse in SseParser().feed(frames):
        try:
            told = _decode(sse.data).response or told
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return told
