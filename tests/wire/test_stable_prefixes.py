"""What a longer conversation begins with is written alike: only so can a provider's cache know it again."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.types.messages import Message, Reasoning, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest, Tool
from narthex.wire.anthropic_messages import ANTHROPIC_MESSAGES
from narthex.wire.contract import ChatWire
from narthex.wire.openai_chat import OPENAI_CHAT
from narthex.wire.places import items, members

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10).filter(str.strip)
SCHEMAS = st.dictionaries(st.sampled_from("zaby"), st.fixed_dictionaries({"type": st.just("string")}), max_size=4)
TOOLS = st.lists(
    st.builds(
        lambda name, schema: Tool(name=name, parameters={"type": "object", "properties": schema}),
        st.sampled_from(["z", "a", "m"]),
        SCHEMAS,
    ),
    max_size=3,
    unique_by=lambda tool: tool.name,
)


@st.composite
def turns(draw: st.DrawFn) -> tuple[Message, ...]:
    """Draw a turn of the model, and what the user or a tool says to it."""
    said: list[Text | ToolCall | Reasoning] = [Text(text=draw(WORDS))]
    if not draw(st.booleans()):
        return Message(role="assistant", parts=tuple(said)), Message(role="user", parts=(Text(text=draw(WORDS)),))
    call = draw(st.sampled_from(["call_1", "functions.find:0"]))
    said.append(ToolCall(id=call, name="z", arguments='{"b": 1.50, "a": 2}'))
    result = ToolResult(tool_call_id=call, parts=(Text(text=draw(WORDS)),))
    return Message(role="assistant", parts=tuple(said)), Message(role="tool", parts=(result,))


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    """Draw a conversation of some turns."""
    first = Message(role="user", parts=(Text(text=draw(WORDS)),))
    system = (Message(role="system", parts=(Text(text=draw(WORDS)),)),) if draw(st.booleans()) else ()
    more = tuple(message for pair in draw(st.lists(turns(), max_size=3)) for message in pair)
    return ChatRequest(model="m", messages=(*system, first, *more), tools=tuple(draw(TOOLS)), max_output_tokens=9)


@pytest.mark.parametrize("wire", [OPENAI_CHAT, ANTHROPIC_MESSAGES], ids=["openai", "anthropic"])
@given(request=requests(), turn=turns())
@settings(max_examples=60, deadline=None)
def test_a_conversation_that_goes_on_begins_with_the_same_bytes(
    wire: ChatWire, request: ChatRequest, turn: tuple[Message, ...]
) -> None:
    """Written twice, a request is the same; with one more turn, it is the same up to that."""
    body = wire.encode_request(request, model="m").body
    assert wire.encode_request(request, model="m").body == body
    longer = msgspec.structs.replace(request, messages=(*request.messages, *turn))
    last = items(body, members(body, (0, len(body)))["messages"])[-1]
    assert wire.encode_request(longer, model="m").body[: last[1]] == body[: last[1]]


@pytest.mark.parametrize("wire", [OPENAI_CHAT, ANTHROPIC_MESSAGES], ids=["openai", "anthropic"])
@given(request=requests())
@settings(max_examples=20, deadline=None)
def test_tools_and_instructions_come_first(wire: ChatWire, request: ChatRequest) -> None:
    """What many calls share stands before what one of them says."""
    body = wire.encode_request(request, model="m").body
    order = [name for name in members(body, (0, len(body))) if name in ("tools", "system", "messages")]
    assert order == sorted(order, key=["tools", "system", "messages"].index)
