"""Events, written for a client as chunks.

https://platform.openai.com/docs/api-reference/chat-streaming

Reasoning goes out twice: as `reasoning_content`, which most clients show, and as `reasoning_details`, OpenRouter's
shape, whose pieces a client puts together and sends back: so signed thinking survives the way through this dialect.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from narthex.errors import NarthexError
from narthex.types.dialects import Dialect
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
from narthex.types.messages import Reasoning
from narthex.wire.openai_chat.errors import encode_error, failed_body
from narthex.wire.openai_chat.message_encoding import reasoning_detail
from narthex.wire.openai_chat.written import Body, annotations_of, finish_word, logprobs_body, usage_body

_dumps = msgspec.json.Encoder().encode


class OpenAIChatEncoder:
    """Writes one streamed answer; see `StreamEncoder`."""

    def __init__(self, *, include_usage: bool) -> None:
        """Start before the first event.

        Args:
            include_usage: Whether the caller asked for usage in the stream.
        """
        self._include_usage = include_usage
        self._prefix = b""
        self._suffix = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._begun: set[int] = set()
        self._refused: set[int] = set()
        self._ordinals: dict[tuple[str, int], dict[int, int]] = {}
        """By kind and choice: the number, among its kind, of each part."""

    def encode(self, event: Event) -> bytes:
        """Return the frames for `event`."""
        if isinstance(event, TextDelta):
            return self._text(event)
        match event:
            case Started():
                self._start(event)
                return b""
            case RefusalDelta() | ReasoningDelta() | ToolCallStarted() | ToolCallDelta():
                return self._delta(event.choice, self._said(event))
            case Finished():
                return self._finish(event)
            case UsageReported():
                return self._usage(event) if self._include_usage else b""
            case Failed():
                return b"data: " + _dumps(failed_body(event)) + b"\n\n"
            case Ended():
                return b"data: [DONE]\n\n"
            case _:
                assert_never(event)

    def error(self, error: NarthexError, request_id: str) -> bytes:
        """Return the frame that ends the stream with an error; no `[DONE]` follows it."""
        return b"data: " + encode_error(error, request_id) + b"\n\n"

    def _start(self, event: Started) -> None:
        head: Body = {
            "id": event.id,
            "object": "chat.completion.chunk",
            "created": event.created_at,
            "model": event.model,
        }
        if event.extra_dialect is Dialect.OPENAI_CHAT:
            head |= event.extra
        self._prefix = b"data: " + _dumps(head)[:-1] + b',"choices":['

    def _begin(self, choice: int) -> bytes:
        """Write the chunk with the role, which comes before the first thing that a choice says."""
        self._begun.add(choice)
        return self._chunk(choice, b'{"role":"assistant","content":"","refusal":null}')

    def _text(self, event: TextDelta) -> bytes:
        if event.choice in self._begun and event.logprobs is None and not event.citations:
            # What nearly every event is.
            return (
                self._prefix
                + b'{"index":%d,"delta":{"content":' % event.choice
                + _dumps(event.text)
                + b'},"logprobs":null,"finish_reason":null}]'
                + self._suffix
            )
        delta: Body = {"content": event.text}
        annotations = annotations_of(event.citations)
        if annotations:
            delta["annotations"] = annotations
        logprobs = b"null" if event.logprobs is None else _dumps(logprobs_body(event.logprobs))
        return self._delta(event.choice, delta, logprobs)

    def _said(self, event: RefusalDelta | ReasoningDelta | ToolCallStarted | ToolCallDelta) -> Body:
        match event:
            case RefusalDelta():
                self._refused.add(event.choice)
                return {"refusal": event.text}
            case ReasoningDelta():
                return self._reasoning(event)
            case ToolCallStarted():
                call = {"id": event.id, "type": "function", "function": {"name": event.name, "arguments": ""}}
            case ToolCallDelta():
                call = {"function": {"arguments": event.arguments}}
            case _:
                assert_never(event)
        return {"tool_calls": [{"index": self._ordinal("tool_call", event.choice, event.part)} | call]}

    def _reasoning(self, event: ReasoningDelta) -> Body:
        part = Reasoning(text=event.text, signature=event.signature, redacted=event.redacted)
        delta: Body = {"reasoning_content": event.text} if event.text else {}
        delta["reasoning_details"] = [reasoning_detail(part, self._ordinal("reasoning", event.choice, event.part))]
        return delta

    def _finish(self, event: Finished) -> bytes:
        word = finish_word(event.reason, refused=event.choice in self._refused)
        finish = b'"%b"' % word.encode()
        if event.stop_sequence is not None:
            finish += b',"stop_reason":' + _dumps(event.stop_sequence)
        begin = b"" if event.choice in self._begun else self._begin(event.choice)
        chunk = self._chunk(event.choice, b"{}", finish=finish)
        if event.told is not None:
            chunk = chunk.removesuffix(b"}\n\n") + b',"narthex":' + _dumps(event.told) + b"}\n\n"
        return begin + chunk

    def _usage(self, event: UsageReported) -> bytes:
        return self._prefix + b'],"usage":' + _dumps(usage_body(event.usage)) + b"}\n\n"

    def _delta(self, choice: int, delta: Body, logprobs: bytes = b"null") -> bytes:
        begin = b"" if choice in self._begun else self._begin(choice)
        return begin + self._chunk(choice, _dumps(delta), logprobs=logprobs)

    def _chunk(self, choice: int, delta: bytes, *, logprobs: bytes = b"null", finish: bytes = b"null") -> bytes:
        body = b'{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}]' % (choice, delta, logprobs, finish)
        return self._prefix + body + self._suffix

    def _ordinal(self, kind: str, choice: int, part: int) -> int:
        ordinals = self._ordinals.setdefault((kind, choice), {})
        return ordinals.setdefault(part, len(ordinals))
