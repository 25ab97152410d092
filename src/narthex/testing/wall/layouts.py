"""How an answer is written on a wire: its pieces, each as the acts that send it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import cast

from narthex.testing.acts import EVENT_STREAM, JSON, Answer, Send, chunk, head
from narthex.testing.chance import random_for
from narthex.testing.wall.asking import Asked
from narthex.testing.wall.replies import Said
from narthex.testing.wires import anthropic_frame, as_json

_CREATED_AT = 1_767_225_600
_WHOLE_PIECES = 8
"""Pieces that a whole body is sent in, so that it can be cut where a stream can."""

_STOPS = {"stop": "end_turn", "tool_calls": "tool_use", "content_filter": "refusal", None: None}
"""Anthropic's words for why an answer ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """An answer before anything goes wrong, laid out so that it can go wrong at every piece."""

    is_streamed: bool
    head: Answer
    """Status, headers and what a stream opens with."""
    pieces: tuple[bytes, ...]
    """The pieces of content: frames of a stream, or parts of a whole body."""
    finish: tuple[bytes, ...] = ()
    """Frames that tell why it ends, and the usage."""
    mark: bytes = b""
    """The frame that closes a stream."""

    @property
    def content(self) -> tuple[Answer, ...]:
        """The acts of each piece."""
        return tuple((Send(self.framed(piece)),) for piece in self.pieces)

    @property
    def end(self) -> Answer:
        """What follows the content, without the closing mark and the end of the body."""
        return tuple(Send(self.framed(frame)) for frame in self.finish)

    @property
    def closing(self) -> Answer:
        """The closing mark and the end of the body."""
        return (Send(chunk(self.mark)), *self.last) if self.is_streamed else ()

    @property
    def last(self) -> Answer:
        """The end of the body alone."""
        return (Send(b"0\r\n\r\n"),) if self.is_streamed else ()

    def framed(self, data: bytes) -> bytes:
        """Write a piece as the body carries it."""
        return chunk(data) if self.is_streamed else data

    def place(self, after: int) -> int:
        """Return how many pieces are sent before something happens; a whole body is never complete by then."""
        return min(after, len(self.pieces) if self.is_streamed else len(self.pieces) - 1)

    def begun(self, after: int) -> Answer:
        """Return the acts up to so many pieces."""
        return (*self.head, *chain.from_iterable(self.content[: self.place(after)]))

    def rest(self, after: int) -> Answer:
        """Return the acts behind so many pieces."""
        return (*chain.from_iterable(self.content[self.place(after) :]), *self.end, *self.closing)

    @property
    def acts(self) -> Answer:
        """Everything, in order."""
        return (*self.begun(0), *self.rest(0))


def lay_out(asked: Asked, said: Said) -> Layout:
    """Lay an answer out on the wire it is asked for."""
    if not asked.is_streamed:
        return whole_layout(_openai_body(asked, said) if asked.wire == "openai" else _anthropic_body(asked, said))
    frames = _openai_frames if asked.wire == "openai" else _anthropic_frames
    opening, pieces, finish, mark = frames(asked, said)
    begins = Send(head(200, {"content-type": EVENT_STREAM, "transfer-encoding": "chunked"}))
    return Layout(
        is_streamed=True,
        head=(begins, *(Send(chunk(frame)) for frame in opening)),
        pieces=tuple(pieces),
        finish=tuple(finish),
        mark=mark,
    )


def whole_layout(body: bytes, *, content_type: str = JSON, announced_bytes: int | None = None) -> Layout:
    """Lay a whole body out in pieces.

    Args:
        body: The body.
        content_type: Of the body.
        announced_bytes: The length that the head tells; by default the true one.
    """
    length = len(body) if announced_bytes is None else announced_bytes
    size = max(1, -(-len(body) // _WHOLE_PIECES))
    pieces = tuple(body[start : start + size] for start in range(0, len(body), size)) or (b"",)
    begins = Send(head(200, {"content-type": content_type, "content-length": str(length)}))
    return Layout(is_streamed=False, head=(begins,), pieces=pieces)


def _mark(asked: Asked) -> str:
    """Return an ID that is the same for the same request."""
    return f"{random_for(asked.model, asked.prompt, asked.begun).getrandbits(64):016x}"


def _openai_usage(said: Said) -> dict[str, int]:
    total = said.input_tokens + said.output_tokens
    return {"prompt_tokens": said.input_tokens, "completion_tokens": said.output_tokens, "total_tokens": total}


def _openai_body(asked: Asked, said: Said) -> bytes:
    message: dict[str, object] = {"role": "assistant", "content": said.text or None, "refusal": None}
    if said.call is not None:
        function = {"name": said.call.name, "arguments": "".join(said.call.arguments)}
        message["tool_calls"] = [{"id": said.call.id, "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish}
    return as_json(
        {
            "id": f"chatcmpl-{_mark(asked)}",
            "object": "chat.completion",
            "created": _CREATED_AT,
            "model": asked.model,
            "choices": [choice],
            "usage": _openai_usage(said),
        }
    )


_Frames = tuple[list[bytes], list[bytes], list[bytes], bytes]
"""Opening, content, finish, closing mark."""


def _openai_frames(asked: Asked, said: Said) -> _Frames:
    common = {
        "id": f"chatcmpl-{_mark(asked)}",
        "object": "chat.completion.chunk",
        "created": _CREATED_AT,
        "model": asked.model,
    }

    def frame(delta: dict[str, object], finish: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return b"data: %b\n\n" % as_json({**common, "choices": choices})

    finish = [frame({}, said.finish)] if said.finish else []
    if asked.wants_usage:
        finish.append(b"data: %b\n\n" % as_json({**common, "choices": [], "usage": _openai_usage(said)}))
    opening = [frame({"role": "assistant", "content": ""})]
    return opening, [frame(delta) for delta in _openai_deltas(said)], finish, b"data: [DONE]\n\n"


def _openai_deltas(said: Said) -> Iterator[dict[str, object]]:
    for piece in said.pieces:
        yield {"content": piece}
    if said.call is None:
        return
    function = {"name": said.call.name, "arguments": ""}
    yield {"tool_calls": [{"index": 0, "id": said.call.id, "type": "function", "function": function}]}
    for piece in said.call.arguments:
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _anthropic_message(asked: Asked, **fields: object) -> dict[str, object]:
    return {
        "id": f"msg_{_mark(asked)}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "stop_sequence": None,
        **fields,
    }


def _anthropic_body(asked: Asked, said: Said) -> bytes:
    content: list[dict[str, object]] = [{"type": "text", "text": said.text}] if said.pieces else []
    if said.call is not None:
        given = _input("".join(said.call.arguments))
        content.append({"type": "tool_use", "id": said.call.id, "name": said.call.name, "input": given})
    usage = {"input_tokens": said.input_tokens, "output_tokens": said.output_tokens}
    return as_json(_anthropic_message(asked, content=content, stop_reason=_STOPS[said.finish], usage=usage))


def _input(written: str) -> object:
    """Return the input of a call; what is no JSON stands there as text, which no tool takes."""
    try:
        return cast("object", json.loads(written))
    except ValueError:
        return written


def _anthropic_frames(asked: Asked, said: Said) -> _Frames:
    usage = {"input_tokens": said.input_tokens, "output_tokens": 1}
    message = _anthropic_message(asked, content=[], stop_reason=None, usage=usage)
    opening = [anthropic_frame("message_start", message=message)]
    block, kind, key, pieces = _anthropic_block(said)
    opening += [anthropic_frame("content_block_start", index=0, content_block=block), anthropic_frame("ping")]
    content = [anthropic_frame("content_block_delta", index=0, delta={"type": kind, key: piece}) for piece in pieces]
    finish: list[bytes] = []
    if said.finish:
        delta = {"stop_reason": _STOPS[said.finish], "stop_sequence": None}
        told = anthropic_frame("message_delta", delta=delta, usage={"output_tokens": said.output_tokens})
        finish = [anthropic_frame("content_block_stop", index=0), told]
    return opening, content, finish, anthropic_frame("message_stop")


def _anthropic_block(said: Said) -> tuple[dict[str, object], str, str, tuple[str, ...]]:
    """Return the one block of an answer: how it starts, and the kind, the key and the pieces of its deltas."""
    if said.call is None:
        return {"type": "text", "text": ""}, "text_delta", "text", said.pieces
    block: dict[str, object] = {"type": "tool_use", "id": said.call.id, "name": said.call.name, "input": {}}
    return block, "input_json_delta", "partial_json", said.call.arguments
