"""A request of the inner vocabulary, written for a provider.

The server keeps conversations itself, so a provider is asked to keep nothing: `store` is false, and thoughts are
wanted sealed, that they may come back with the next request.
"""

from __future__ import annotations

import msgspec

from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest, ResponseFormat, Tool, ToolChoice
from narthex.wire.contract import Encoded
from narthex.wire.openai_responses.items_encode import ItemEncoder
from narthex.wire.openai_responses.schema import Json

_SAME_NAME = ("temperature", "top_p", "parallel_tool_calls", "user", "metadata", "service_tier", "max_output_tokens")
_UNKNOWN = ("top_k", "seed", "presence_penalty", "frequency_penalty", "logit_bias")
"""Tuning that this API has no field for."""
KEPT_HERE = frozenset({"store", "background", "previous_response_id", "conversation", "stream_options", "instructions"})
"""What a client asks of the server, not of the model, or what is among the messages by then."""
_SEALED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"


def encode_request(request: ChatRequest, *, model: str) -> Encoded:
    """Write a request for a provider that knows the model as `model`.

    Raises:
        UnsupportedContent: The dialect cannot carry a part of the request; `param` names it.
    """
    is_own = request.extra_dialect is Dialect.OPENAI_RESPONSES
    own = request.extra if is_own else {}
    items = ItemEncoder(own=is_own)
    body: Json = {
        "model": model,
        "input": [item for index, one in enumerate(request.messages) for item in items.encode(index, one)],
        "store": False,
    }
    body |= {name: value for name in _SAME_NAME if (value := getattr(request, name)) is not None}
    dropped = set(items.dropped)
    dropped |= {name for name in _UNKNOWN if getattr(request, name) is not None}
    dropped |= {name for name, is_given in (("stop", request.stop), ("n", (request.n or 1) > 1)) if is_given}
    body |= _shape(request, own, items)
    body |= _reasoning(request, own, dropped)
    body |= _included(request, own)
    body |= {name: value for name, value in own.items() if name not in body and name not in KEPT_HERE}
    if request.stream:
        body["stream"] = True
    return Encoded(body=msgspec.json.encode(body), dropped=tuple(sorted(dropped)))


def _shape(request: ChatRequest, own: Json, items: ItemEncoder) -> Json:
    body: Json = {}
    if request.tools:
        body["tools"] = [_tool(tool, items) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = written_choice(request.tool_choice)
    text = own.get("text")
    kept = {name: value for name, value in text.items() if name != "format"} if isinstance(text, dict) else {}
    if request.response_format is not None:
        kept["format"] = written_format(request.response_format)
    if kept:
        body["text"] = kept
    return body


def _tool(tool: Tool, items: ItemEncoder) -> Json:
    if tool.cache is not None:
        items.dropped.add("cache")
    return written_tool(tool)


def written_tool(tool: Tool) -> Json:
    """Write a function that may be called; the API demands its schema, and whether it is strict."""
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
        "strict": bool(tool.strict),
    }


def written_choice(choice: ToolChoice) -> object:
    """Write which tool must be called."""
    return {"type": "function", "name": choice.name} if choice.mode == "named" else choice.mode


def written_format(wished: ResponseFormat) -> Json:
    """Write the form that the text must have."""
    if wished.kind != "json_schema":
        return {"type": wished.kind}
    body: Json = {"type": "json_schema", "name": wished.name or "answer", "schema": wished.schema or {}}
    body |= {} if wished.description is None else {"description": wished.description}
    return body | ({} if wished.strict is None else {"strict": wished.strict})


def _reasoning(request: ChatRequest, own: Json, dropped: set[str]) -> Json:
    said = own.get("reasoning")
    kept = dict(said) if isinstance(said, dict) else {}
    settings = request.reasoning
    if settings is not None:
        if settings.effort is not None:
            kept["effort"] = settings.effort
        elif not settings.enabled:
            kept["effort"] = "none"
        elif settings.budget_tokens is not None:
            dropped.add("reasoning")
    return {"reasoning": kept} if kept else {}


def _included(request: ChatRequest, own: Json) -> Json:
    said = own.get("include")
    wanted = [one for one in said if isinstance(one, str)] if isinstance(said, list) else []
    if _SEALED not in wanted and "reasoning" in own:
        wanted.append(_SEALED)
    if request.logprobs and _LOGPROBS not in wanted:
        wanted.append(_LOGPROBS)
    body: Json = {"include": wanted} if wanted else {}
    return body | ({} if request.top_logprobs is None else {"top_logprobs": request.top_logprobs})
