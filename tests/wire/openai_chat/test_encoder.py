"""Streams for clients: OpenAI's chunks to the letter, read back by OpenAI's own SDK types."""

from __future__ import annotations

import msgspec
from openai.types.chat import ChatCompletionChunk

from narthex.errors import ProviderOverloaded
from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.dialects import Dialect
from narthex.types.events import (
    Ended,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.usage import Usage
from narthex.wire.openai_chat.encoder import OpenAIChatEncoder
from narthex.wire.sse import SseParser

STARTED = Started(id="c-1", model="m", created_at=7)
HEAD = b'data: {"id":"c-1","object":"chat.completion.chunk","created":7,"model":"m","choices":['
ROLE = (
    b'{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}\n\n'
)


def encoded(*events: Event, include_usage: bool = False) -> bytes:
    """Write events after the start of an answer."""
    encoder = OpenAIChatEncoder(include_usage=include_usage)
    return b"".join(encoder.encode(event) for event in (STARTED, *events))


def chunks(stream: bytes) -> list[ChatCompletionChunk]:
    """Read a stream with OpenAI's own types."""
    events = SseParser().feed(stream)
    return [ChatCompletionChunk.model_validate_json(event.data) for event in events if event.data != b"[DONE]"]


def test_a_plain_answer_to_the_letter() -> None:
    """Role, text, end and `[DONE]`, as OpenAI writes them."""
    assert encoded(TextDelta(text='"hi"'), Finished(reason=FinishReason.STOP), Ended()) == (
        HEAD
        + ROLE
        + HEAD
        + b'{"index":0,"delta":{"content":"\\"hi\\""},"logprobs":null,"finish_reason":null}]}\n\n'
        + HEAD
        + b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\n'
        + b"data: [DONE]\n\n"
    )


def test_usage_is_told_only_where_asked_for() -> None:
    """With `include_usage` every chunk says null, and one without choices says the tokens."""
    events = (
        TextDelta(text="a"),
        Finished(reason=FinishReason.STOP),
        UsageReported(usage=Usage(input_tokens=3, output_tokens=4, cache_read_tokens=1)),
    )
    assert b"usage" not in encoded(*events)
    *said, last = chunks(encoded(*events, include_usage=True))
    assert all(chunk.usage is None for chunk in said)
    assert encoded(*events, include_usage=True).count(b'"usage":null') == len(said)
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (3, 4, 7)


def test_tool_calls_are_numbered_by_choice() -> None:
    """Parts of other kinds do not count; ID and name come once, arguments after."""
    stream = chunks(
        encoded(
            TextDelta(text="a", part=0),
            ToolCallStarted(id="c1", name="f", part=1),
            ToolCallStarted(id="c2", name="g", part=2),
            ToolCallDelta(arguments="{}", part=2),
            Finished(reason=FinishReason.TOOL_CALLS),
        )
    )
    calls = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    assert [call.index for call in calls] == [0, 1, 1]
    assert [call.id for call in calls] == ["c1", "c2", None]
    assert [call.function.arguments if call.function else None for call in calls] == ["", "", "{}"]
    assert stream[-1].choices[0].finish_reason == "tool_calls"


def test_every_choice_begins_with_its_role() -> None:
    """With several answers each one starts as the first does, even one that says nothing."""
    stream = chunks(encoded(TextDelta(text="b", choice=1), Finished(reason=FinishReason.STOP, choice=2)))
    roles = [chunk.choices[0].index for chunk in stream if chunk.choices[0].delta.role == "assistant"]
    assert roles == [1, 2]


def test_thinking_is_told_twice() -> None:
    """As text to be shown, and as details to be sent back with their signature."""
    events = (
        ReasoningDelta(text="hm", part=0),
        ReasoningDelta(signature="s", part=0),
        ReasoningDelta(redacted="r", part=1),
        TextDelta(text="a", part=2),
    )
    deltas = [chunk.choices[0].delta.model_dump(exclude_none=True) for chunk in chunks(encoded(*events))]
    assert deltas[1:] == [
        {
            "reasoning_content": "hm",
            "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": None, "index": 0}],
        },
        {"reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "s", "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "r", "index": 1}]},
        {"content": "a"},
    ]


def test_a_refusal_ends_with_stop() -> None:
    """The words are in `refusal`; a refusal without words is a filtered answer."""
    with_words = chunks(encoded(RefusalDelta(text="no"), Finished(reason=FinishReason.REFUSAL)))
    assert with_words[1].choices[0].delta.refusal == "no"
    assert with_words[-1].choices[0].finish_reason == "stop"
    assert chunks(encoded(Finished(reason=FinishReason.REFUSAL)))[-1].choices[0].finish_reason == "content_filter"


def test_log_probabilities_and_stop_sequence_are_told() -> None:
    """Tokens come with the text they belong to; the sequence with the end."""
    logprobs = (TokenLogprob(token="a", logprob=-1.0, token_bytes=(97,)),)
    stream = encoded(
        TextDelta(text="a", logprobs=logprobs), Finished(reason=FinishReason.STOP_SEQUENCE, stop_sequence="END")
    )
    _, said, last = chunks(stream)
    assert said.choices[0].logprobs is not None
    assert said.choices[0].logprobs.content is not None
    assert said.choices[0].logprobs.content[0].model_dump() == {
        "token": "a",
        "logprob": -1.0,
        "bytes": [97],
        "top_logprobs": [],
    }
    assert last.choices[0].finish_reason == "stop"
    assert b'"finish_reason":"stop","stop_reason":"END"' in stream


def test_only_our_own_extras_are_written() -> None:
    """What this dialect said of the answer is in every chunk; what another said is not."""
    own = OpenAIChatEncoder(include_usage=False)
    own.encode(Started(id="a", model="m", created_at=1, extra={"fp": 1}, extra_dialect=Dialect.OPENAI_CHAT))
    assert own.encode(TextDelta(text="x")).count(b'"fp":1') == 2
    other = OpenAIChatEncoder(include_usage=False)
    other.encode(Started(id="a", model="m", created_at=1, extra={"fp": 1}, extra_dialect=Dialect.ANTHROPIC_MESSAGES))
    assert b"fp" not in other.encode(TextDelta(text="x"))


def test_an_error_ends_the_stream_without_done() -> None:
    """The client reads an error object where a chunk would stand."""
    encoder = OpenAIChatEncoder(include_usage=False)
    frame = encoder.error(ProviderOverloaded("busy", provider="up"), "req_1")
    assert frame.startswith(b"data: ")
    assert frame.endswith(b"\n\n")
    assert msgspec.json.decode(frame[6:]) == {
        "error": {
            "message": "busy",
            "type": "provider_error",
            "param": None,
            "code": "provider_overloaded",
            "request_id": "req_1",
        }
    }


def test_a_providers_failure_is_told_in_its_words() -> None:
    """`Failed` becomes an error object with the provider's code."""
    frame = OpenAIChatEncoder(include_usage=False).encode(Failed(message="down", code="x"))
    assert frame == (b'data: {"error":{"message":"down","type":"provider_error","param":null,"code":"x"}}\n\n')
