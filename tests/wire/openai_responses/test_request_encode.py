"""Requests for providers."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given

from narthex.types.messages import CacheMarker, Message, Reasoning, Text
from narthex.types.requests import ChatRequest, ReasoningSettings, Tool
from narthex.wire.openai_responses.request_decode import decode_request
from narthex.wire.openai_responses.request_encode import encode_request
from tests.wire.openai_responses import strategies as made

HI = Message(role="user", parts=(Text(text="hi"),))


@given(made.requests())
def test_a_request_survives_both_directions(request: ChatRequest) -> None:
    """Written for a provider and read again, it asks the same."""
    again = decode_request(encode_request(request, model=request.model).body)
    for name in ("messages", "max_output_tokens", "tool_choice", "parallel_tool_calls", "response_format", "reasoning"):
        assert getattr(again, name) == getattr(request, name), name
    assert [(tool.name, tool.description) for tool in again.tools] == [(t.name, t.description) for t in request.tools]


def test_a_provider_is_asked_to_keep_nothing() -> None:
    """What a client asks of this server is not passed on, and thoughts are wanted sealed."""
    request = decode_request(
        b'{"model":"m","input":"hi","store":true,"background":false,"reasoning":{"summary":"auto"},"truncation":"auto"}'
    )
    body = json.loads(encode_request(request, model="gpt-5").body)
    assert body["store"] is False
    assert "background" not in body
    assert body["include"] == ["reasoning.encrypted_content"]
    assert (body["model"], body["truncation"], body["reasoning"]) == ("gpt-5", "auto", {"summary": "auto"})


def test_tuning_without_a_field_is_dropped_and_named() -> None:
    """The caller is told of each."""
    request = ChatRequest(
        model="m",
        messages=(Message(role="user", parts=(Text(text="hi", cache=CacheMarker()),)),),
        top_k=5,
        seed=1,
        n=2,
        stop=("END",),
        logit_bias={"1": 2.0},
        presence_penalty=0.1,
        frequency_penalty=0.1,
        reasoning=ReasoningSettings(budget_tokens=1024),
    )
    named = {"cache", "top_k", "seed", "n", "stop", "logit_bias", "presence_penalty", "frequency_penalty", "reasoning"}
    assert set(encode_request(request, model="m").dropped) == named


def test_thoughts_of_another_provider_are_not_passed_off_as_its_own() -> None:
    """A caller of another dialect brings another provider's proofs: they are dropped, and named."""
    thought = Message(role="assistant", parts=(Reasoning(text="hm", signature="x"), Text(text="so")))
    encoded = encode_request(ChatRequest(model="m", messages=(HI, thought, HI)), model="m")
    assert encoded.dropped == ("reasoning",)
    assert [item["type"] for item in json.loads(encoded.body)["input"]] == ["message"] * 3


def test_every_tool_has_a_schema_and_says_whether_it_is_strict() -> None:
    """The API demands both."""
    request = ChatRequest(
        model="m", messages=(HI,), tools=(Tool(name="f"),), reasoning=ReasoningSettings(enabled=False)
    )
    body = json.loads(encode_request(request, model="m").body)
    assert body["tools"][0]["parameters"] == {"type": "object", "properties": {}}
    assert body["tools"][0]["strict"] is False
    assert body["reasoning"] == {"effort": "none"}


def test_log_probabilities_are_asked_for_where_they_are_wanted() -> None:
    """They come only if they are included."""
    request = msgspec.structs.replace(
        ChatRequest(model="m", messages=(HI,)), logprobs=True, top_logprobs=3, stream=True
    )
    body = json.loads(encode_request(request, model="m").body)
    assert (body["include"], body["top_logprobs"], body["stream"]) == (["message.output_text.logprobs"], 3, True)
