"""From one dialect through the inner vocabulary to another and back: what both can carry survives, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby

import anthropic.types
import msgspec
import openai.types.chat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import UnsupportedContent
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.types.folding import fold, unfold
from narthex.types.messages import File, Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest
from narthex.wire.anthropic_messages import ANTHROPIC_MESSAGES
from narthex.wire.contract import ChatWire, Encoded
from narthex.wire.openai_chat import OPENAI_CHAT
from tests.wire.anthropic_messages import strategies as made

WIRES = [OPENAI_CHAT, ANTHROPIC_MESSAGES]
ASKED = ChatRequest(
    model="m", messages=(Message(role="user", parts=(Text(text="hi"),)),), stream=True, include_usage=True
)


# What both dialects carry.


def _is_shared(part: Part) -> bool:
    """Tell whether both have a place for a part: OpenAI shows no picture by file, and no document as bare text."""
    if isinstance(part, Image):
        return part.file_id is None
    if isinstance(part, File):
        return part.text is None
    return True


def _shared_part(part: Part) -> Part:
    if isinstance(part, ToolResult):
        inner = tuple(one for one in part.parts if _is_shared(one))
        return msgspec.structs.replace(part, parts=inner or (Text(text="done"),), is_error=False)
    return part


def _place(part: Part) -> int:
    return 0 if isinstance(part, Reasoning) else 2 if isinstance(part, ToolCall) else 1


def _shared_message(message: Message) -> Message:
    """OpenAI has fields where Anthropic has blocks: thinking, then words, then calls; results are messages."""
    parts = tuple(_shared_part(part) for part in message.parts if _is_shared(part)) or (Text(text="look"),)
    if message.role == "assistant":
        parts = tuple(sorted(parts, key=_place))
    return msgspec.structs.replace(message, parts=parts)


@st.composite
def shared_requests(draw: st.DrawFn) -> ChatRequest:
    """A request of an OpenAI client that both dialects carry whole."""
    request = draw(made.requests())
    wanted = request.response_format
    return msgspec.structs.replace(
        request,
        model="claude-haiku-4-5",
        messages=tuple(_shared_message(message) for message in request.messages),
        response_format=wanted and msgspec.structs.replace(wanted, name="answer"),
        reasoning=None,
        temperature=draw(st.none() | st.floats(0, 1)),
        extra_dialect=Dialect.OPENAI_CHAT,
    )


@st.composite
def shared_answers(draw: st.DrawFn) -> ChatAnswer:
    """An answer that both dialects carry whole: thinking, then words, then calls."""
    parts: list[Part] = [*draw(st.lists(made.thoughts, max_size=2))]
    parts += draw(st.lists(st.builds(Text, text=made.words), max_size=1))
    calls = draw(st.lists(made.answer_calls, max_size=2, unique_by=lambda call: call.id))
    reasons = [FinishReason.TOOL_CALLS] if calls else [FinishReason.STOP, FinishReason.STOP_SEQUENCE]
    reason = draw(st.sampled_from([*reasons, FinishReason.LENGTH]))
    choice = Choice(
        index=0,
        message=Message(role="assistant", parts=(*parts, *calls)),
        finish_reason=reason,
        stop_sequence="END" if reason is FinishReason.STOP_SEQUENCE else None,
    )
    return ChatAnswer(
        id=draw(made.ids), model=draw(made.names), created_at=0, choices=(choice,), usage=draw(made.usages())
    )


def _plain(answer: ChatAnswer) -> ChatAnswer:
    return msgspec.structs.replace(answer, extra={}, extra_dialect=None)


def _joined(messages: Iterable[Message]) -> list[Message]:
    """Put results of tools that follow each other into one message: OpenAI has one for each."""
    joined: list[Message] = []
    for is_result, run in groupby(messages, key=lambda message: message.role == "tool"):
        group = list(run)
        if is_result:
            group = [Message(role="tool", parts=tuple(part for message in group for part in message.parts))]
        joined += group
    return joined


def _streamed(wire: ChatWire, events: Iterable[Event]) -> list[Event]:
    """Write a stream and read it again."""
    encoder, parser = wire.encoder(ASKED), wire.parser()
    read = [event for one in events for event in parser.feed(encoder.encode(one))]
    return read + parser.close()


def _sent(request: ChatRequest) -> Encoded | UnsupportedContent:
    try:
        return OPENAI_CHAT.encode_request(request, model="gpt-5")
    except UnsupportedContent as error:
        return error


# Requests.


@given(shared_requests())
def test_a_request_reaches_the_other_provider_whole(request: ChatRequest) -> None:
    """Of an OpenAI client's request nothing that Anthropic's wire can carry is lost, and nothing is dropped."""
    asked = OPENAI_CHAT.decode_request(OPENAI_CHAT.encode_request(request, model=request.model).body)
    sent = ANTHROPIC_MESSAGES.encode_request(asked, model=request.model)
    arrived = ANTHROPIC_MESSAGES.decode_request(sent.body)
    assert sent.dropped == ()
    assert _joined(arrived.messages) == _joined(request.messages)
    assert arrived.tools == request.tools
    assert (arrived.tool_choice, arrived.parallel_tool_calls) == (request.tool_choice, request.parallel_tool_calls)
    wanted, got = request.response_format, arrived.response_format
    assert (wanted and wanted.schema) == (got and got.schema)
    for field in ("max_output_tokens", "temperature", "stop", "stream", "user", "service_tier"):
        assert getattr(arrived, field) == getattr(request, field)


@given(made.requests())
def test_a_request_of_the_one_is_readable_to_the_other_or_refused(request: ChatRequest) -> None:
    """What an Anthropic client asks is written for OpenAI so that it can be read, or refused by place."""
    asked = ANTHROPIC_MESSAGES.decode_request(ANTHROPIC_MESSAGES.encode_request(request, model="m").body)
    sent = _sent(asked)
    if isinstance(sent, UnsupportedContent):
        assert sent.param is not None
        assert sent.param.startswith("messages.")
        return
    arrived = OPENAI_CHAT.decode_request(sent.body)
    calls = [part for message in request.messages for part in message.parts if isinstance(part, ToolCall)]
    got = [part for message in arrived.messages for part in message.parts if isinstance(part, ToolCall)]
    assert [(call.id, call.name, call.arguments) for call in got] == [
        (one.id, one.name, one.arguments) for one in calls
    ]
    assert [tool.name for tool in arrived.tools] == [tool.name for tool in request.tools]


# Answers, whole and streamed.


@given(shared_answers())
def test_an_answer_reaches_the_other_client_whole(answer: ChatAnswer) -> None:
    """Thinking with its proof, words, calls, usage and reason survive either way, whole."""
    for first, second in (WIRES, reversed(WIRES)):
        there = first.decode_answer(first.encode_answer(answer))
        back = second.decode_answer(second.encode_answer(there))
        assert _plain(back) == answer


@given(shared_answers())
def test_a_stream_reaches_the_other_client_whole(answer: ChatAnswer) -> None:
    """And streamed."""
    for first, second in (WIRES, reversed(WIRES)):
        assert _plain(fold(_streamed(second, _streamed(first, unfold(answer))))) == answer


@given(shared_answers(), st.data())
def test_fragments_of_parallel_calls_find_their_call(answer: ChatAnswer, data: st.DataObject) -> None:
    """Mixed on the one wire and in a row on the other, each call keeps its arguments to the byte."""
    events = unfold(answer)
    calls = [event for event in events if type(event).__name__.startswith("ToolCall")]
    others = [event for event in events if event not in calls]
    shuffled = sorted(calls, key=lambda event: type(event).__name__, reverse=True)
    if data.draw(st.booleans()):
        starts = [event for event in shuffled if type(event).__name__ == "ToolCallStarted"]
        shuffled = starts + [event for event in reversed(shuffled) if event not in starts]
    end = len(others) - 3
    mixed = [*others[:end], *shuffled, *others[end:]]
    assert _plain(fold(_streamed(ANTHROPIC_MESSAGES, _streamed(OPENAI_CHAT, mixed)))) == answer


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.dialect.value)
@given(answer=shared_answers())
def test_whole_and_streamed_are_the_same_answer(wire: ChatWire, answer: ChatAnswer) -> None:
    """In each dialect, an answer read from a stream is the one read whole."""
    assert _plain(fold(_streamed(wire, unfold(answer)))) == _plain(wire.decode_answer(wire.encode_answer(answer)))


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.dialect.value)
@given(answer=shared_answers())
def test_scans_tell_what_readers_tell(wire: ChatWire, answer: ChatAnswer) -> None:
    """What passes through is accounted for like what is translated."""
    scanner = wire.scanner()
    encoder = wire.encoder(ASKED)
    stream = b"".join(encoder.encode(event) for event in unfold(answer))
    assert scanner.feed(stream) + scanner.close() == stream
    whole = wire.scan_answer(wire.encode_answer(answer))
    assert (scanner.usage, scanner.model) == (whole.usage, whole.model) == (answer.usage, answer.model)


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
    ],
)
def test_reasons_are_said_in_the_other_dialects_words(stop_reason: str, finish_reason: str) -> None:
    """Each of Anthropic's reasons to stop has its word in OpenAI's."""
    body = {"type": "message", "id": "a", "model": "m", "content": [], "stop_reason": stop_reason}
    answer = ANTHROPIC_MESSAGES.decode_answer(json.dumps(body).encode())
    assert json.loads(OPENAI_CHAT.encode_answer(answer))["choices"][0]["finish_reason"] == finish_reason


def test_a_refusal_in_words_is_one_in_both() -> None:
    """OpenAI's field for it becomes text and the reason."""
    message = {"role": "assistant", "content": None, "refusal": "I will not."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    written = json.loads(ANTHROPIC_MESSAGES.encode_answer(OPENAI_CHAT.decode_answer(json.dumps(body).encode())))
    assert (written["content"], written["stop_reason"]) == ([{"type": "text", "text": "I will not."}], "refusal")


def test_cached_tokens_are_counted_once() -> None:
    """OpenAI counts them within the prompt, Anthropic beside it; both ways the sums are right."""
    usage = {"input_tokens": 10, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 5, "output_tokens": 3}
    body = {"type": "message", "id": "a", "model": "m", "content": [], "stop_reason": "end_turn", "usage": usage}
    answer = ANTHROPIC_MESSAGES.decode_answer(json.dumps(body).encode())
    written = OPENAI_CHAT.encode_answer(answer)
    told = json.loads(written)["usage"]
    assert (told["prompt_tokens"], told["completion_tokens"], told["total_tokens"]) == (95, 3, 98)
    assert told["prompt_tokens_details"]["cached_tokens"] == 80
    back = json.loads(ANTHROPIC_MESSAGES.encode_answer(OPENAI_CHAT.decode_answer(written)))
    assert back["usage"] == usage


# Golden pairs: what real clients send, and what real providers get.

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}

OPENAI_AGENT = {
    "model": "anthropic/claude-sonnet-4-5",
    "messages": [
        {"role": "developer", "content": "You are terse."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is the weather here?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
                {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bergen"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": "more rain"},
        {"role": "system", "content": "The user has left Norway."},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [{"type": "function", "function": {"name": "weather", "description": "Ask.", "parameters": WEATHER}}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "max_completion_tokens": 20000,
    "reasoning_effort": "low",
    "temperature": 0.3,
    "seed": 7,
    "stream": True,
    "user": "u-1",
}

ANTHROPIC_AGENT = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 20000,
    "system": "You are terse.",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is the weather here?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "call_2", "name": "weather", "input": {"city": "Bergen"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": "more rain"},
                {"type": "text", "text": "<system>\nThe user has left Norway.\n</system>"},
                {"type": "text", "text": "And now?"},
            ],
        },
    ],
    "tools": [{"name": "weather", "description": "Ask.", "input_schema": WEATHER}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "metadata": {"user_id": "u-1"},
    "stream": True,
}


def test_an_openai_agent_speaks_to_claude() -> None:
    """Roles, pictures, parallel calls, a late system message, effort: all in the other wire's words, the rest named."""
    encoded = ANTHROPIC_MESSAGES.encode_request(
        OPENAI_CHAT.decode_request(json.dumps(OPENAI_AGENT).encode()), model="claude-sonnet-4-5"
    )
    assert json.loads(encoded.body) == ANTHROPIC_AGENT
    assert set(encoded.dropped) == {"detail", "temperature", "seed"}


CLAUDE_CODE = {
    "model": "openai/gpt-5",
    "max_tokens": 32000,
    "system": [{"type": "text", "text": "You write code.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Fix the bug."}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Look first.", "signature": "c2ln"},
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a.py"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "x = 1"}]},
                {"type": "text", "text": "Go on.", "cache_control": {"type": "ephemeral"}},
            ],
        },
    ],
    "tools": [{"name": "read", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}],
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "metadata": {"user_id": "u-1"},
    "stream": True,
}

GPT = {
    "model": "gpt-5",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "You write code."}]},
        {"role": "user", "content": "Fix the bug."},
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {"id": "toolu_1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a.py"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "x = 1"},
        {"role": "user", "content": [{"type": "text", "text": "Go on."}]},
    ],
    "user": "u-1",
    "max_completion_tokens": 32000,
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "read",
                "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
            },
        }
    ],
    "reasoning_effort": "high",
    "stream": True,
    "stream_options": {"include_usage": True},
}


def test_claude_code_speaks_to_gpt() -> None:
    """System blocks, thinking, results and effort of a coding agent are what OpenAI's API takes; the rest is named."""
    encoded = OPENAI_CHAT.encode_request(
        ANTHROPIC_MESSAGES.decode_request(json.dumps(CLAUDE_CODE).encode()), model="gpt-5"
    )
    assert json.loads(encoded.body) == GPT
    assert set(encoded.dropped) == {"cache", "reasoning"}


OPENAI_STREAM = b"".join(
    b"data: %b\n\n" % line
    for line in (
        b'{"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-5","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}',
        b'{"id":"c1","model":"gpt-5","choices":[{"index":0,"delta":{"content":"Two calls."}}]}',
        b'{"id":"c1","model":"gpt-5","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}]}}]}',
        b'{"id":"c1","model":"gpt-5","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"y","type":"function","function":{"name":"g","arguments":"{\\"b\\""}}]}}]}',
        b'{"id":"c1","model":"gpt-5","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":1}"}}]}}]}',
        b'{"id":"c1","model":"gpt-5","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":":2}"}}]}}]}',
        b'{"id":"c1","model":"gpt-5","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}',
        (
            b'{"id":"c1","model":"gpt-5","choices":[],"usage":{"prompt_tokens":50,"completion_tokens":9,'
            b'"total_tokens":59,"prompt_tokens_details":{"cached_tokens":40}}}'
        ),
        b"[DONE]",
    )
)


def test_a_stream_of_gpt_reaches_the_anthropic_sdk() -> None:
    """Mixed fragments of two calls arrive as two blocks in a row, with usage in the other wire's counts."""
    parser, encoder = OPENAI_CHAT.parser(), ANTHROPIC_MESSAGES.encoder(ASKED)
    data = b"".join(encoder.encode(event) for event in [*parser.feed(OPENAI_STREAM), *parser.close()])
    assert [line.partition(b" ")[2].decode() for line in data.split(b"\n") if line.startswith(b"event")] == [
        "message_start",
        *["content_block_start", "content_block_delta", "content_block_stop"] * 2,
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    reader = ANTHROPIC_MESSAGES.parser()
    message = anthropic.types.Message.model_validate_json(ANTHROPIC_MESSAGES.encode_answer(fold(reader.feed(data))))
    assert [block.to_dict() for block in message.content] == [
        {"type": "text", "text": "Two calls."},
        {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "y", "name": "g", "input": {"b": 2}},
    ]
    assert (message.stop_reason, message.usage.input_tokens, message.usage.cache_read_input_tokens) == (
        "tool_use",
        10,
        40,
    )


@given(shared_answers())
def test_an_answer_of_claude_reaches_the_openai_sdk(answer: ChatAnswer) -> None:
    """Whatever Claude answers, the official SDK of the other vendor reads it."""
    read = ANTHROPIC_MESSAGES.decode_answer(ANTHROPIC_MESSAGES.encode_answer(answer))
    completion = openai.types.chat.ChatCompletion.model_validate_json(OPENAI_CHAT.encode_answer(read))
    calls = [part for part in answer.choices[0].message.parts if isinstance(part, ToolCall)]
    assert [call.id for call in completion.choices[0].message.tool_calls or []] == [call.id for call in calls]
