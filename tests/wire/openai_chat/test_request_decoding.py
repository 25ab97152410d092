"""Requests of clients: read in full, and refused with the field and the remedy."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import InvalidRequest, RequestError, UnsupportedContent
from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool, ToolChoice
from narthex.wire.openai_chat.request_decoding import decode_request
from narthex.wire.openai_chat.request_encoding import encode_request
from tests.wire.openai_chat.strategies import requests

HELLO = [{"role": "user", "content": "hi"}]


def read(**members: object) -> ChatRequest:
    """Read a request with these members beside model and messages."""
    return decode_request(json.dumps({"model": "m", "messages": HELLO} | members).encode())


@given(requests)
def test_reading_writing_and_reading_again_gives_the_same(body: dict[str, object]) -> None:
    """What was understood once is written so that it is understood alike, and nothing of it is dropped."""
    first = decode_request(json.dumps(body).encode())
    written = encode_request(first, model=first.model)
    assert decode_request(written.body) == first
    assert written.dropped == ()


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=6), st.lists).map(json.dumps))
def test_any_bytes_are_read_or_refused(body: bytes | str) -> None:
    """Nothing but a request error comes of a broken body."""
    with pytest.raises(RequestError):
        decode_request(body if isinstance(body, bytes) else body.encode())


@given(requests, st.data())
def test_a_body_with_a_wrong_member_is_read_or_refused(body: dict[str, object], data: st.DataObject) -> None:
    """A value of the wrong type anywhere at the top gives an error that names the field."""
    name = data.draw(st.sampled_from(sorted(body)))
    body[name] = data.draw(st.sampled_from([7, "x", [], {}, [{}], {"type": 3}, True, None, [[1]]]))
    error: InvalidRequest | None = None
    try:
        decode_request(json.dumps(body).encode())
    except InvalidRequest as caught:
        error = caught
    if error is not None:
        assert error.param is not None
        assert error.param.split(".")[0] == name
        assert error.param in error.message


def test_reads_the_small_members() -> None:
    """Every tuning member has its place."""
    request = read(
        temperature=1, top_p=0.5, top_k=4, seed=7, n=2, stop="END", presence_penalty=0.1, frequency_penalty=0.2,
        logit_bias={"50256": -100}, logprobs=True, top_logprobs=3, user="u", metadata={"a": "b"}, service_tier="flex",
        parallel_tool_calls=False, max_completion_tokens=9,
    )  # fmt: skip
    assert (request.temperature, request.top_p, request.top_k, request.seed, request.n) == (1.0, 0.5, 4, 7, 2)
    assert (request.stop, request.logit_bias, request.logprobs, request.top_logprobs) == (
        ("END",),
        {"50256": -100.0},
        True,
        3,
    )
    assert (request.presence_penalty, request.frequency_penalty, request.parallel_tool_calls) == (0.1, 0.2, False)
    assert (request.user, request.metadata, request.service_tier) == ("u", {"a": "b"}, "flex")
    assert request.max_output_tokens == 9


def test_both_names_of_the_length_are_read() -> None:
    """`max_completion_tokens` comes first, for it is the newer one."""
    assert read(max_tokens=5).max_output_tokens == 5
    assert read(max_tokens=5, max_completion_tokens=6).max_output_tokens == 6


def test_unknown_members_are_kept() -> None:
    """Members without a place here are kept by name, with the dialect they belong to; null is not given."""
    request = read(store=True, prediction={"type": "content"}, web_search_options=None)
    assert request.extra == {"store": True, "prediction": {"type": "content"}}
    assert request.extra_dialect is Dialect.OPENAI_CHAT


def test_usage_is_wanted_only_in_a_stream() -> None:
    """`include_usage` counts with `stream`; the other options of a stream are kept."""
    assert read(stream=True, stream_options={"include_usage": True}).include_usage
    assert not read(stream_options={"include_usage": True}).include_usage
    assert read(stream=True, stream_options={"include_obfuscation": False}).extra == {
        "stream_options": {"include_obfuscation": False}
    }


def test_reads_tools() -> None:
    """Tools keep their schema, `strict` and mark to be cached; the older `functions` are tools too."""
    schema: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"name": "weather", "description": "d", "parameters": schema, "strict": True}
    request = read(
        tools=[{"type": "function", "function": tool, "cache_control": {"type": "ephemeral"}}],
        functions=[{"name": "old"}],
    )
    assert request.tools[0] == Tool(
        name="weather", description="d", parameters=schema, strict=True, cache=request.tools[0].cache
    )
    assert request.tools[0].cache is not None
    assert request.tools[1] == Tool(name="old")


@pytest.mark.parametrize(
    ("given_choice", "choice"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ("any", ToolChoice(mode="required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice(mode="named", name="f")),
    ],
)
def test_reads_the_choice_of_a_tool(given_choice: object, choice: ToolChoice) -> None:
    """All spellings of a choice have one meaning."""
    assert read(tool_choice=given_choice).tool_choice == choice


def test_reads_the_older_choice_of_a_function() -> None:
    """`function_call` at the top says what `tool_choice` says today."""
    assert read(function_call="auto").tool_choice == ToolChoice(mode="auto")
    assert read(function_call={"name": "f"}).tool_choice == ToolChoice(mode="named", name="f")


def test_reads_the_form_of_the_answer() -> None:
    """A JSON schema is kept with its name and `strict`."""
    described = {"name": "n", "description": "d", "schema": {"type": "object"}, "strict": True}
    assert read(response_format={"type": "json_schema", "json_schema": described}).response_format == ResponseFormat(
        kind="json_schema", name="n", description="d", schema={"type": "object"}, strict=True
    )
    assert read(response_format={"type": "json_object"}).response_format == ResponseFormat(kind="json_object")


@pytest.mark.parametrize(
    ("members", "settings"),
    [
        ({"reasoning_effort": "high"}, ReasoningSettings(effort="high")),
        ({"reasoning_effort": "none"}, ReasoningSettings(enabled=False, effort="none")),
        ({"reasoning": {"max_tokens": 2000}}, ReasoningSettings(budget_tokens=2000)),
        ({"reasoning": {"enabled": False}}, ReasoningSettings(enabled=False)),
        ({"reasoning": {"effort": "low", "max_tokens": 9}}, ReasoningSettings(effort="low")),
        ({}, None),
    ],
)
def test_reads_how_much_to_think(members: dict[str, object], settings: ReasoningSettings | None) -> None:
    """OpenAI's word and OpenRouter's object have one meaning."""
    assert read(**members).reasoning == settings


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        (b"", None, "not JSON"),
        (b"[1]", None, "expected `object`"),
        (b'{"messages":[{"role":"user"}]}', "model", "required"),
        (b'{"model":"m"}', "messages", "required"),
        (b'{"model":"m","messages":[]}', "messages", "length >= 1"),
        (b'{"model":"m","messages":[{"content":"x"}]}', "messages.0.role", "required"),
        (b'{"model":"m","messages":[{"role":"king","content":"x"}]}', "messages.0.role", "system, developer"),
        (b'{"model":"m","messages":[{"role":"user","content":7}]}', "messages.0.content", "got `int`"),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"x"}]}]}',
            "messages.0.content.0.type",
            "use text",
        ),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}',
            "messages.0.content.0.text",
            "required",
        ),
        (b'{"model":"m","messages":[{"role":"tool","content":"x"}]}', "messages.0.tool_call_id", "required"),
        (
            b'{"model":"m","messages":[{"role":"function","content":"x","name":"f"}]}',
            "messages.0.name",
            "function_call",
        ),
        (b'{"model":"m","messages":[{"role":"user"}],"temperature":"hot"}', "temperature", "got `str`"),
        (b'{"model":"m","messages":[{"role":"user"}],"n":0}', "n", ">= 1"),
        (b'{"model":"m","messages":[{"role":"user"}],"tool_choice":"some"}', "tool_choice", "auto, none, required"),
        (b'{"model":"m","messages":[{"role":"user"}],"metadata":{"a":1}}', "metadata.*", "got `int`"),
        (
            b'{"model":"m","messages":[{"role":"user"}],"response_format":{"type":"xml"}}',
            "response_format.type",
            "use text",
        ),
        (
            b'{"model":"m","messages":[{"role":"user"}],"response_format":{"type":"json_schema"}}',
            "response_format.json_schema.schema",
            "required",
        ),
        (b'{"model":"m","messages":[{"role":"user"}],"tools":[{"type":"function"}]}', "tools.0.function", "required"),
        (b'{"model":"m","x":' + b"[" * 100_000, None, "nested too deeply"),
        (b'{"model":"\xff","messages":[{"role":"user"}]}', None, "UTF-8"),
    ],
)
def test_a_bad_request_says_what_and_where(body: bytes, param: str | None, says: str) -> None:
    """The message names the field and what was expected; `param` is its path."""
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body)
    assert caught.value.param == param
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools.0.type"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
    ],
)
def test_what_has_no_word_inside_is_refused_as_such(members: dict[str, object], param: str) -> None:
    """A valid request that cannot be translated is not called invalid."""
    with pytest.raises(UnsupportedContent) as caught:
        read(**members)
    assert caught.value.param == param
