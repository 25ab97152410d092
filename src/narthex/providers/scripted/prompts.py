"""What a request says, as far as a script looks at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from narthex.providers.scripted.texts import count_tokens
from narthex.types.messages import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest

_MESSAGE_TOKENS = 4
"""What the frame of each message counts."""
_IMAGE_TOKENS = 85
_AUDIO_TOKENS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The parts of a request that rules and templates see."""

    model: str
    text: str
    """Of the last message of the user."""
    system: str
    tool_result: str | None
    """Of the last message, where that brings the results of tools."""


def read_prompt(model: str, request: ChatRequest) -> Prompt:
    """Take from a request what rules and templates see."""
    users = [message for message in request.messages if message.role == "user"]
    asked = [message for message in users if any(not isinstance(part, ToolResult) for part in message.parts)]
    systems = [text_of(message.parts) for message in request.messages if message.role in ("system", "developer")]
    return Prompt(
        model=model,
        text=text_of(asked[-1].parts) if asked else "",
        system="\n".join(systems),
        tool_result=_tool_result(request.messages[-1]) if request.messages else None,
    )


def _tool_result(message: Message) -> str | None:
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    return "\n".join(text_of(result.parts) for result in results) if results else None


def text_of(parts: Sequence[Part]) -> str:
    """Return the plain text among the parts of a message."""
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def input_tokens(request: ChatRequest) -> int:
    """Count what a request has the model read, in the scripted provider's own measure."""
    total = sum(_MESSAGE_TOKENS + sum(map(_part_tokens, message.parts)) for message in request.messages)
    for tool in request.tools:
        total += count_tokens(tool.name) + count_tokens(tool.description or "")
        total += count_tokens(msgspec.json.encode(tool.parameters).decode())
    return total


def _part_tokens(part: Part) -> int:
    match part:
        case Image():
            return _IMAGE_TOKENS
        case Audio():
            return _AUDIO_TOKENS
        case ToolResult():
            return sum(map(_part_tokens, part.parts))
        case File():
            return count_tokens(part.text or part.data or "")
        case _:
            return sum(map(count_tokens, _texts(part)))


def _texts(part: Text | ToolCall | Reasoning | Refusal) -> Iterator[str]:
    if isinstance(part, ToolCall):
        yield part.name
        yield part.arguments
    else:
        yield part.text
