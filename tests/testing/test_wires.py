"""The words of providers, checked with their own SDKs' types."""

from __future__ import annotations

import json

from anthropic.types import Message as AnthropicMessage
from anthropic.types import RawMessageStreamEvent
from openai.types import CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from narthex.testing.wires import (
    anthropic_answer,
    anthropic_error,
    anthropic_frames,
    anthropic_models,
    openai_answer,
    openai_embeddings,
    openai_error,
    openai_frames,
    openai_models,
    tool_call,
    words,
)


def _data(frame: bytes) -> bytes:
    return next(line for line in frame.split(b"\n") if line.startswith(b"data: "))[6:]


def test_openai_answers_are_openai_s() -> None:
    """The whole answer is a chat completion, with tool calls too."""
    found = ChatCompletion.model_validate_json(openai_answer("Hi", tool_calls=[tool_call("clock", {"a": 1})]))
    assert found.choices[0].message.content == "Hi"
    assert found.choices[0].message.tool_calls is not None
    assert found.usage is not None


def test_openai_frames_are_openai_s() -> None:
    """Each frame is a chunk, together they are the text and the call, and the end is marked."""
    frames = openai_frames("Hi there.", tool_calls=[tool_call("clock", {"a": 1})])
    assert frames[-1] == b"data: [DONE]\n\n"
    chunks = [ChatCompletionChunk.model_validate_json(_data(frame)) for frame in frames[:-1]]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Hi there."
    pieces = [call.function for delta in deltas for call in delta.tool_calls or () if call.function is not None]
    assert "".join(piece.arguments or "" for piece in pieces) == '{"a": 1}'
    assert chunks[-1].usage is not None


def test_frames_can_be_left_out() -> None:
    """Finish, usage and closing mark are each left out on request."""
    bare = openai_frames("Hi", finish=None, usage=False, done=False)
    assert len(bare) == 2
    assert len(anthropic_frames("Hi", stop=None, done=False)) == len(anthropic_frames("Hi")) - 2


def test_anthropic_answers_are_anthropic_s() -> None:
    """The whole answer is a message, its stream the events of one."""
    found = AnthropicMessage.model_validate_json(anthropic_answer("Hi"))
    assert found.stop_reason == "end_turn"
    events: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
    frames = anthropic_frames("Hi there.", tools=[{"id": "t", "name": "clock", "input": {"a": 1}}])
    kinds = [events.validate_json(_data(frame)).type for frame in frames if not frame.startswith(b"event: ping")]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 2


def test_lists_and_vectors() -> None:
    """Vectors and lists of models are what the SDKs read."""
    vectors = CreateEmbeddingResponse.model_validate_json(openai_embeddings([(1.0, 0.0)]))
    assert vectors.data[0].embedding == [1.0, 0.0]
    (row,) = json.loads(openai_models("m"))["data"]
    assert Model.model_validate(row).id == "m"
    assert json.loads(anthropic_models("a", "b"))["last_id"] == "b"
    assert json.loads(anthropic_models())["last_id"] is None


def test_errors() -> None:
    """Errors have the shape of each wire."""
    assert json.loads(openai_error("x", code="c"))["error"]["code"] == "c"
    assert json.loads(anthropic_error("x"))["error"]["type"] == "api_error"


def test_words_lose_nothing() -> None:
    """The pieces of a text are the text."""
    assert "".join(words("  a b\n c ")) == "  a b\n c "
