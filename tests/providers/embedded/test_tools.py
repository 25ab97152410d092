"""Tools for models that were not made for them."""

from __future__ import annotations

from typing import Literal, cast

import msgspec
import pytest

from narthex.errors import InvalidRequest
from narthex.providers.embedded.schemas import Schema
from narthex.providers.embedded.tools import MAX_TOOLS, emulation, is_going_round
from narthex.types.messages import Message, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest, ResponseFormat, Tool, ToolChoice

WEATHER = Tool(
    name="weather",
    description="The weather of a city",
    parameters={
        "type": "object",
        "properties": {"city": {"$ref": "#/$defs/city"}},
        "$defs": {"city": {"type": "string"}},
    },
)
CLOCK = Tool(name="clock")
QUESTION = Message(role="user", parts=(Text(text="What is the weather?"),))


def _request(
    mode: Literal["auto", "none", "required", "named"] | None = None, *, name: str | None = None, **more: object
) -> ChatRequest:
    choice = None if mode is None else ToolChoice(mode=mode, name=name)
    request = ChatRequest(model="m", messages=(QUESTION,), tools=(WEATHER, CLOCK), tool_choice=choice)
    return msgspec.structs.replace(request, **more)


def _at(value: object, *path: str | int) -> object:
    """Follow a path through mappings and lists."""
    for step in path:
        value = cast("list[object]", value)[step] if isinstance(step, int) else cast("Schema", value)[step]
    return value


def _called(city: str) -> Message:
    return Message(role="assistant", parts=(ToolCall(id="1", name="weather", arguments=f'{{"city": "{city}"}}'),))


RESULT = Message(role="tool", parts=(ToolResult(tool_call_id="1", parts=(Text(text="sunny"),)),))


def test_without_tools_there_is_nothing_to_do() -> None:
    """No tools, or tools that must not be used: the model answers as ever."""
    assert emulation(ChatRequest(model="m", messages=(QUESTION,))) is None
    assert emulation(_request("none")) is None


def test_auto_lets_the_model_reply_or_call() -> None:
    """By default the answer is a reply or calls, and the instructions describe both and every tool."""
    emulated = emulation(_request())
    assert emulated is not None
    assert _at(emulated.schema, "anyOf", 0, "required") == ["reply"]
    calls = _at(emulated.schema, "anyOf", 1, "properties", "tool_calls")
    names = [_at(calls, "items", "anyOf", index, "properties", "name", "const") for index in range(2)]
    assert names == ["weather", "clock"]
    assert _at(calls, "maxItems") == 4
    for word in ("weather", "The weather of a city", "clock", '"reply"', '"tool_calls"'):
        assert word in emulated.instructions


def test_parameters_keep_their_references() -> None:
    """Each tool's schema stands at a place of its own, with its references changed accordingly."""
    emulated = emulation(_request("required"))
    assert emulated is not None
    definitions = emulated.schema["$defs"]
    assert definitions == {
        "tool_0": {
            "type": "object",
            "properties": {"city": {"$ref": "#/$defs/tool_0/$defs/city"}},
            "$defs": {"city": {"type": "string"}},
        },
        "tool_1": {"type": "object"},
    }


def test_required_leaves_no_reply() -> None:
    """A model that must call is not told that it may talk."""
    emulated = emulation(_request("required"))
    assert emulated is not None
    assert emulated.schema["required"] == ["tool_calls"]
    assert "reply" not in emulated.instructions


def test_a_named_tool_is_the_only_one() -> None:
    """One call, of that tool."""
    emulated = emulation(_request("named", name="clock"))
    assert emulated is not None
    calls = _at(emulated.schema, "properties", "tool_calls")
    assert _at(calls, "maxItems") == 1
    assert _at(calls, "items", "anyOf", 0, "properties", "name") == {"const": "clock"}
    with pytest.raises(InvalidRequest, match="'missing'"):
        emulation(_request("named", name="missing"))


def test_one_call_at_a_time_if_so_asked() -> None:
    """`parallel_tool_calls: false` allows one."""
    emulated = emulation(_request("required", parallel_tool_calls=False))
    assert emulated is not None
    assert _at(emulated.schema, "properties", "tool_calls", "maxItems") == 1


@pytest.mark.parametrize(
    ("form", "reply"),
    [
        (ResponseFormat(kind="text"), {"type": "string", "minLength": 1}),
        (ResponseFormat(kind="json_object"), {"type": "object"}),
        (ResponseFormat(kind="json_schema", schema={"type": "integer"}), {"$ref": "#/$defs/reply"}),
    ],
)
def test_a_reply_has_the_form_asked_for(form: ResponseFormat, reply: object) -> None:
    """Tools and a schema together: the reply follows the schema."""
    emulated = emulation(_request(response_format=form))
    assert emulated is not None
    assert _at(emulated.schema, "anyOf", 0, "properties", "reply") == reply


def test_limits_are_told() -> None:
    """Too many tools and too big schemas are the caller's to change, and named."""
    with pytest.raises(InvalidRequest, match=str(MAX_TOOLS)):
        emulation(_request(tools=(CLOCK,) * (MAX_TOOLS + 1)))
    with pytest.raises(InvalidRequest) as caught:
        emulation(_request(tools=(WEATHER, Tool(name="big", parameters={"enum": ["x"] * 600}))))
    assert caught.value.param == "tools.1.function.parameters"


def test_a_model_that_goes_round_must_reply() -> None:
    """The same call twice since the user spoke ends the calling; other calls and earlier ones do not."""
    same = (QUESTION, _called("Rome"), RESULT, _called("Rome"), RESULT)
    assert is_going_round(same)
    assert not is_going_round((QUESTION, _called("Rome"), RESULT, _called("Oslo"), RESULT))
    assert not is_going_round((*same, QUESTION))
    broken = Message(role="assistant", parts=(ToolCall(id="1", name="weather", arguments="{"),) * 2)
    assert is_going_round((QUESTION, broken))
    emulated = emulation(_request(messages=same))
    assert emulated is not None
    assert emulated.schema["required"] == ["reply"]
