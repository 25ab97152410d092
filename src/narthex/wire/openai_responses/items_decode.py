"""From the items of a conversation to its messages.

The wire has no turns: what a model thinks, says and calls are items one after the other. Items of the model that
follow each other are one message of the assistant, results of tools that follow each other one message of the tools.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import msgspec

from narthex.errors import InvalidRequest
from narthex.types.messages import Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from narthex.wire.openai_responses.bodies import given, untranslatable
from narthex.wire.openai_responses.content_decode import parts_of, result_parts
from narthex.wire.openai_responses.schema import ContentBody, ItemBody

_ROLES = frozenset({"system", "developer", "user", "assistant"})
_REMEDY = "leave it out, or choose a model of a provider that speaks this API itself"


def messages_of(items: str | Sequence[ItemBody]) -> tuple[Message, ...]:
    """Return the messages that items make, oldest first.

    Raises:
        InvalidRequest: An item is not of this dialect.
        UnsupportedContent: An item has no place in another dialect.
    """
    if isinstance(items, str):
        return (Message(role="user", parts=(Text(text=items),)),) if items else ()
    return joined(_message(item, f"input.{number}") for number, item in enumerate(items))


def joined(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Make one message of several that one speaker says in a row, where their parts alone tell them apart."""
    turns: list[Message] = []
    for message in messages:
        last = turns[-1] if turns else None
        if last is not None and last.role == message.role and message.role in {"assistant", "tool"}:
            turns[-1] = msgspec.structs.replace(last, parts=(*last.parts, *message.parts))
        else:
            turns.append(message)
    return tuple(turns)


def item_parts(item: ItemBody, where: str) -> tuple[Part, ...]:
    """Return what one item of the model says, thinks or calls.

    Raises:
        InvalidRequest: It is not of this dialect.
        UnsupportedContent: It has no place in another dialect.
    """
    match item.type:
        case "message":
            return parts_of(item.content, f"{where}.content")
        case "reasoning":
            thought = _reasoning(item)
            return () if thought is None else (thought,)
        case "function_call":
            return (_call(item, where),)
        case _:
            raise untranslatable(f"an item of type {item.type!r}", f"{where}.type", _REMEDY)


def _message(item: ItemBody, where: str) -> Message:
    match item.type:
        case "message":
            if item.role not in _ROLES:
                raise InvalidRequest(
                    f"{where}.role: unknown role {item.role!r}; use system, developer, user or assistant",
                    param=f"{where}.role",
                )
            return Message(role=cast("Role", item.role), parts=item_parts(item, where))
        case "function_call_output":
            call_id = given(item.call_id, f"{where}.call_id")
            result = ToolResult(tool_call_id=call_id, parts=result_parts(item.output, f"{where}.output"))
            return Message(role="tool", parts=(result,))
        case "item_reference":
            raise untranslatable("a reference to an item", where, "send the item itself, or use previous_response_id")
        case _:
            return Message(role="assistant", parts=item_parts(item, where))


def _call(item: ItemBody, where: str) -> ToolCall:
    arguments = item.arguments if item.arguments is not None else ""
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCall(
        id=given(item.id if item.call_id is None else item.call_id, f"{where}.call_id"),
        name=given(item.name, f"{where}.name"),
        arguments=arguments,
    )


def _reasoning(item: ItemBody) -> Reasoning | None:
    """Return a thought; one of which only its provider can read a word is redacted."""
    content = item.content if isinstance(item.content, list) else []
    text = _text(content) or _text(item.summary or ())
    sealed = item.encrypted_content
    if not text:
        return None if sealed is None else Reasoning(redacted=sealed)
    return Reasoning(text=text, signature=sealed)


def _text(bodies: Iterable[ContentBody]) -> str:
    return "\n\n".join(body.text for body in bodies if body.text)
