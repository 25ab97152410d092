"""Puts the parts of a streamed answer into blocks that follow each other, which this wire demands.

Inside, parts may interleave: providers send the arguments of parallel tool calls mixed. A block once closed cannot go
on, so a tool call is closed only when its arguments are a whole JSON object; what begins before that waits, and follows
when it is. Text and thinking close when the next part begins, so nothing is held back in the usual order; should such a
part go on later, it goes on in a new block.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from narthex.types.events import ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta, ToolCallStarted
from narthex.wire.anthropic_messages.content_encode import own_citations, tool_id
from narthex.wire.anthropic_messages.schema import Json
from narthex.wire.sse import encode_event

Delta = TextDelta | RefusalDelta | ReasoningDelta | ToolCallStarted | ToolCallDelta

_OBJECT = msgspec.json.Decoder(dict[str, object])
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%b}\n\n'
_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_TEXT: Json = {"type": "text", "text": ""}
_THINKING: Json = {"type": "thinking", "thinking": "", "signature": ""}


class BlockSequence:
    """Writes the blocks of one choice, one after the other."""

    __slots__ = ("_arguments", "_index", "_is_tool", "_part", "_waiting")

    def __init__(self) -> None:
        self._index = -1
        self._part: int | None = None
        self._is_tool = False
        self._arguments: list[str] = []
        self._waiting: dict[int, list[Delta]] = {}

    def add(self, delta: Delta) -> bytes:
        """Return the frames for `delta`: none while it has to wait, more when others waited for it."""
        if delta.part == self._part:
            frames = self._write(delta)
            return frames + self._release() if self._waiting else frames
        if delta.part in self._waiting or not self._may_close():
            self._waiting.setdefault(delta.part, []).append(delta)
            return b""
        return self._write(delta)

    def close(self) -> bytes:
        """Return the frames that are still to come: nothing more belongs to any block."""
        frames = b"".join(self._write(delta) for deltas in self._waiting.values() for delta in deltas)
        self._waiting.clear()
        return frames + self._close_block()

    def _release(self) -> bytes:
        """Write what waited, up to the next tool call whose arguments are not whole."""
        frames = b""
        while self._waiting and self._may_close():
            part = next(iter(self._waiting))
            frames += b"".join(self._write(delta) for delta in self._waiting.pop(part))
        return frames

    def _may_close(self) -> bool:
        if not self._is_tool:
            return True
        try:
            _OBJECT.decode("".join(self._arguments))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return False
        return True

    def _write(self, delta: Delta) -> bytes:
        match delta:
            case TextDelta():
                return self._text(delta) + self._citations(delta)
            case RefusalDelta():
                return self._text(delta)
            case ReasoningDelta():
                return self._reasoning(delta)
            case ToolCallStarted():
                return self._tool_call(delta)
            case ToolCallDelta():
                return self._tool_arguments(delta)
            case _:
                assert_never(delta)

    def _text(self, delta: TextDelta | RefusalDelta) -> bytes:
        if not delta.text:
            return b""
        return self._open(delta.part, _TEXT) + self._delta(b'{"type":"text_delta","text":%b}', delta.text)

    def _citations(self, delta: TextDelta) -> bytes:
        frames = b""
        for citation in own_citations(delta.citations):
            frames += self._open(delta.part, _TEXT) + self._delta(b'{"type":"citations_delta","citation":%b}', citation)
        return frames

    def _reasoning(self, delta: ReasoningDelta) -> bytes:
        frames = b""
        if delta.text:
            frames += self._open(delta.part, _THINKING)
            frames += self._delta(b'{"type":"thinking_delta","thinking":%b}', delta.text)
        if delta.signature is not None:
            frames += self._open(delta.part, _THINKING)
            frames += self._delta(b'{"type":"signature_delta","signature":%b}', delta.signature)
        if delta.redacted is not None:
            frames += self._close_block()
            frames += self._open(delta.part, {"type": "redacted_thinking", "data": delta.redacted})
        return frames

    def _tool_call(self, delta: ToolCallStarted) -> bytes:
        block: Json = {"type": "tool_use", "id": tool_id(delta.id), "name": delta.name, "input": {}}
        frames = self._open(delta.part, block)
        self._is_tool = True
        return frames

    def _tool_arguments(self, delta: ToolCallDelta) -> bytes:
        if not delta.arguments or delta.part != self._part:
            # Behind a whole object there is nothing but white space to come.
            return b""
        self._arguments.append(delta.arguments)
        return self._delta(b'{"type":"input_json_delta","partial_json":%b}', delta.arguments)

    def _delta(self, template: bytes, value: object) -> bytes:
        return _DELTA % (self._index, template % msgspec.json.encode(value))

    def _open(self, part: int, block: Json) -> bytes:
        if part == self._part:
            return b""
        frames = self._close_block()
        self._part = part
        self._index += 1
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return frames + encode_event(msgspec.json.encode(start), "content_block_start")

    def _close_block(self) -> bytes:
        if self._part is None:
            return b""
        self._part = None
        self._is_tool = False
        self._arguments.clear()
        return _STOP % self._index
