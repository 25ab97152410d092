"""A client's request, read into the inner vocabulary.

A request that leans on a prompt that a provider keeps cannot be told to another provider, and is refused rather than
answered without its beginning. What is kept here (earlier responses) was put before its input by then.
"""

from __future__ import annotations

from typing import Literal, cast

import msgspec

from narthex.errors import InvalidRequest
from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool, ToolChoice
from narthex.wire.openai_chat.request_decoding import UNREADABLE, invalid_body
from narthex.wire.openai_responses.bodies import given, untranslatable
from narthex.wire.openai_responses.items_decode import messages_of
from narthex.wire.openai_responses.schema import FormatBody, ReasoningBody, RequestBody, ToolBody, ToolChoiceBody

_KEPT = frozenset({"include", "instructions", "reasoning", "text"})
"""Read here, and kept in `extra` for what else they say."""
_KNOWN = frozenset(RequestBody.__struct_fields__) - _KEPT
_FORMATS = frozenset({"text", "json_object", "json_schema"})
_MODES = frozenset({"auto", "none", "required"})
_LOGPROBS = "message.output_text.logprobs"
_NULL = msgspec.Raw(b"null")
_REMEDY = "use function tools, or a model whose provider speaks this API itself"

_decoder = msgspec.json.Decoder(RequestBody)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_request(body: bytes) -> ChatRequest:
    """Read a client's request.

    Raises:
        InvalidRequest: Not JSON, or not this dialect; `param` names the field.
        UnsupportedContent: A valid request with content that the inner vocabulary has no word for.
    """
    try:
        asked = _decoder.decode(body)
        members = _members.decode(body)
        extra: dict[str, object] = {
            name: msgspec.json.decode(raw) for name, raw in members.items() if name not in _KNOWN and raw != _NULL
        }
    except UNREADABLE as error:
        raise invalid_body(error) from error
    if extra.get("prompt"):
        raise untranslatable("a stored prompt", "prompt", "write the instructions and the input out")
    return _request(asked, extra)


def _request(asked: RequestBody, extra: dict[str, object]) -> ChatRequest:
    stream = bool(asked.stream)
    logprobs = True if asked.top_logprobs or _LOGPROBS in (asked.include or ()) else None
    return ChatRequest(
        model=asked.model or "",
        messages=_messages(asked),
        stream=stream,
        # Usage is part of the last event of every stream.
        include_usage=stream,
        max_output_tokens=asked.max_output_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        logprobs=logprobs,
        top_logprobs=asked.top_logprobs,
        tools=tuple(function_tool(tool, f"tools.{index}") for index, tool in enumerate(asked.tools or ())),
        tool_choice=tool_choice_of(asked.tool_choice),
        parallel_tool_calls=asked.parallel_tool_calls,
        response_format=_format(asked.text.format if asked.text else None),
        reasoning=reasoning_of(asked.reasoning),
        user=asked.user,
        metadata=asked.metadata,
        service_tier=asked.service_tier,
        extra=extra,
        extra_dialect=Dialect.OPENAI_RESPONSES,
    )


def _messages(asked: RequestBody) -> tuple[Message, ...]:
    messages = messages_of(asked.input)
    if not messages:
        raise InvalidRequest("input: there is nothing to answer; give a text or items", param="input")
    if not asked.instructions:
        return messages
    return (Message(role="system", parts=(Text(text=asked.instructions),)), *messages)


def function_tool(tool: ToolBody, where: str) -> Tool:
    """Return a function that may be called.

    Raises:
        InvalidRequest: It has no name.
        UnsupportedContent: It is one of the provider's own tools.
    """
    if tool.type != "function":
        raise untranslatable(f"a tool of type {tool.type!r}", f"{where}.type", _REMEDY)
    return Tool(
        name=given(tool.name, f"{where}.name"),
        description=tool.description,
        parameters=tool.parameters or {},
        strict=tool.strict,
    )


def tool_choice_of(choice: str | ToolChoiceBody | None) -> ToolChoice | None:
    """Return whether and which tool must be called; raises as `function_tool` does."""
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _MODES:
            raise InvalidRequest(
                f"tool_choice: unknown choice {choice!r}; use auto, none, required or a function", param="tool_choice"
            )
        return ToolChoice(mode=cast("Literal['auto', 'none', 'required']", choice))
    if choice.type != "function":
        raise untranslatable(f"the choice {choice.type!r}", "tool_choice.type", _REMEDY)
    return ToolChoice(mode="named", name=given(choice.name, "tool_choice.name"))


def _format(wished: FormatBody | None) -> ResponseFormat | None:
    if wished is None:
        return None
    if wished.type not in _FORMATS:
        raise InvalidRequest(
            f"text.format.type: unknown form {wished.type!r}; use text, json_object or json_schema",
            param="text.format.type",
        )
    kind = cast("Literal['text', 'json_object', 'json_schema']", wished.type)
    if kind != "json_schema":
        return ResponseFormat(kind=kind)
    return ResponseFormat(
        kind=kind,
        name=wished.name,
        description=wished.description,
        schema=given(wished.schema, "text.format.schema"),
        strict=wished.strict,
    )


def reasoning_of(wished: ReasoningBody | None) -> ReasoningSettings | None:
    """Return how much the model may think, if that is said."""
    if wished is None or wished.effort is None:
        return None
    return ReasoningSettings(enabled=wished.effort != "none", effort=wished.effort)
