"""Whole answers, both ways.

Blocks of the provider's own tools at work (`server_tool_use`, `web_search_tool_result`) are left out of a translated
answer, whole and streamed alike; so is text without a letter. The wire tells no time of creation: `created_at` is 0.
Of several choices only the first can be written.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from narthex.errors import UnsupportedContent
from narthex.types.answers import ChatAnswer, Choice
from narthex.types.messages import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.content_encode import reasoning_block, text_block, tool_use
from narthex.wire.anthropic_messages.schema import AnswerBlock, AnswerHead, Json, WireAnswer
from narthex.wire.anthropic_messages.stop_reasons import finish_reason, holds_refusal, stop_reason
from narthex.wire.anthropic_messages.usage import usage_of, written_usage
from narthex.wire.contract import MalformedBody, WholeScan

_ANSWER = msgspec.json.Decoder(WireAnswer)
_HEAD = msgspec.json.Decoder(AnswerHead)
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_answer(body: bytes) -> ChatAnswer:
    """Read a provider's whole answer.

    Raises:
        MalformedBody: Not an answer of this dialect, or one without its end.
    """
    try:
        wire = _ANSWER.decode(body)
        parts = tuple(part for block in wire.content if (part := part_of(block)) is not None)
    except _NOT_JSON as error:
        raise MalformedBody(f"not a message: {error}") from error
    choice = Choice(
        index=0,
        message=Message(role="assistant", parts=parts),
        finish_reason=finish_reason(_checked_end(wire.type, wire.stop_reason)),
        stop_sequence=wire.stop_sequence,
    )
    usage = None if wire.usage is None else usage_of(wire.usage)
    return ChatAnswer(id=wire.id, model=wire.model, created_at=0, choices=(choice,), usage=usage)


def scan_answer(body: bytes) -> WholeScan:
    """Look a whole answer over that passes through unchanged.

    Raises:
        MalformedBody: Not an answer of this dialect, or one without its end.
    """
    try:
        head = _HEAD.decode(body)
    except _NOT_JSON as error:
        raise MalformedBody(f"not a message: {error}") from error
    _checked_end(head.type, head.stop_reason)
    return WholeScan(model=head.model, usage=None if head.usage is None else usage_of(head.usage))


def encode_answer(answer: ChatAnswer) -> bytes:
    """Write a whole answer for a client: its first choice, which is all that this wire can ask for.

    Raises:
        UnsupportedContent: The answer holds a part that the wire has no block for, a sound or a picture.
    """
    choice = min(answer.choices, key=lambda one: one.index)
    parts = choice.message.parts
    body = message_head(answer.id, answer.model, answer.usage or Usage())
    body["content"] = [block for part in parts if (block := _block(part)) is not None]
    body["stop_reason"] = stop_reason(choice.finish_reason, refused=holds_refusal(parts))
    body["stop_sequence"] = choice.stop_sequence
    return msgspec.json.encode(body)


def message_head(answer_id: str, model: str, usage: Usage) -> Json:
    """Write a message that has not said anything yet."""
    return {
        "id": answer_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": written_usage(usage),
    }


def part_of(block: AnswerBlock) -> Part | None:
    """Return the part that a block of an answer is, or None if it is none of ours or empty.

    Raises:
        UnicodeDecodeError: The input of a tool is not UTF-8.
        msgspec.ValidationError: A tool call has no ID or no name.
    """
    match block.type:
        case "text":
            citations = tuple(block.citations or ())
            return Text(text=block.text or "", citations=citations) if block.text or citations else None
        case "thinking":
            if not block.thinking and not block.signature:
                return None
            return Reasoning(text=block.thinking or "", signature=block.signature or None)
        case "redacted_thinking":
            return Reasoning(redacted=block.data or "")
        case "tool_use":
            call_id, name = named_tool(block)
            return ToolCall(id=call_id, name=name, arguments=arguments_of(block))
        case _:
            return None


def named_tool(block: AnswerBlock) -> tuple[str, str]:
    """Return the ID of a tool call and the tool's name.

    Raises:
        msgspec.ValidationError: One of them is missing.
    """
    if block.id is None or not block.name:
        raise msgspec.ValidationError("a `tool_use` block without `id` or `name`")
    return block.id, block.name


def arguments_of(block: AnswerBlock) -> str:
    """Return the arguments of a tool call as the provider wrote them.

    Raises:
        UnicodeDecodeError: They are not UTF-8.
    """
    arguments = bytes(block.input).decode()
    return "{}" if arguments == "null" else arguments


def _checked_end(kind: str, reason: str | None) -> str:
    if kind != "message":
        raise MalformedBody(f"not a message but of type {kind!r}")
    if reason is None:
        raise MalformedBody("the message has no `stop_reason`: it is not whole")
    return reason


def _block(part: Part) -> Json | None:
    match part:
        case Text():
            block = text_block(part)
            return block if part.text or "citations" in block else None
        case Refusal():
            return {"type": "text", "text": part.text} if part.text else None
        case Reasoning():
            return reasoning_block(part)
        case ToolCall():
            return tool_use(part)
        case Image() | Audio() | File() | ToolResult():
            kind = type(part).__name__.lower()
            raise UnsupportedContent(f"the answer holds {kind} content, which this API cannot carry; ask for text")
        case _:
            assert_never(part)
