"""Writes a streamed answer for a client.

Of several choices only the first can be carried; events of others are passed over, as `encode_answer` does. The usage
of the input stands in `message_start` where the provider tells it so early, and all of it in `message_delta`, which is
written when the answer has ended.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from narthex.errors import NarthexError
from narthex.types.answers import FinishReason
from narthex.types.events import (
    Ended,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.answer import message_head
from narthex.wire.anthropic_messages.errors import encode_error, encode_failure
from narthex.wire.anthropic_messages.schema import Json
from narthex.wire.anthropic_messages.stop_reasons import stop_reason
from narthex.wire.anthropic_messages.stream_sequence import BlockSequence
from narthex.wire.anthropic_messages.usage import written_usage
from narthex.wire.sse import encode_event

_MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class MessagesEncoder:
    """Writes one streamed answer."""

    __slots__ = ("_blocks", "_finished", "_over", "_refused", "_usage")

    def __init__(self) -> None:
        self._blocks = BlockSequence()
        self._finished = Finished(reason=FinishReason.STOP)
        self._refused = False
        self._usage: Usage | None = None
        self._over = False

    def encode(self, event: Event) -> bytes:
        """Return the frames for `event`: none, one or several."""
        if self._over:
            return b""
        match event:
            case TextDelta() | RefusalDelta() | ReasoningDelta() | ToolCallStarted() | ToolCallDelta():
                return self._delta(event)
            case Started():
                return _frame(
                    "message_start", message=message_head(event.id, event.model, event.input_usage or Usage())
                )
            case Finished():
                return self._finish(event)
            case UsageReported():
                self._usage = event.usage
                return b""
            case Failed():
                self._over = True
                return encode_event(encode_failure(event.message, event.kind), "error")
            case Ended():
                return self._end()
            case _:
                assert_never(event)

    def error(self, error: NarthexError, request_id: str) -> bytes:
        """Return the frame that ends the stream with an error instead of an end; none once it has ended."""
        if self._over:
            return b""
        self._over = True
        return encode_event(encode_error(error, request_id), "error")

    def _delta(self, event: TextDelta | RefusalDelta | ReasoningDelta | ToolCallStarted | ToolCallDelta) -> bytes:
        if event.choice != 0:
            return b""
        if isinstance(event, RefusalDelta):
            self._refused = True
        return self._blocks.add(event)

    def _finish(self, event: Finished) -> bytes:
        if event.choice != 0:
            return b""
        self._finished = event
        return self._blocks.close()

    def _end(self) -> bytes:
        self._over = True
        reason = stop_reason(self._finished.reason, refused=self._refused)
        delta: Json = {"stop_reason": reason, "stop_sequence": self._finished.stop_sequence}
        usage: Json = {"output_tokens": 0} if self._usage is None else written_usage(self._usage)
        told: Json = {} if self._finished.told is None else {"narthex": self._finished.told}
        return self._blocks.close() + _frame("message_delta", delta=delta, usage=usage, **told) + _MESSAGE_STOP


def _frame(kind: str, **fields: object) -> bytes:
    return encode_event(msgspec.json.encode({"type": kind, **fields}), kind)
