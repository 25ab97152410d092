"""A client's request, read into the inner vocabulary."""

from __future__ import annotations

import re
from typing import Literal, cast

import msgspec

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool, ToolChoice
from narthex.wire.openai_chat.message_decoding import MessageDecoder, cache_marker
from narthex.wire.openai_chat.schema import SAME_NAME, FunctionBody, RequestBody, ResponseFormatBody, ToolBody

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What reading JSON from outside may raise: not JSON, not this shape, not UTF-8, nested without end."""

_READ_AND_KEPT = frozenset({"max_tokens", "reasoning", "top_k"})
"""Spellings of one vendor or another: read here, and kept in `extra` so that the same spelling is written back."""
_KNOWN = frozenset(RequestBody.__struct_fields__) - _READ_AND_KEPT

_FORMATS = frozenset({"text", "json_object", "json_schema"})
_MODES = {"auto": "auto", "none": "none", "required": "required", "any": "required"}

_NULL = msgspec.Raw(b"null")
_decoder = msgspec.json.Decoder(RequestBody)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

_PATH = re.compile(r"^(.*?)(?: - at `\$(.*)`)?$", re.DOTALL)
_MISSING_FIELD = re.compile(r"missing required field `(\w+)`")


def decode_request(body: bytes) -> ChatRequest:
    """Read a client's request.

    Raises:
        InvalidRequest: Not JSON, or not this dialect; `param` names the field.
        UnsupportedContent: A valid request with content that the inner vocabulary has no word for.
    """
    try:
        given = _decoder.decode(body)
        members = _members.decode(body)
    except UNREADABLE as error:
        raise invalid_body(error) from error
    extra: dict[str, object] = {
        name: msgspec.json.decode(raw) for name, raw in members.items() if name not in _KNOWN and raw != _NULL
    }
    if given.max_completion_tokens is not None:
        extra.pop("max_tokens", None)
    return _request(given, extra)


def invalid_body(error: Exception) -> InvalidRequest:
    """Say what is wrong with a body, and where."""
    if not isinstance(error, msgspec.ValidationError):
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return InvalidRequest(f"the body is not JSON in UTF-8: {reason}")
    found = _PATH.match(str(error))
    what, path = (found[1], found[2] or "") if found else (str(error), "")
    param = path.replace("[...]", ".*").replace("[", ".").replace("]", "").strip(".")
    missing = _MISSING_FIELD.search(what)
    if missing is not None:
        param = f"{param}.{missing[1]}".strip(".")
        return InvalidRequest(f"{param}: this field is required", param=param)
    what = what[:1].lower() + what[1:]
    return InvalidRequest(f"{param or 'the body'}: {what}", param=param or None)


def _request(given: RequestBody, extra: dict[str, object]) -> ChatRequest:
    decoder = MessageDecoder()
    stream = bool(given.stream)
    request = ChatRequest(
        model=given.model,
        messages=tuple(decoder.decode(index, message) for index, message in enumerate(given.messages)),
        stream=stream,
        include_usage=stream and _include_usage(given.stream_options, extra),
        max_output_tokens=given.max_completion_tokens or given.max_tokens,
        top_k=given.top_k,
        stop=(given.stop,) if isinstance(given.stop, str) else tuple(given.stop or ()),
        logit_bias=given.logit_bias,
        tools=_tools(given),
        tool_choice=_tool_choice(given),
        response_format=_response_format(given.response_format),
        reasoning=_reasoning(given),
        extra=extra,
        extra_dialect=Dialect.OPENAI_CHAT,
    )
    return msgspec.structs.replace(request, **{name: getattr(given, name) for name in SAME_NAME})


def _include_usage(options: dict[str, object] | None, extra: dict[str, object]) -> bool:
    """Tell whether usage is wanted, and keep the other options for the same dialect."""
    others = dict(options or {})
    wanted = others.pop("include_usage", None)
    if wanted not in (None, True, False):
        raise InvalidRequest(
            "stream_options.include_usage: expected true or false", param="stream_options.include_usage"
        )
    if others:
        extra["stream_options"] = others
    return bool(wanted)


def _tools(given: RequestBody) -> tuple[Tool, ...]:
    tools = [_tool(tool, f"tools.{index}") for index, tool in enumerate(given.tools or ())]
    tools += [_function(function) for function in given.functions or ()]
    return tuple(tools)


def _tool(tool: ToolBody, where: str) -> Tool:
    if tool.type != "function":
        raise UnsupportedContent(
            f"{where}.type: a tool of kind {tool.type!r} cannot be translated; use function tools, or a model whose "
            "provider speaks this dialect",
            param=f"{where}.type",
        )
    if tool.function is None:
        raise InvalidRequest(f"{where}.function: this field is required", param=f"{where}.function")
    described = _function(tool.function)
    cache = cache_marker(tool.cache_control)
    return described if cache is None else msgspec.structs.replace(described, cache=cache)


def _function(function: FunctionBody) -> Tool:
    return Tool(
        name=function.name,
        description=function.description,
        parameters=function.parameters or {},
        strict=function.strict,
    )


def _tool_choice(given: RequestBody) -> ToolChoice | None:
    choice = given.tool_choice
    if choice is None:
        return _function_call(given)
    if isinstance(choice, str):
        return _mode(choice, "tool_choice")
    if choice.type != "function":
        raise UnsupportedContent(
            f"tool_choice.type: {choice.type!r} cannot be translated; use auto, none, required or one function",
            param="tool_choice.type",
        )
    if choice.function is None:
        raise InvalidRequest("tool_choice.function: this field is required", param="tool_choice.function")
    return ToolChoice(mode="named", name=choice.function.name)


def _function_call(given: RequestBody) -> ToolChoice | None:
    choice = given.function_call
    if choice is None:
        return None
    if isinstance(choice, str):
        return _mode(choice, "function_call")
    return ToolChoice(mode="named", name=choice.name)


def _mode(word: str, param: str) -> ToolChoice:
    mode = _MODES.get(word)
    if mode is None:
        raise InvalidRequest(f"{param}: unknown choice {word!r}; use auto, none, required or a function", param=param)
    return ToolChoice(mode=cast("Literal['auto', 'none', 'required']", mode))


def _response_format(given: ResponseFormatBody | None) -> ResponseFormat | None:
    if given is None:
        return None
    if given.type not in _FORMATS:
        raise InvalidRequest(
            f"response_format.type: unknown form {given.type!r}; use text, json_object or json_schema",
            param="response_format.type",
        )
    kind = cast("Literal['text', 'json_object', 'json_schema']", given.type)
    if kind != "json_schema":
        return ResponseFormat(kind=kind)
    described = given.json_schema
    if described is None or described.schema is None:
        param = "response_format.json_schema.schema"
        raise InvalidRequest(f"{param}: this field is required with type json_schema", param=param)
    return ResponseFormat(
        kind=kind,
        name=described.name,
        description=described.description,
        schema=described.schema,
        strict=described.strict,
    )


def _reasoning(given: RequestBody) -> ReasoningSettings | None:
    wished = given.reasoning
    effort = given.reasoning_effort or (wished.effort if wished else None)
    budget_tokens = wished.max_tokens if wished and effort is None else None
    if effort is None and wished is None:
        return None
    enabled = effort != "none" and (wished is None or wished.enabled is not False)
    return ReasoningSettings(enabled=enabled, effort=effort, budget_tokens=budget_tokens)
