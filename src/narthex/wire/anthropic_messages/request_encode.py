"""From the inner vocabulary to a request for a provider.

Dropped and named, because the wire has no word for them: `seed`, `logprobs`, `top_logprobs`, `logit_bias`, the
penalties, `metadata`, a `response_format` of `json_object`, a service tier other than the wire's two, a temperature
above its limit of 1 (its default, so the nearest there is), `top_p` beside a temperature (models refuse both), sampling
settings that thinking or the model forbids, stop sequences of white space, and `extra` fields of other dialects.
"""

from __future__ import annotations

import msgspec

from narthex.errors import UnsupportedContent
from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest, Tool
from narthex.wire.anthropic_messages.content_encode import ContentWriter, cache_control, short_content
from narthex.wire.anthropic_messages.generations import Generation, generation_of
from narthex.wire.anthropic_messages.reasoning import ReasoningPlan, plan_reasoning
from narthex.wire.anthropic_messages.schema import TOOL_OPTIONS, Json
from narthex.wire.contract import Encoded

_COUNTED_FIELDS = frozenset({"cache_control", "context_management", "mcp_servers", "speed"})
"""Fields of this dialect without a place inside that bear on the count of tokens."""
_WRITTEN_ELSEWHERE = frozenset(
    {"thinking", "output_config", "metadata", "citations", *(f"tools.{option}" for option in TOOL_OPTIONS)}
)
"""What `extra` holds of this dialect that is not a field by itself."""
_READ_ELSEWHERE = frozenset({*ChatRequest.__struct_fields__, "max_tokens", "stream_options"})
"""Fields that other dialects keep in `extra` besides reading them, to write them back in the same spelling."""

_SERVICE_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_TOOL_CHOICES = {"auto": "auto", "required": "any", "named": "tool", "none": "none"}
_LEAST_TOP_P_WITH_THINKING = 0.95


def encode_request(request: ChatRequest, *, model: str) -> Encoded:
    """Write a request for a message for a provider that knows the model as `model`.

    Raises:
        UnsupportedContent: The wire cannot carry a part of the request; `param` names it.
    """
    if request.n is not None and request.n > 1:
        raise UnsupportedContent("n: this model gives one answer at a time; ask several times instead", param="n")
    writer = _writer(request)
    plan = plan_reasoning(request, model)
    body: Json = {"model": model, "max_tokens": plan.max_tokens}
    body |= _prompt(request, plan, writer)
    body |= _sampling(request, writer.dropped, refused=_refused_sampling(request, plan, model))
    body |= _about(request, writer.dropped)
    body |= {name: value for name, value in _own(request).items() if name not in _WRITTEN_ELSEWHERE}
    if request.stream:
        body["stream"] = True
    _name_dropped(request, writer.dropped)
    return Encoded(body=msgspec.json.encode(body), dropped=tuple(writer.dropped))


def encode_count_request(request: ChatRequest, *, model: str) -> Encoded:
    """Write a request to count the tokens of `request`: what bears on the count, and nothing else.

    Raises:
        UnsupportedContent: The wire cannot carry a part of the request; `param` names it.
    """
    writer = _writer(request)
    body: Json = {"model": model}
    body |= _prompt(request, plan_reasoning(request, model), writer)
    body |= {name: value for name, value in _own(request).items() if name in _COUNTED_FIELDS}
    return Encoded(body=msgspec.json.encode(body), dropped=tuple(writer.dropped))


def _own(request: ChatRequest) -> Json:
    return request.extra if request.extra_dialect is Dialect.ANTHROPIC_MESSAGES else {}


def _remainder(request: ChatRequest, name: str) -> Json:
    remainder = _own(request).get(name)
    return dict(remainder) if isinstance(remainder, dict) else {}


def _writer(request: ChatRequest) -> ContentWriter:
    is_own = request.extra_dialect is Dialect.ANTHROPIC_MESSAGES
    return ContentWriter(own=is_own, citations=_own(request).get("citations"))


def _prompt(request: ChatRequest, plan: ReasoningPlan, writer: ContentWriter) -> Json:
    """Write what the model reads, and what shapes its answer."""
    system, turns = writer.conversation(request.messages)
    prompt: Json = {}
    # In the order in which it is read: what a longer conversation begins with is written alike, byte by byte.
    if request.tools:
        prompt["tools"] = [_tool(tool) | _tool_options(request, tool.name) for tool in request.tools]
    if system:
        prompt["system"] = short_content(system)
    prompt["messages"] = turns
    choice = _tool_choice(request, writer.dropped)
    if choice is not None:
        prompt["tool_choice"] = choice
    if plan.thinking is not None:
        prompt["thinking"] = plan.thinking
    if plan.dropped:
        writer.dropped["reasoning"] = None
    config = _output_config(request, plan, writer.dropped)
    if config:
        prompt["output_config"] = config
    return prompt


def _tool(tool: Tool) -> Json:
    written: Json = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    written["input_schema"] = tool.parameters if "type" in tool.parameters else _object_schema(tool.parameters)
    if tool.strict is not None:
        written["strict"] = tool.strict
    if tool.cache is not None:
        written["cache_control"] = cache_control(tool.cache)
    return written


def _tool_options(request: ChatRequest, name: str) -> Json:
    given = {option: _remainder(request, f"tools.{option}").get(name) for option in TOOL_OPTIONS}
    return {option: value for option, value in given.items() if value is not None}


def _object_schema(parameters: dict[str, object]) -> Json:
    """Say that the arguments are an object, which the wire demands and others imply."""
    return {"type": "object", **(parameters or {"properties": {}})}


def _tool_choice(request: ChatRequest, dropped: dict[str, None]) -> Json | None:
    choice = request.tool_choice
    if not request.tools:
        # Without tools there is nothing to choose, and the wire refuses the field.
        if choice is not None and choice.mode in ("required", "named"):
            dropped["tool_choice"] = None
        return None
    if choice is None and request.parallel_tool_calls is None:
        return None
    mode = "auto" if choice is None else choice.mode
    written: Json = {"type": _TOOL_CHOICES[mode]}
    if choice is not None and mode == "named":
        written["name"] = choice.name
    if request.parallel_tool_calls is not None and mode != "none":
        written["disable_parallel_tool_use"] = not request.parallel_tool_calls
    return written


def _output_config(request: ChatRequest, plan: ReasoningPlan, dropped: dict[str, None]) -> Json:
    config = _remainder(request, "output_config")
    if plan.effort is not None:
        config["effort"] = plan.effort
    wanted = request.response_format
    if wanted is not None and wanted.kind == "json_schema" and wanted.schema is not None:
        config["format"] = {"type": "json_schema", "schema": wanted.schema}
    elif wanted is not None and wanted.kind != "text":
        dropped["response_format"] = None
    return config


def _sampling(request: ChatRequest, dropped: dict[str, None], *, refused: list[str]) -> Json:
    wanted = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
    written: Json = {name: value for name, value in wanted.items() if value is not None}
    for name in refused:
        if name == "top_k" or written[name] != 1:  # a temperature or `top_p` of 1 means what leaving it out means
            dropped[name] = None
        del written[name]
    stop = [sequence for sequence in request.stop if sequence.strip()]
    if len(stop) < len(request.stop):
        dropped["stop"] = None
    if stop:
        written["stop_sequences"] = stop
    return written


def _refused_sampling(request: ChatRequest, plan: ReasoningPlan, model: str) -> list[str]:
    """Return the settings given that the provider would refuse.

    https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking#feature-compatibility
    """
    temperature, top_p = request.temperature, request.top_p
    if generation_of(model) is Generation.EFFORTS:
        given = {"temperature": temperature, "top_p": top_p, "top_k": request.top_k}
        return [name for name, value in given.items() if value is not None]
    refused: list[str] = []
    if temperature is not None and (temperature > 1 or (plan.thinks and temperature != 1)):
        refused.append("temperature")
    if top_p is not None and (temperature is not None or (plan.thinks and top_p < _LEAST_TOP_P_WITH_THINKING)):
        refused.append("top_p")
    if request.top_k is not None and plan.thinks:
        refused.append("top_k")
    return refused


def _about(request: ChatRequest, dropped: dict[str, None]) -> Json:
    """Write who asks, and how it is to be served."""
    written: Json = {}
    metadata = _remainder(request, "metadata")
    if request.user is not None:
        metadata["user_id"] = request.user
    if metadata:
        written["metadata"] = metadata
    if request.service_tier in _SERVICE_TIERS:
        written["service_tier"] = _SERVICE_TIERS[request.service_tier]
    elif request.service_tier is not None:
        dropped["service_tier"] = None
    return written


def _name_dropped(request: ChatRequest, dropped: dict[str, None]) -> None:
    if request.seed is not None:
        dropped["seed"] = None
    for name in ("logprobs", "top_logprobs", "presence_penalty", "frequency_penalty", "logit_bias", "metadata"):
        if getattr(request, name):
            dropped[name] = None
    if not _own(request):
        dropped.update(dict.fromkeys(name for name in request.extra if name not in _READ_ELSEWHERE))
