"""The official OpenAI SDK against the running server: before an OpenAI upstream, an Anthropic one, and a script."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from typing import Literal, cast

import openai
import pytest
from openai.types.chat import ChatCompletionMessage, ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from narthex.testing.acts import delayed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_answer, openai_answer
from tests.gateways import KEY, RunningGateway
from tests.proof.houses import CALLS, PIXEL, PROVIDER_KEY, Far, Json, pieces_of, tool_use

HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
]
TOOLS: list[ChatCompletionToolParam] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Tells the {name}",
            "parameters": {"type": "object", "properties": {key: {} for key in given}},
        },
    }
    for name, given in CALLS
]


class City(BaseModel):
    """A structured answer."""

    name: str
    size: Literal["small", "large"]


# -- chats -------------------------------------------------------------------------------------------------------------


def test_a_whole_answer(openai_client: openai.OpenAI, far: Far) -> None:
    """A whole chat: text, finish reason, usage, and who answered."""
    far.says()
    raw = openai_client.chat.completions.with_raw_response.create(model=far.model, messages=HELLO)
    answer = raw.parse()
    assert answer.choices[0].message.content == "Hello from the script."
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert raw.headers["x-narthex-model"] == far.model
    assert raw.headers["x-request-id"].startswith("req_")
    assert answer._request_id == raw.headers["x-request-id"]


def test_what_the_upstream_is_asked(openai_client: openai.OpenAI, wired: Far) -> None:
    """The upstream gets the conversation and the settings in its own words, our key for it, and not the caller's."""
    openai_client.chat.completions.create(
        model=wired.model, messages=HELLO, temperature=0.5, max_tokens=50, stop=["END"]
    )
    asked, request = wired.asked(), wired.upstream.requests[-1]
    assert asked["model"] == wired.on_wire
    assert asked["temperature"] == 0.5
    assert asked["max_tokens"] == 50
    if wired.name == "openai":
        assert asked["messages"] == HELLO
        assert asked["stop"] == ["END"]
        assert request.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    else:
        assert asked["system"] == "Be brief."
        assert asked["messages"] == [{"role": "user", "content": "Hello"}]
        assert asked["stop_sequences"] == ["END"]
        assert request.headers["x-api-key"] == PROVIDER_KEY
        assert "authorization" not in request.headers
    assert KEY not in str(request.headers)


def test_a_streamed_answer(openai_client: openai.OpenAI, far: Far) -> None:
    """A streamed chat gives the same text, one finish reason, and no usage unless it is asked for."""
    far.says(stream=True)
    with openai_client.chat.completions.create(model=far.model, messages=HELLO, stream=True) as chunks:
        seen = list(chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in seen if chunk.choices) == "Hello from the script."
    assert [chunk.choices[0].finish_reason for chunk in seen if chunk.choices and chunk.choices[0].finish_reason] == [
        "stop"
    ]
    assert all(chunk.usage is None for chunk in seen)
    assert len({chunk.id for chunk in seen}) == 1


def test_a_streamed_answer_with_usage(openai_client: openai.OpenAI, far: Far) -> None:
    """With `include_usage` the last chunk holds the usage and no choice."""
    far.says(stream=True)
    with openai_client.chat.completions.create(
        model=far.model, messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as chunks:
        seen = list(chunks)
    assert seen[-1].choices == []
    assert seen[-1].usage is not None
    assert seen[-1].usage.completion_tokens > 0
    assert [chunk for chunk in seen[:-1] if chunk.usage is not None] == []


def test_the_helper_for_streams(openai_client: openai.OpenAI, far: Far) -> None:
    """`.stream()` accumulates the same answer that its events tell."""
    far.says(stream=True)
    with openai_client.chat.completions.stream(model=far.model, messages=HELLO) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert text == final.choices[0].message.content == "Hello from the script."
    assert final.choices[0].finish_reason == "stop"


async def test_whole_and_streamed_without_blocking(gateway: RunningGateway, far: Far) -> None:
    """The SDK for asyncio gets the same answers, several at once."""
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0, timeout=10) as client:
        far.says()
        answer = await client.chat.completions.create(model=far.model, messages=HELLO)
        assert answer.choices[0].message.content == "Hello from the script."
        far.says(stream=True)
        async with client.chat.completions.stream(model=far.model, messages=HELLO) as stream:
            text = "".join([event.delta async for event in stream if event.type == "content.delta"])
        assert text == "Hello from the script."
        many = await asyncio.gather(
            *(client.chat.completions.create(model=far.model, messages=HELLO) for _ in range(20))
        )
    assert {one.choices[0].message.content for one in many} == {"Hello from the script."}
    assert len({one._request_id for one in many}) == 20


def test_an_alias_is_a_model(openai_client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    """A plain name configured as an alias goes where it leads."""
    raw = openai_client.chat.completions.with_raw_response.create(model="fast", messages=HELLO)
    assert raw.headers["x-narthex-model"] == "oai/gpt-test"
    assert upstream.requests[-1].json()["model"] == "gpt-test"


def test_several_choices_and_logprobs(openai_client: openai.OpenAI) -> None:
    """`n` and `logprobs` are carried by what can carry them, whole and streamed."""
    answer = openai_client.chat.completions.create(model="demo/m", messages=HELLO, n=2, logprobs=True, top_logprobs=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[1].message.content == "Hello from the script."
    streamed_choices = set()
    with openai_client.chat.completions.create(
        model="demo/m", messages=HELLO, n=2, stream=True, logprobs=True
    ) as chunks:
        for chunk in chunks:
            streamed_choices |= {choice.index for choice in chunk.choices}
    assert streamed_choices == {0, 1}


def test_what_cannot_be_carried(openai_client: openai.OpenAI) -> None:
    """Tuning that the target has no word for is dropped and named; content and meaning are refused."""
    raw = openai_client.chat.completions.with_raw_response.create(
        model="ant/claude-sonnet-4-5", messages=HELLO, seed=7, presence_penalty=0.5
    )
    assert set(raw.headers["x-narthex-dropped"].split(", ")) == {"seed", "presence_penalty"}
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.chat.completions.create(model="ant/claude-sonnet-4-5", messages=HELLO, n=2)
    assert raised.value.code == "unsupported_content"
    assert raised.value.param == "n"


def test_limits_of_length(openai_client: openai.OpenAI) -> None:
    """An answer that runs into its limit says so."""
    answer = openai_client.chat.completions.create(model="demo/m", messages=HELLO, max_completion_tokens=2)
    assert answer.choices[0].finish_reason == "length"


# -- tools -------------------------------------------------------------------------------------------------------------

ASKING: list[ChatCompletionMessageParam] = [{"role": "user", "content": "use both tools"}]


def calls_in(message: ChatCompletionMessage) -> list[tuple[str, object]]:
    """Return name and arguments of each tool call."""
    calls = [call for call in message.tool_calls or [] if call.type == "function"]
    assert len({call.id for call in calls}) == len(calls)
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


def test_tools_called_in_parallel(openai_client: openai.OpenAI, far: Far) -> None:
    """Two calls made at once arrive as two, arguments whole; the upstream was offered both tools."""
    far.calls_tools()
    answer = openai_client.chat.completions.create(
        model=far.model, messages=ASKING, tools=TOOLS, tool_choice="required"
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    assert calls_in(answer.choices[0].message) == list(CALLS)
    if far.name == "openai":
        assert far.asked()["tools"] == TOOLS
    if far.name == "anthropic":
        assert pieces_of(far.asked(), "tools", 0, "name") == "weather"
        assert pieces_of(far.asked(), "tools", 0, "input_schema") == TOOLS[0]["function"].get("parameters")
        assert far.asked()["tool_choice"] == {"type": "any"}


def test_tools_streamed_in_fragments(openai_client: openai.OpenAI, far: Far) -> None:
    """Calls that come in fragments are put together by the SDK to the same calls."""
    far.calls_tools(stream=True)
    with openai_client.chat.completions.stream(model=far.model, messages=ASKING, tools=TOOLS) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()
    assert [(event.name, json.loads(event.arguments)) for event in done] == list(CALLS)
    assert final.choices[0].finish_reason == "tool_calls"
    assert calls_in(final.choices[0].message) == list(CALLS)


def test_results_are_sent_back(openai_client: openai.OpenAI, far: Far) -> None:
    """The next turn brings the calls and their results to the upstream, in its own words, IDs matching."""
    far.calls_tools()
    message = openai_client.chat.completions.create(model=far.model, messages=ASKING, tools=TOOLS).choices[0].message
    results: list[ChatCompletionMessageParam] = [
        {"role": "tool", "tool_call_id": call.id, "content": f"result {number}"}
        for number, call in enumerate(message.tool_calls or [])
    ]
    said = cast("ChatCompletionMessageParam", message.model_dump(exclude_none=True))
    far.says("It is warm.")
    answer = openai_client.chat.completions.create(model=far.model, messages=[*ASKING, said, *results], tools=TOOLS)
    assert answer.choices[0].message.content == "It is warm."
    ids = [call.id for call in message.tool_calls or []]
    if far.name == "openai":
        assert far.asked()["messages"] == [*ASKING, said, *results]
    if far.name == "anthropic":
        turns = cast("list[Json]", far.asked()["messages"])
        assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
        assert turns[1]["content"] == [tool_use(number, *call) for number, call in enumerate(CALLS)]
        content = cast("list[Json]", turns[2]["content"])
        assert [block["tool_use_id"] for block in content] == ids
        assert [block["content"] for block in content] == ["result 0", "result 1"]


# -- structured output, pictures ---------------------------------------------------------------------------------------


def test_structured_output(openai_client: openai.OpenAI, far: Far) -> None:
    """`.parse` gets a value of its model; the upstream was given the schema."""
    far.says('{"name": "Belém", "size": "large"}')
    answer = openai_client.chat.completions.parse(model=far.model, messages=HELLO, response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)
    if far.name != "scripted":
        assert answer.choices[0].message.parsed.name == "Belém"
        path = {
            "openai": ("response_format", "json_schema", "schema"),
            "anthropic": ("output_config", "format", "schema"),
        }
        schema = cast("Json", pieces_of(far.asked(), *path[far.name]))
        assert schema["required"] == ["name", "size"]


def test_structured_output_streamed(openai_client: openai.OpenAI, far: Far) -> None:
    """The helper for streams parses what was streamed."""
    far.says('{"name": "Belém", "size": "large"}', stream=True)
    with openai_client.chat.completions.stream(model=far.model, messages=HELLO, response_format=City) as stream:
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, City)


def test_pictures(openai_client: openai.OpenAI, far: Far) -> None:
    """A picture in a data URL reaches the upstream in its own words, byte for byte."""
    far.says()
    address = f"data:image/png;base64,{PIXEL}"
    openai_client.chat.completions.create(
        model=far.model,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": address}},
                ],
            }
        ],
    )
    if far.name == "openai":
        assert pieces_of(far.asked(), "messages", 0, "content", 1, "image_url", "url") == address
    if far.name == "anthropic":
        source = pieces_of(far.asked(), "messages", 0, "content", 1, "source")
        assert source == {"type": "base64", "media_type": "image/png", "data": PIXEL}


# -- reasoning ---------------------------------------------------------------------------------------------------------


def test_reasoning_effort(openai_client: openai.OpenAI, far: Far) -> None:
    """An effort reaches the upstream as its own kind of wish for thinking."""
    far.says("Done.")
    answer = openai_client.chat.completions.create(
        model=far.model, messages=[{"role": "user", "content": "think first"}], reasoning_effort="low"
    )
    assert answer.choices[0].message.content == "Done."
    if far.name == "openai":
        assert far.asked()["reasoning_effort"] == "low"
    if far.name == "anthropic":
        assert "thinking" in far.asked()
    if far.name == "scripted":
        assert getattr(answer.choices[0].message, "reasoning_content", None) == "Let me see."


# -- vectors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["float", "base64", None])
@pytest.mark.parametrize("model", ["oai/gpt-test", "demo/m"])
def test_vectors(openai_client: openai.OpenAI, model: str, encoding: Literal["float", "base64"] | None) -> None:
    """Vectors come in the form that was asked for, the same numbers whichever it is; the SDK itself asks for base64."""
    chosen: Literal["float", "base64"] | openai.Omit = openai.omit if encoding is None else encoding
    answer = openai_client.embeddings.create(model=model, input=["a", "bb"], encoding_format=chosen)
    plain = openai_client.embeddings.create(model=model, input=["a", "bb"], encoding_format="float")
    assert [item.index for item in answer.data] == [0, 1]
    assert answer.usage.total_tokens == plain.usage.total_tokens > 0
    for item, other in zip(answer.data, plain.data, strict=True):
        numbers: object = item.embedding
        if isinstance(numbers, str):
            numbers = list(struct.unpack(f"<{len(base64.b64decode(numbers)) // 4}f", base64.b64decode(numbers)))
        assert numbers == pytest.approx(other.embedding, abs=1e-6)


def test_vectors_of_a_provider_without_any(openai_client: openai.OpenAI) -> None:
    """A provider that has no vectors refuses at once, with a code to branch on."""
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.embeddings.create(model="ant/claude-sonnet-4-5", input="a")
    assert raised.value.code == "unsupported_content"


# -- models ------------------------------------------------------------------------------------------------------------


def test_models(openai_client: openai.OpenAI) -> None:
    """The list names every provider's models and the aliases; each can be asked for by itself."""
    names = [model.id for model in openai_client.models.list()]
    assert {"oai/gpt-test", "ant/claude-sonnet-4-5", "demo/m", "fast"} <= set(names)
    assert openai_client.models.retrieve("oai/gpt-test").id == "oai/gpt-test"
    assert openai_client.models.retrieve("fast").object == "model"
    with pytest.raises(openai.NotFoundError) as raised:
        openai_client.models.retrieve("demo/none")
    assert raised.value.code == "model_not_found"


# -- idempotency keys --------------------------------------------------------------------------------------------------


def test_a_key_gives_the_same_answer(openai_client: openai.OpenAI, wired: Far) -> None:
    """Two calls under one key are one call to the provider, whole and streamed."""
    before = len(wired.upstream.requests)
    key = {"Idempotency-Key": f"whole-{wired.name}"}
    wired.says()
    raw = [
        openai_client.chat.completions.with_raw_response.create(model=wired.model, messages=HELLO, extra_headers=key)
        for _ in range(2)
    ]
    assert raw[0].content == raw[1].content
    assert [one.headers.get("idempotent-replayed") for one in raw] == [None, "true"]
    wired.says(stream=True)
    key = {"Idempotency-Key": f"streamed-{wired.name}"}
    seen = [
        list(openai_client.chat.completions.create(model=wired.model, messages=HELLO, extra_headers=key, stream=True))
        for _ in range(2)
    ]
    assert seen[0] == seen[1]
    assert len(wired.upstream.requests) == before + 2


def test_the_sdks_own_retry_finds_the_first_answer(gateway: RunningGateway, wired: Far) -> None:
    """A client that lost patience retries by itself: under a key that is the same call, which has gone on meanwhile."""
    before = len(wired.upstream.requests)
    text = "Hello from the script."
    wired.play(delayed(whole(openai_answer(text) if wired.name == "openai" else anthropic_answer(text)), 0.8))
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=3, timeout=0.5) as impatient:
        answer = impatient.chat.completions.create(
            model=wired.model, messages=HELLO, extra_headers={"Idempotency-Key": f"patience-{wired.name}"}
        )
    assert answer.choices[0].message.content == "Hello from the script."
    assert len(wired.upstream.requests) == before + 1


def test_a_conflict_is_not_retried(gateway: RunningGateway) -> None:
    """The SDK takes a 409 for a lock and would ask again: it is told not to."""
    key = {"Idempotency-Key": "conflict"}
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=2) as client:
        client.chat.completions.create(model="demo/m", messages=HELLO, extra_headers=key)
        with pytest.raises(openai.ConflictError) as raised:
            client.chat.completions.create(model="demo/m", messages=HELLO, temperature=1, extra_headers=key)
    assert raised.value.code == "idempotency_conflict"
    assert raised.value.response.request.headers["x-stainless-retry-count"] == "0"
