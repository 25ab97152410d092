"""Estimates count what was said, not what it was wrapped in, and never take away from what was told."""

from __future__ import annotations

import json

import pytest

from narthex.pipeline.estimates import estimate, prompt_tokens
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Stream
from narthex.testing.wires import openai_answer
from narthex.types.dialects import Dialect, Operation
from narthex.types.events import TextDelta
from narthex.types.messages import Image, Message, Text, ToolResult
from narthex.types.requests import ChatRequest, EmbeddingRequest
from narthex.types.usage import Usage


def call(body: bytes = b"x" * 400, *, operation: Operation = Operation.CHAT) -> Exchange:
    """Return a call of a hundred tokens."""
    return Exchange(Dialect.OPENAI_CHAT, body, {}, operation)


@pytest.mark.parametrize("said", ["a", "word " * 40])
def test_a_whole_answer_is_what_it_says(said: str) -> None:
    """The envelope of an answer costs nothing."""
    counted = estimate(call(), Stream.of(openai_answer(said), Dialect.OPENAI_CHAT))
    assert counted == Usage(input_tokens=100, output_tokens=-(-len(said) // 4), estimated=True)


def test_an_answer_that_cannot_be_read_is_counted_by_its_size() -> None:
    """Better too much than nothing."""
    assert estimate(call(), Stream.of(b"?" * 40, Dialect.OPENAI_CHAT)).output_tokens == 10


def test_a_stream_is_counted_by_its_events() -> None:
    """Each event is about a token, in bytes as in the inner vocabulary."""
    passing = Stream(Dialect.OPENAI_CHAT)
    passing.append(b"three events")
    passing.events_total = 3
    assert estimate(call(), passing).output_tokens == 3
    inner = Stream(None)
    inner.append(TextDelta(text="a"))
    inner.append(TextDelta(text="b"))
    assert estimate(call(), inner).output_tokens == 2


def test_a_call_without_a_body_is_counted_by_its_messages() -> None:
    """What is asked in-process costs as much as what comes over the network."""
    request = ChatRequest(model="m", messages=(Message(role="user", parts=(Text(text="word " * 80),)),))
    exchange = Exchange(Dialect.NATIVE, b"", {}, request=request)
    assert 100 <= estimate(exchange, Stream(None)).input_tokens <= 120


def test_what_was_told_is_kept() -> None:
    """A cut answer keeps the provider's counts, and has at least what was delivered."""
    exchange = call()
    exchange.usage = Usage(input_tokens=7, output_tokens=1, cache_read_tokens=5, cache_write_tokens=2)
    stream = Stream(Dialect.OPENAI_CHAT)
    stream.append(b"x")
    stream.events_total = 9
    expected = Usage(input_tokens=7, output_tokens=9, cache_read_tokens=5, cache_write_tokens=2, estimated=True)
    assert estimate(exchange, stream) == expected


def test_vectors_write_no_tokens() -> None:
    """An answer of vectors is read, not written."""
    exchange = call(operation=Operation.EMBED)
    assert estimate(exchange, Stream.of(b"[]" * 500, Dialect.OPENAI_EMBEDDINGS)).output_tokens == 0


DATA = "iVBORw0KGgo" + "A" * 400_000
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}
SOUND = {"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}}
FILE = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{DATA}", "filename": "a.pdf"}}


@pytest.mark.parametrize(("part", "most"), [(IMAGE, 1_500), (SOUND, 1_500), (FILE, 20_000)])
def test_what_is_not_text_counts_for_what_it_is(part: dict[str, object], most: int) -> None:
    """A picture of 300 kB is no prompt of 100,000 tokens, at either door."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]}).encode()
    received = Exchange(Dialect.OPENAI_CHAT, body, {})
    assert 50 < prompt_tokens(received) < most
    inside = Exchange(Dialect.NATIVE, b"", {}, request=received.chat_request())
    assert prompt_tokens(inside) == pytest.approx(prompt_tokens(received), abs=50)


def test_each_dialect_marks_pictures_in_its_own_words() -> None:
    """Anthropic's has no semicolon before them; one that stands in a text makes no picture of it."""
    source = {"type": "base64", "media_type": "image/png", "data": DATA}
    told = {"role": "user", "content": [{"type": "image", "source": source}]}
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [told]}).encode()
    assert b";" not in body
    assert 50 < prompt_tokens(Exchange(Dialect.ANTHROPIC_MESSAGES, body, {})) < 1_500
    written = json.dumps({"model": "m", "messages": [{"role": "user", "content": "a; b" * 500}]}).encode()
    assert prompt_tokens(call(written)) == len(written) // 4


def test_pictures_among_results_of_tools_count_as_pictures() -> None:
    """Wherever they stand in the call."""
    result = ToolResult(tool_call_id="1", parts=(Image(data=DATA, media_type="image/png"),))
    request = ChatRequest(model="m", messages=(Message(role="tool", parts=(result,)),))
    assert prompt_tokens(Exchange(Dialect.NATIVE, b"", {}, request=request)) < 1_500


def test_vectors_are_counted_by_their_inputs() -> None:
    """With a body or without one."""
    request = EmbeddingRequest(model="m", inputs=("word " * 80,))
    inside = Exchange(Dialect.NATIVE, b"", {}, Operation.EMBED, request=request)
    assert 100 <= prompt_tokens(inside) <= 105
    body = json.dumps({"model": "m", "input": "about base64 " * 30}).encode()
    assert prompt_tokens(Exchange(Dialect.OPENAI_EMBEDDINGS, body, {}, Operation.EMBED)) == len(body) // 4


def test_a_body_that_cannot_be_read_is_counted_by_its_size() -> None:
    """It may still pass through to a provider that reads it."""
    assert prompt_tokens(call(b'{"base64": ' + b"x" * 400)) == 411 // 4
