"""From a client's request to the inner vocabulary.

What the wire says in another way is said in ours: `system` becomes the first message; a user's turn that holds tool
results becomes a `tool` message with them and a `user` message with the rest, in their order; `any` becomes `required`.
Fields without a place inside are kept in `extra` by their own name; of `thinking`, `output_config` and `metadata` what
remains; of tools `tools.<option>`, by the tool's name; and `citations`, which are asked of all documents or of none.
So nothing is lost on the way back to this wire.

Blocks of the provider's own tools (`server_tool_use` and its results, `search_result`, `container_upload`) and tools
that the provider defines have no word inside: they are refused by name. Between a client and a provider that both speak
this wire they pass, because then nothing is translated.
"""

from __future__ import annotations

from itertools import groupby

import msgspec

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.types.dialects import Dialect
from narthex.types.messages import File, Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool, ToolChoice
from narthex.wire.anthropic_messages.bodies import other_fields, read_request
from narthex.wire.anthropic_messages.content_decode import marker, parts_of, text_parts
from narthex.wire.anthropic_messages.schema import (
    TOOL_OPTIONS,
    DocumentBlock,
    Json,
    OutputConfig,
    Thinking,
    WireMessage,
    WireRequest,
    WireTool,
    WireToolChoice,
)

_SAID_BY: dict[str, tuple[type[Part], ...]] = {
    "system": (Text,),
    "user": (Text, Image, File, ToolResult),
    "assistant": (Text, Image, File, ToolCall, Reasoning),
}
_BLOCK_NAMES: dict[type[Part], str] = {
    Image: "image",
    File: "document",
    ToolCall: "tool_use",
    ToolResult: "tool_result",
    Reasoning: "thinking",
}


def decode_request(body: bytes) -> ChatRequest:
    """Read a client's request for a message.

    Raises:
        InvalidRequest: Not JSON, or not this dialect; `param` names the field.
        UnsupportedContent: It holds a block or a tool that has no word inside; `param` names it.
    """
    wire = read_request(body)
    if wire.max_tokens is None:
        raise InvalidRequest("max_tokens: required: the most tokens to generate", param="max_tokens")
    return _request(wire, other_fields(body))


def decode_count_request(body: bytes) -> ChatRequest:
    """Read a client's request to count the tokens of a message.

    Raises:
        InvalidRequest: Not JSON, or not this dialect; `param` names the field.
        UnsupportedContent: It holds a block or a tool that has no word inside; `param` names it.
    """
    return _request(read_request(body), other_fields(body))


def _request(wire: WireRequest, extra: Json) -> ChatRequest:
    user = _user(wire, extra)
    reasoning = _reasoning(wire.thinking, wire.output_config, extra)
    _keep_options(wire, extra)
    return ChatRequest(
        model=wire.model,
        messages=_messages(wire),
        stream=bool(wire.stream),
        include_usage=True,
        max_output_tokens=wire.max_tokens,
        temperature=wire.temperature,
        top_p=wire.top_p,
        top_k=wire.top_k,
        stop=tuple(wire.stop_sequences or ()),
        tools=tuple(_tool(tool, place) for place, tool in enumerate(wire.tools or ())),
        tool_choice=_tool_choice(wire.tool_choice),
        parallel_tool_calls=_parallel(wire.tool_choice),
        response_format=_response_format(wire.output_config),
        reasoning=reasoning,
        user=user,
        service_tier="default" if wire.service_tier == "standard_only" else wire.service_tier,
        extra=extra,
        extra_dialect=Dialect.ANTHROPIC_MESSAGES,
    )


def _messages(wire: WireRequest) -> tuple[Message, ...]:
    if not wire.messages:
        raise InvalidRequest("messages: at least one message is required", param="messages")
    messages: list[Message] = []
    if wire.system:
        messages.append(Message(role="system", parts=text_parts(wire.system)))
    for turn, message in enumerate(wire.messages):
        parts = parts_of(message.content, f"messages.{turn}.content")
        _check_role(message, parts, f"messages.{turn}.content")
        messages += _turn(message, parts)
    return tuple(messages)


def _check_role(message: WireMessage, parts: tuple[Part, ...], where: str) -> None:
    """Refuse what only the other side can say: a user's tool call, an assistant's tool result."""
    for part in parts:
        if not isinstance(part, _SAID_BY[message.role]):
            kind = _BLOCK_NAMES[type(part)]
            raise InvalidRequest(f"{where}: a {message.role} message cannot hold a {kind} block", param=where)


def _turn(message: WireMessage, parts: tuple[Part, ...]) -> list[Message]:
    if message.role != "user" or not any(isinstance(part, ToolResult) for part in parts):
        return [Message(role=message.role, parts=parts)]
    runs = groupby(parts, key=lambda part: isinstance(part, ToolResult))
    return [Message(role="tool" if results else "user", parts=tuple(run)) for results, run in runs]


def _tool(tool: WireTool, place: int) -> Tool:
    where = f"tools.{place}"
    if tool.type not in (None, "custom"):
        raise UnsupportedContent(
            f"{where}: the tool {tool.type!r} is one of the provider's own and cannot be translated to another wire; "
            "choose a model of a provider that has it, or give a tool of your own with an `input_schema`",
            param=where,
        )
    if tool.name is None or tool.input_schema is None:
        missing = "name" if tool.name is None else "input_schema"
        raise InvalidRequest(f"{where}.{missing}: required", param=f"{where}.{missing}")
    return Tool(
        name=tool.name,
        description=tool.description,
        parameters=tool.input_schema,
        strict=tool.strict,
        cache=marker(tool.cache_control),
    )


def _keep_options(wire: WireRequest, extra: Json) -> None:
    for option in TOOL_OPTIONS:
        given = {tool.name: value for tool in wire.tools or () if (value := getattr(tool, option)) is not None}
        if given:
            extra[f"tools.{option}"] = given
    blocks = (block for message in wire.messages if not isinstance(message.content, str) for block in message.content)
    for block in blocks:
        if isinstance(block, DocumentBlock) and block.citations is not None:
            extra["citations"] = block.citations


def _tool_choice(choice: WireToolChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    match choice.type:
        case "tool":
            if choice.name is None:
                raise InvalidRequest("tool_choice.name: required with type 'tool'", param="tool_choice.name")
            return ToolChoice(mode="named", name=choice.name)
        case "any":
            return ToolChoice(mode="required")
        case "auto" | "none":
            return ToolChoice(mode=choice.type)


def _parallel(choice: WireToolChoice | None) -> bool | None:
    if choice is None or choice.disable_parallel_tool_use is None:
        return None
    return not choice.disable_parallel_tool_use


def _response_format(config: OutputConfig | None) -> ResponseFormat | None:
    if config is None or config.format is None:
        return None
    return ResponseFormat(kind="json_schema", schema=config.format.schema)


def _reasoning(thinking: Thinking | None, config: OutputConfig | None, extra: Json) -> ReasoningSettings | None:
    effort = None if config is None else config.effort
    if thinking is None:
        return None if effort is None else ReasoningSettings(effort=effort)
    if thinking.display is not None:
        extra["thinking"] = {"display": thinking.display}
    match thinking.type:
        case "enabled":
            return _enabled(thinking, effort, extra)
        case "adaptive":
            return ReasoningSettings(adaptive=True, effort=effort)
        case "disabled":
            return ReasoningSettings(enabled=False, effort=effort)
        case _:
            extra["thinking"] = {name: value for name, value in msgspec.structs.asdict(thinking).items() if value}
            return None if effort is None else ReasoningSettings(effort=effort)


def _enabled(thinking: Thinking, effort: str | None, extra: Json) -> ReasoningSettings:
    if thinking.budget_tokens is None:
        return ReasoningSettings(effort=effort)
    if effort is not None:
        extra["output_config"] = {"effort": effort}
    return ReasoningSettings(budget_tokens=thinking.budget_tokens)


def _user(wire: WireRequest, extra: Json) -> str | None:
    metadata = dict(wire.metadata or {})
    user = metadata.pop("user_id", None)
    if user is not None and not isinstance(user, str):
        raise InvalidRequest("metadata.user_id: expected a string", param="metadata.user_id")
    if metadata:
        extra["metadata"] = metadata
    return user
