"""A request of the inner vocabulary, written for a provider."""

from __future__ import annotations

import re

import msgspec

from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool, ToolChoice
from narthex.wire.contract import Encoded
from narthex.wire.openai_chat.message_encoding import Body, MessageEncoder
from narthex.wire.openai_chat.schema import SAME_NAME

_WRITTEN_ELSEWHERE = frozenset({"max_tokens", "stream_options"})

_REFUSES_MAX_TOKENS = re.compile(r"(?:openai/)?(?:o\d|gpt-(?:[5-9]|\d\d))")
"""OpenAI's reasoning models take `max_completion_tokens` only; most other servers of this dialect `max_tokens` only:
https://platform.openai.com/docs/api-reference/chat/create#chat-create-max_tokens."""


def encode_request(request: ChatRequest, *, model: str) -> Encoded:
    """Write a request for a provider that knows the model as `model`.

    Raises:
        UnsupportedContent: The dialect cannot carry a part of the request; `param` names it.
    """
    is_own = request.extra_dialect is Dialect.OPENAI_CHAT
    own = request.extra if is_own else {}
    messages = MessageEncoder(own=is_own)
    body: Body = {"model": model}
    # In the order in which it is read: what a longer conversation begins with is written alike, byte by byte.
    if request.tools:
        body["tools"] = [_tool(tool, messages) for tool in request.tools]
    body["messages"] = [body for index, one in enumerate(request.messages) for body in messages.encode(index, one)]
    body |= {name: value for name in SAME_NAME if (value := getattr(request, name)) is not None}
    if request.max_output_tokens is not None:
        short = "max_tokens" in own if is_own else not _REFUSES_MAX_TOKENS.match(model)
        body["max_tokens" if short else "max_completion_tokens"] = request.max_output_tokens
    body |= _shape(request)
    dropped = set(messages.dropped)
    body |= _reasoning(request.reasoning, own, dropped)
    if request.top_k is not None and "top_k" not in own:
        dropped.add("top_k")
    body |= {name: value for name, value in own.items() if name not in body and name not in _WRITTEN_ELSEWHERE}
    if request.stream:
        body |= _stream(request, own)
    return Encoded(body=msgspec.json.encode(body), dropped=tuple(sorted(dropped)))


def _shape(request: ChatRequest) -> Body:
    body: Body = {}
    if request.stop:
        body["stop"] = list(request.stop)
    if request.logit_bias is not None:
        body["logit_bias"] = {token: _whole(bias) for token, bias in request.logit_bias.items()}
    if request.tool_choice is not None:
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format)
    return body


def _whole(bias: float) -> float:
    return int(bias) if bias.is_integer() else bias


def _tool(tool: Tool, messages: MessageEncoder) -> Body:
    function: Body = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function} | messages.cache_control(tool.cache)


def _tool_choice(choice: ToolChoice) -> object:
    if choice.mode != "named":
        return choice.mode
    return {"type": "function", "function": {"name": choice.name}}


def _response_format(wished: ResponseFormat) -> Body:
    if wished.kind != "json_schema":
        return {"type": wished.kind}
    described: Body = {"name": wished.name or "answer", "schema": wished.schema or {}}
    if wished.description is not None:
        described["description"] = wished.description
    if wished.strict is not None:
        described["strict"] = wished.strict
    return {"type": "json_schema", "json_schema": described}


def _reasoning(settings: ReasoningSettings | None, own: dict[str, object], dropped: set[str]) -> Body:
    if settings is None:
        return {}
    said = own.get("reasoning")
    if isinstance(said, dict) and said.get("effort") == settings.effort:
        return {}
    if settings.effort is not None:
        return {"reasoning_effort": settings.effort}
    dropped.add("reasoning")
    return {}


def _stream(request: ChatRequest, own: dict[str, object]) -> Body:
    options = own.get("stream_options")
    kept = dict(options) if isinstance(options, dict) else {}
    if request.include_usage:
        kept["include_usage"] = True
    return {"stream": True, "stream_options": kept} if kept else {"stream": True}
