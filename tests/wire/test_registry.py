"""The dialects there are, and what passes between any two of them."""

from __future__ import annotations

import msgspec
import pytest

from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, TextDelta, ToolCallDelta, UsageReported
from narthex.types.usage import Usage
from narthex.wire.contract import ChatWire
from narthex.wire.registry import CHAT_WIRES

ASKED = (
    b'{"model":"m","max_tokens":64,"stream":true,"stream_options":{"include_usage":true},'
    b'"messages":[{"role":"user","content":"weather?"}],'
    b'"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}'
)
ANSWERED = (
    b'data: {"id":"c","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"I look"}}]}\n\n'
    b'data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","function":'
    b'{"name":"f","arguments":"{\\"a\\":1}"}}]},"finish_reason":null}]}\n\n'
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
    b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
    b"data: [DONE]\n\n"
)


def said(events: list[Event]) -> tuple[str, str, Usage | None, bool]:
    """Sum a stream up: its text, its arguments, its usage, and whether it ended."""
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    arguments = "".join(event.arguments for event in events if isinstance(event, ToolCallDelta))
    usage = next((event.usage for event in events if isinstance(event, UsageReported)), None)
    return text, arguments, usage, isinstance(events[-1], Ended)


@pytest.mark.parametrize("dialect", list(CHAT_WIRES))
def test_each_wire_is_filed_under_its_dialect(dialect: Dialect) -> None:
    """The name of the dialect and the wire's own name agree."""
    assert CHAT_WIRES[dialect].dialect is dialect


def test_the_registry_cannot_be_changed() -> None:
    """It is a table, not a state."""
    assert not hasattr(CHAT_WIRES, "__setitem__")
    assert set(CHAT_WIRES) == {Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES}


@pytest.mark.parametrize("wire", CHAT_WIRES.values(), ids=lambda wire: str(wire.dialect))
def test_a_stream_survives_every_dialect(wire: ChatWire) -> None:
    """An answer written in any dialect and read again says the same, and ends."""
    openai = CHAT_WIRES[Dialect.OPENAI_CHAT]
    request = openai.decode_request(ASKED)
    events = openai.parser().feed(ANSWERED)
    encoder, parser = wire.encoder(request), wire.parser()
    again = [event for one in events for event in parser.feed(encoder.encode(one))] + parser.close()
    assert said(again) == said(events) == ("I look", '{"a":1}', Usage(input_tokens=3, output_tokens=4), True)


@pytest.mark.parametrize("wire", CHAT_WIRES.values(), ids=lambda wire: str(wire.dialect))
def test_a_request_survives_every_dialect(wire: ChatWire) -> None:
    """A request written in any dialect and read again asks the same."""
    request = CHAT_WIRES[Dialect.OPENAI_CHAT].decode_request(ASKED)
    again = wire.decode_request(wire.encode_request(request, model="m").body)
    tools = tuple(msgspec.structs.replace(tool, strict=tool.strict or None) for tool in again.tools)
    assert (again.messages, tools, again.max_output_tokens) == (request.messages, request.tools, 64)
