"""Tools for models that were not made for them.

The tools are described in the system message, and the model is held to JSON of one form: calls,
`{"tool_calls": [{"name": …, "arguments": {…}}]}`, or, where it may also talk, `{"reply": …}`. `tool_reader` makes calls
and text of that again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from narthex.errors import InvalidRequest
from narthex.providers.embedded.schemas import Schema, check_schema, moved
from narthex.types.messages import Message, Role, ToolCall
from narthex.types.requests import ChatRequest, ResponseFormat, Tool, ToolChoice

REPLY = "reply"
CALLS = "tool_calls"

MAX_TOOLS = 64
_MAX_CALLS = 4
"""Calls in one turn: a small model left to itself does not stop calling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulation:
    """How one answer is held to calls and replies."""

    instructions: str
    """For the system message."""
    schema: Schema
    """Of the whole answer."""


def emulation(request: ChatRequest) -> Emulation | None:
    """Return how to answer with tools; None if none are offered, or none may be used.

    Raises:
        InvalidRequest: The tool that must be used is not offered, or a schema is too big.
    """
    choice = request.tool_choice or ToolChoice(mode="auto")
    if not request.tools or choice.mode == "none":
        return None
    if len(request.tools) > MAX_TOOLS:
        raise InvalidRequest(f"tools: the embedded model can choose among {MAX_TOOLS} at most", param="tools")
    builder = _SchemaBuilder()
    for index, tool in enumerate(request.tools):
        builder.describe(index, tool)
    match choice.mode:
        case "auto":
            schema = builder.reply_or_calls(request)
        case "required":
            schema = builder.calls(request.tools, most=_most_calls(request))
        case "named":
            schema = builder.calls([_named(request.tools, choice)], most=1)
        case _:
            assert_never(choice.mode)
    may_reply = choice.mode == "auto"
    return Emulation(instructions=_instructions(request.tools, may_reply=may_reply), schema=builder.whole(schema))


def _most_calls(request: ChatRequest) -> int:
    return 1 if request.parallel_tool_calls is False else _MAX_CALLS


def _named(tools: Sequence[Tool], choice: ToolChoice) -> Tool:
    found = next((tool for tool in tools if tool.name == choice.name), None)
    if found is None:
        raise InvalidRequest(f"tool_choice: no tool is called {choice.name!r}", param="tool_choice")
    return found


def _instructions(tools: Sequence[Tool], *, may_reply: bool) -> str:
    listed = [
        {"name": tool.name, "description": tool.description or "", "parameters": tool.parameters} for tool in tools
    ]
    form = f'{{"{CALLS}": [{{"name": "the tool", "arguments": {{...}}}}]}}'
    lines = [
        "You can call these tools:",
        json.dumps(listed, ensure_ascii=False),
        "",
        f"If a tool helps, answer with JSON of this form: {form}",
    ]
    if may_reply:
        lines.append(f'Otherwise answer with JSON of this form: {{"{REPLY}": "your answer"}}')
    return "\n".join(lines)


@dataclass(slots=True)
class _SchemaBuilder:
    """Puts one schema together from those of the tools and of the reply."""

    definitions: Schema = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    """Where the parameters of each tool stand."""

    def describe(self, index: int, tool: Tool) -> None:
        check_schema(tool.parameters, f"tools.{index}.function.parameters")
        place = f"tool_{index}"
        self.definitions[place] = moved(tool.parameters or {"type": "object"}, f"#/$defs/{place}")
        self.places[tool.name] = f"#/$defs/{place}"

    def reply_or_calls(self, request: ChatRequest) -> Schema:
        reply = _object({REPLY: self._reply(request.response_format)})
        if is_going_round(request.messages):
            return reply
        return {"anyOf": [reply, self.calls(request.tools, most=_most_calls(request))]}

    def _reply(self, form: ResponseFormat | None) -> Schema:
        if form is None or form.kind == "text":
            return {"type": "string", "minLength": 1}
        if form.schema is None:
            return {"type": "object"}
        check_schema(form.schema, "response_format.json_schema.schema")
        self.definitions[REPLY] = moved(form.schema, f"#/$defs/{REPLY}")
        return {"$ref": f"#/$defs/{REPLY}"}

    def calls(self, tools: Sequence[Tool], *, most: int) -> Schema:
        forms = [
            _object({"name": {"const": tool.name}, "arguments": {"$ref": self.places[tool.name]}}) for tool in tools
        ]
        return _object({CALLS: {"type": "array", "minItems": 1, "maxItems": most, "items": {"anyOf": forms}}})

    def whole(self, schema: Schema) -> Schema:
        return {**schema, "$defs": self.definitions}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def is_going_round(messages: Sequence[Message]) -> bool:
    """Tell whether the same call has been made twice since the user last spoke.

    A small model that sees its own call tends to make it again, without end; then it must reply.
    """
    seen: set[tuple[str, str]] = set()
    for message in _since_user_spoke(messages):
        for part in message.parts:
            if not isinstance(part, ToolCall):
                continue
            call = (part.name, _canonical(part.arguments))
            if call in seen:
                return True
            seen.add(call)
    return False


def _since_user_spoke(messages: Sequence[Message]) -> Sequence[Message]:
    speaker: Role = "user"
    last = max((index for index, message in enumerate(messages) if message.role == speaker), default=-1)
    return messages[last + 1 :]


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(msgspec.json.decode(arguments), sort_keys=True)
    except (msgspec.MsgspecError, RecursionError):
        return arguments
