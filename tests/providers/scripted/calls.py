"""Calls to a scripted provider, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from narthex.providers.contract import Call, EventsReply, Timeouts, VectorsReply
from narthex.providers.scripted import ScriptedProvider
from narthex.types.answers import ChatAnswer, Choice
from narthex.types.dialects import Dialect, Operation
from narthex.types.events import Event
from narthex.types.folding import fold
from narthex.types.messages import Message, Text, ToolCall
from narthex.types.requests import ChatRequest, EmbeddingRequest, Tool

WEATHER = Tool(
    name="get_weather",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
        "required": ["city", "days"],
    },
)
CLOCK = Tool(name="clock", parameters={"type": "object", "properties": {}})


def user(text: str) -> Message:
    """Return a message of the user."""
    return Message(role="user", parts=(Text(text=text),))


def chat_call(request: ChatRequest, *, timeouts: Timeouts | None = None) -> Call:
    """Return a call for a chat answer."""
    return Call(
        operation=Operation.CHAT,
        model=request.model,
        dialect=Dialect.NATIVE,
        body=b"",
        stream=request.stream,
        timeouts=timeouts or Timeouts(),
        request=request,
    )


def embed_call(*inputs: str, dimensions: int | None = None, timeouts: Timeouts | None = None) -> Call:
    """Return a call for vectors."""
    return Call(
        operation=Operation.EMBED,
        model="scripted",
        dialect=Dialect.NATIVE,
        body=b"",
        stream=False,
        timeouts=timeouts or Timeouts(),
        request=EmbeddingRequest(model="scripted", inputs=inputs, dimensions=dimensions),
    )


def asked(text: str = "Hello", **fields: object) -> ChatRequest:
    """Return a request with one message of the user."""
    values: dict[str, object] = {"model": "scripted", "messages": (user(text),), **fields}
    return ChatRequest(**values)  # type: ignore[arg-type]  # the tests name the fields


async def events(provider: ScriptedProvider, call: Call) -> list[Event]:
    """Return all events of an answer."""
    reply = await provider.send(call)
    assert isinstance(reply, EventsReply)
    return [event async for event in reply.events]


async def vectors(provider: ScriptedProvider, call: Call) -> VectorsReply:
    """Return the vectors of an answer."""
    reply = await provider.send(call)
    assert isinstance(reply, VectorsReply)
    return reply


async def answer(script: Mapping[str, object], request: ChatRequest) -> ChatAnswer:
    """Return the whole answer of a new provider with this script."""
    return fold(await events(ScriptedProvider("demo", script), chat_call(request)))


def text_of(choice: Choice) -> str:
    """Return the text of a choice."""
    return "".join(part.text for part in choice.message.parts if isinstance(part, Text))


def calls_of(choice: Choice) -> Sequence[ToolCall]:
    """Return the tool calls of a choice."""
    return [part for part in choice.message.parts if isinstance(part, ToolCall)]
