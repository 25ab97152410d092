"""What the wall sees of a request: as much as it takes to answer well."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from narthex.testing.upstream import ReceivedRequest

Wire = Literal["openai", "anthropic"]
"""Whose words are spoken."""

_WIRES: Mapping[str, Wire] = {"/chat/completions": "openai", "/messages": "anthropic"}


class NotUnderstood(ValueError):
    """A request that no provider would take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that the request offers."""

    name: str
    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for an answer."""

    wire: Wire
    model: str
    is_streamed: bool
    wants_usage: bool
    """Whether the stream shall tell the usage, on OpenAI's wire."""
    prompt: str
    """The text of the user's last message."""
    opening: str
    """The text of the user's first message."""
    begun: str
    """What the answer begins with already; empty unless the last message is the assistant's."""
    before: tuple[str, str] | None = None
    """The user's message before the last and what was answered to it, if the conversation ends with the user's."""
    tools: tuple[Tool, ...]
    """Offered, and not yet answered by a result."""


def wire_of(request: ReceivedRequest) -> Wire | None:
    """Return the wire that a request for an answer speaks; None if it asks for something else."""
    ending = next((ending for ending in _WIRES if request.path.endswith(ending)), None)
    return _WIRES[ending] if ending and request.method == "POST" else None


def read(request: ReceivedRequest, wire: Wire) -> Asked:
    """Read a request.

    Raises:
        NotUnderstood: The body is no JSON object with a model and messages.
    """
    try:
        body: object = json.loads(request.body)
    except ValueError as error:
        raise NotUnderstood(f"the body is no JSON: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise NotUnderstood("the body must be an object with `messages`, a list")
    if not isinstance(body.get("model"), str):
        raise NotUnderstood("`model` must be a text")
    messages = [message for message in body["messages"] if isinstance(message, dict)]
    options = body.get("stream_options")
    last = messages[-1] if messages else {}
    return Asked(
        wire=wire,
        model=body["model"],
        is_streamed=body.get("stream") is True,
        wants_usage=isinstance(options, Mapping) and options.get("include_usage") is True,
        prompt=_prompt(reversed(messages)),
        opening=_prompt(messages),
        before=_before(messages),
        begun=_text(last) if last.get("role") == "assistant" else "",
        tools=() if _brings_result(last) else tuple(_tools(cast("dict[str, object]", body))),
    )


def _prompt(messages: Iterable[Mapping[str, object]]) -> str:
    """Return the first text of the user among these messages."""
    return next((_text(message) for message in messages if message.get("role") == "user" and _text(message)), "")


def _before(messages: Sequence[Mapping[str, object]]) -> tuple[str, str] | None:
    """Return the exchange before the last message, if there is one."""
    roles = [message.get("role") for message in messages[-3:]]
    return (_text(messages[-3]), _text(messages[-2])) if roles == ["user", "assistant", "user"] else None


def _text(message: Mapping[str, object]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict) and part.get("type") == "text")


def _brings_result(message: Mapping[str, object]) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    kinds = {part.get("type") for part in parts if isinstance(part, dict)}
    return message.get("role") == "tool" or "tool_result" in kinds


def _tools(body: Mapping[str, object]) -> Iterator[Tool]:
    offered = body.get("tools")
    if body.get("tool_choice") in ("none", {"type": "none"}) or not isinstance(offered, list):
        return
    for tool in offered:
        described = tool.get("function", tool) if isinstance(tool, dict) else None
        if isinstance(described, dict) and isinstance(described.get("name"), str):
            schema = described.get("parameters") or described.get("input_schema")
            yield Tool(name=described["name"], schema=schema if isinstance(schema, Mapping) else {})
