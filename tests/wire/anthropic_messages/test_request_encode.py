"""Requests for providers."""

from __future__ import annotations

import json
from typing import cast

import anthropic.types
import msgspec
import pytest
from hypothesis import given
from pydantic import TypeAdapter

from narthex.errors import UnsupportedContent
from narthex.types.dialects import Dialect
from narthex.types.messages import CacheMarker, Message, Text
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool, ToolChoice
from narthex.wire.anthropic_messages.request_encode import encode_count_request, encode_request
from tests.wire.anthropic_messages.strategies import requests

HELLO = (Message(role="user", parts=(Text(text="hi"),)),)
FIND = Tool(name="find", parameters={"type": "object"})
PARAMS: TypeAdapter[object] = TypeAdapter(anthropic.types.MessageCreateParams)
COUNT_PARAMS: TypeAdapter[object] = TypeAdapter(anthropic.types.MessageCountTokensParams)


def encoded(request: ChatRequest, model: str = "claude-haiku-4-5") -> tuple[dict[str, object], tuple[str, ...]]:
    """Write a request; return its body and what was dropped."""
    result = encode_request(request, model=model)
    return cast("dict[str, object]", json.loads(result.body)), result.dropped


def request(**fields: object) -> ChatRequest:
    """Make a request that says hello."""
    return msgspec.structs.replace(ChatRequest(model="asked", messages=HELLO), **fields)


def test_the_least_request_gets_the_default_limit() -> None:
    """The wire requires a limit of tokens; without one of the caller's it is 4096."""
    assert encoded(request()) == (
        {"model": "claude-haiku-4-5", "max_tokens": 4096, "messages": [{"role": "user", "content": "hi"}]},
        (),
    )


FULL_BODY = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
    "tools": [
        {
            "name": "find",
            "description": "d",
            "input_schema": {"type": "object"},
            "strict": True,
            "cache_control": {"type": "ephemeral"},
        }
    ],
    "tool_choice": {"type": "tool", "name": "find", "disable_parallel_tool_use": True},
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    "temperature": 0.5,
    "top_k": 3,
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u"},
    "service_tier": "standard_only",
    "stream": True,
}


def test_writes_every_field_the_wire_has() -> None:
    """What the wire has a word for is written in its words."""
    body, dropped = encoded(
        request(
            max_output_tokens=100,
            temperature=0.5,
            top_k=3,
            stop=("END",),
            stream=True,
            user="u",
            service_tier="default",
            tools=(
                Tool(name="find", description="d", parameters={"type": "object"}, strict=True, cache=CacheMarker()),
            ),
            tool_choice=ToolChoice(mode="named", name="find"),
            parallel_tool_calls=False,
            response_format=ResponseFormat(kind="json_schema", name="n", schema={"type": "object"}, strict=True),
        )
    )
    assert dropped == ()
    assert body == FULL_BODY


UNSUPPORTED = request(
    seed=0,
    n=1,
    logprobs=True,
    top_logprobs=2,
    presence_penalty=1.0,
    frequency_penalty=0.0,
    logit_bias={"1": 5.0},
    metadata={"a": "b"},
    temperature=1.5,
    stop=("\n", "END"),
    service_tier="flex",
    response_format=ResponseFormat(kind="json_object"),
)


def test_tuning_that_the_wire_lacks_is_dropped_and_named() -> None:
    """What cannot be carried is left out of the body and named; what asks for nothing is not named."""
    body, dropped = encoded(UNSUPPORTED)
    assert sorted(dropped) == sorted(
        (
            "seed",
            "logprobs",
            "top_logprobs",
            "presence_penalty",
            "logit_bias",
            "metadata",
            "temperature",
            "stop",
            "service_tier",
            "response_format",
        )
    )
    assert body.keys() == {"model", "max_tokens", "messages", "stop_sequences"}
    assert body["stop_sequences"] == ["END"]


def test_thinking_that_does_not_fit_is_named() -> None:
    """A limit below the least budget leaves no room to think."""
    body, dropped = encoded(request(max_output_tokens=50, reasoning=ReasoningSettings(effort="high")))
    assert "thinking" not in body
    assert dropped == ("reasoning",)


def test_an_effort_goes_where_the_model_takes_it() -> None:
    """To later models it is part of the output's configuration, beside its format."""
    wanted = ResponseFormat(kind="json_schema", schema={"type": "object"})
    asked = request(reasoning=ReasoningSettings(effort="high"), response_format=wanted)
    body, _ = encoded(asked, "claude-opus-4-7")
    assert body["thinking"] == {"type": "adaptive"}
    assert body["output_config"] == {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}}


def test_several_answers_are_content_and_refused() -> None:
    """`n` above one cannot be served by one call, and is not silently one."""
    with pytest.raises(UnsupportedContent) as caught:
        encode_request(request(n=2), model="m")
    assert caught.value.param == "n"


@pytest.mark.parametrize(
    ("fields", "kept", "dropped"),
    [
        ({"temperature": 0.2, "top_p": 0.5}, {"temperature": 0.2}, ("top_p",)),
        ({"temperature": 0.2, "top_p": 1.0}, {"temperature": 0.2}, ()),
        ({"top_p": 0.5}, {"top_p": 0.5}, ()),
        ({"temperature": 0.2, "reasoning": ReasoningSettings(budget_tokens=1024)}, {}, ("temperature",)),
        ({"temperature": 1.0, "reasoning": ReasoningSettings(budget_tokens=1024)}, {"temperature": 1.0}, ()),
        ({"top_p": 0.97, "top_k": 1, "reasoning": ReasoningSettings(adaptive=True)}, {"top_p": 0.97}, ("top_k",)),
        ({"top_p": 0.5, "reasoning": ReasoningSettings(adaptive=True)}, {}, ("top_p",)),
        ({"top_k": 1, "reasoning": ReasoningSettings(enabled=False)}, {"top_k": 1}, ()),
    ],
)
def test_sampling_that_the_wire_refuses_in_company_is_dropped(
    fields: dict[str, object], kept: dict[str, object], dropped: tuple[str, ...]
) -> None:
    """A temperature and `top_p` together, and sampling beside thinking, would be refused by the provider."""
    body, named = encoded(request(**fields))
    assert {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body} == kept
    assert named == dropped


def test_the_latest_models_take_no_sampling_settings() -> None:
    """They refuse all three, so those are dropped and named; a 1 asks for nothing."""
    body, dropped = encoded(request(temperature=0.5, top_p=1.0, top_k=4, max_output_tokens=9), "claude-opus-4-7")
    assert body.keys() == {"model", "max_tokens", "messages"}
    assert dropped == ("temperature", "top_k")


@pytest.mark.parametrize(
    ("fields", "choice", "dropped"),
    [
        ({"tools": (FIND,)}, None, ()),
        (
            {"tools": (FIND,), "tool_choice": ToolChoice(mode="none"), "parallel_tool_calls": False},
            {"type": "none"},
            (),
        ),
        ({"tools": (FIND,), "parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}, ()),
        ({"tools": (FIND,), "tool_choice": ToolChoice(mode="required")}, {"type": "any"}, ()),
        ({"tool_choice": ToolChoice(mode="auto"), "parallel_tool_calls": True}, None, ()),
        ({"tool_choice": ToolChoice(mode="required")}, None, ("tool_choice",)),
    ],
)
def test_tools_are_chosen_only_where_there_are_any(
    fields: dict[str, object], choice: object, dropped: tuple[str, ...]
) -> None:
    """The wire refuses a choice without tools; one that would have forced a tool is named as dropped."""
    body, named = encoded(request(**fields))
    assert body.get("tool_choice") == choice
    assert named == dropped


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        ({}, {"type": "object", "properties": {}}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"type": "object", "required": []}, {"type": "object", "required": []}),
    ],
)
def test_a_tools_schema_always_says_object(parameters: dict[str, object], schema: dict[str, object]) -> None:
    """Other dialects let a tool without arguments have no schema; this one does not."""
    body, _ = encoded(request(tools=(Tool(name="f", parameters=parameters),)))
    assert body["tools"] == [{"name": "f", "input_schema": schema}]


def test_fields_of_this_dialect_come_back_as_they_came() -> None:
    """What a client of this dialect said beyond the vocabulary, its provider hears; tuning of others is named."""
    extra: dict[str, object] = {"container": "c", "new_field": 1, "metadata": {"team": "x"}}
    body, dropped = encoded(request(extra=extra, extra_dialect=Dialect.ANTHROPIC_MESSAGES, user="u"))
    assert (body["container"], body["new_field"]) == ("c", 1)
    assert body["metadata"] == {"team": "x", "user_id": "u"}
    assert dropped == ()
    body, dropped = encoded(request(extra={"store": True, "max_tokens": 5}, extra_dialect=Dialect.OPENAI_CHAT))
    assert body.keys() == {"model", "max_tokens", "messages"}
    assert dropped == ("store",)


def test_a_count_sends_what_bears_on_the_count() -> None:
    """The count is asked with the prompt, the tools and how to think, and without limits, sampling or streaming."""
    asked = request(
        max_output_tokens=5000,
        temperature=0.5,
        stream=True,
        user="u",
        tools=(FIND,),
        reasoning=ReasoningSettings(budget_tokens=2048),
        extra={"container": "c", "cache_control": {"type": "ephemeral"}},
        extra_dialect=Dialect.ANTHROPIC_MESSAGES,
    )
    body = json.loads(encode_count_request(asked, model="m").body)
    assert body.keys() == {"model", "messages", "tools", "thinking", "cache_control"}


@given(requests())
def test_every_request_is_one_of_the_official_sdk(made: ChatRequest) -> None:
    """The vendor's own types accept whatever is written."""
    PARAMS.validate_json(encode_request(made, model="m").body, strict=False)
    COUNT_PARAMS.validate_json(encode_count_request(made, model="m").body, strict=False)
