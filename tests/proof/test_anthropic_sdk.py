"""The official Anthropic SDK against the running server: before an Anthropic upstream, an OpenAI one, and a script."""

from __future__ import annotations

import asyncio
import json
from typing import Literal, cast

import anthropic
import pytest
from anthropic.types import (
    Message,
    MessageParam,
    TextBlock,
    ThinkingBlock,
    ToolParam,
    ToolResultBlockParam,
    ToolUseBlock,
)
from pydantic import BaseModel

from narthex.testing.acts import streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_answer, anthropic_frame, as_json, openai_answer
from tests.gateways import KEY, RunningGateway
from tests.proof.houses import CALLS, PIXEL, PROVIDER_KEY, Far, Json, pieces_of, split_up, tool_use

HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
ASKING: list[MessageParam] = [{"role": "user", "content": "use both tools"}]
TOOLS: list[ToolParam] = [
    {
        "name": name,
        "description": f"Tells the {name}",
        "input_schema": {"type": "object", "properties": {key: {} for key in given}},
    }
    for name, given in CALLS
]
THINKING: Json = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}


class City(BaseModel):
    """A structured answer."""

    name: str
    size: Literal["small", "large"]


def text_of(message: Message) -> str:
    """Return all text of a message."""
    return "".join(block.text for block in message.content if isinstance(block, TextBlock))


def calls_in(message: Message) -> list[tuple[str, object]]:
    """Return name and input of each tool call."""
    return [(block.name, block.input) for block in message.content if isinstance(block, ToolUseBlock)]


# -- messages ----------------------------------------------------------------------------------------------------------


def test_a_whole_answer(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """A whole message: text, stop reason, usage, and who answered."""
    far.says()
    raw = anthropic_client.messages.with_raw_response.create(model=far.model, max_tokens=50, messages=HELLO)
    message = raw.parse()
    assert text_of(message) == "Hello from the script."
    assert (message.role, message.type, message.stop_reason) == ("assistant", "message", "end_turn")
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    assert raw.headers["x-narthex-model"] == far.model
    assert str(message._request_id).startswith("req_")
    assert message._request_id == raw.headers["x-request-id"]


def test_what_the_upstream_is_asked(anthropic_client: anthropic.Anthropic, wired: Far) -> None:
    """The upstream gets the conversation and the settings in its own words, our key for it, and not the caller's."""
    beta = {"anthropic-beta": "context-1m-2025-08-07"}
    settings = {"system": "Be brief.", "stop_sequences": ["END"], "temperature": 0.5}
    anthropic_client.messages.create(
        model=wired.model, max_tokens=50, messages=HELLO, extra_body=settings, extra_headers=beta
    )
    asked, request = wired.asked(), wired.upstream.requests[-1]
    assert asked["model"] == wired.on_wire
    assert asked["temperature"] == 0.5
    if wired.name == "anthropic":
        assert asked["max_tokens"] == 50
        assert asked["system"] == "Be brief."
        assert asked["messages"] == HELLO
        assert asked["stop_sequences"] == ["END"]
        assert request.headers["x-api-key"] == PROVIDER_KEY
        assert request.headers["anthropic-beta"] == "context-1m-2025-08-07"
        assert request.headers["anthropic-version"] == anthropic_client.default_headers["anthropic-version"]
    else:
        assert asked["messages"] == [{"role": "system", "content": "Be brief."}, *HELLO]
        assert asked["stop"] == ["END"]
        assert 50 in (asked.get("max_tokens"), asked.get("max_completion_tokens"))
        assert request.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert "x-api-key" not in request.headers
    assert KEY not in str(request.headers)


def test_a_streamed_answer(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """A streamed message begins and ends as the dialect says, each block opened and closed, usage at the end."""
    far.says(stream=True)
    with anthropic_client.messages.create(model=far.model, max_tokens=50, messages=HELLO, stream=True) as events:
        seen = list(events)
    kinds = [event.type for event in seen]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    last = seen[-2]
    assert last.type == "message_delta"
    assert last.delta.stop_reason == "end_turn"
    assert last.usage.output_tokens > 0


def test_the_helper_for_streams(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """`.stream()` accumulates the same message that its text stream tells."""
    far.says(stream=True)
    with anthropic_client.messages.stream(model=far.model, max_tokens=50, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == text_of(final) == "Hello from the script."
    assert final.stop_reason == "end_turn"
    assert final.usage.input_tokens > 0
    assert final.usage.output_tokens > 0


async def test_whole_and_streamed_without_blocking(gateway: RunningGateway, far: Far) -> None:
    """The SDK for asyncio gets the same answers, several at once."""
    async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key=KEY, max_retries=0, timeout=10) as client:
        far.says()
        message = await client.messages.create(model=far.model, max_tokens=50, messages=HELLO)
        assert text_of(message) == "Hello from the script."
        far.says(stream=True)
        async with client.messages.stream(model=far.model, max_tokens=50, messages=HELLO) as stream:
            assert "".join([text async for text in stream.text_stream]) == "Hello from the script."
        many = await asyncio.gather(
            *(client.messages.create(model=far.model, max_tokens=50, messages=HELLO) for _ in range(20))
        )
    assert {text_of(one) for one in many} == {"Hello from the script."}


def test_limits_of_length(anthropic_client: anthropic.Anthropic) -> None:
    """A message that runs into its limit says so."""
    message = anthropic_client.messages.create(model="demo/m", max_tokens=2, messages=HELLO)
    assert message.stop_reason == "max_tokens"


def test_a_key_as_bearer(gateway: RunningGateway) -> None:
    """The key may come as a bearer token too."""
    with anthropic.Anthropic(base_url=gateway.url, auth_token=KEY, api_key=None, max_retries=0) as client:
        assert text_of(client.messages.create(model="demo/m", max_tokens=50, messages=HELLO))


# -- tools -------------------------------------------------------------------------------------------------------------


def test_tools_called_in_parallel(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """Two calls made at once arrive as two blocks; the upstream was offered both tools."""
    far.calls_tools()
    message = anthropic_client.messages.create(
        model=far.model, max_tokens=500, messages=ASKING, tools=TOOLS, tool_choice={"type": "any"}
    )
    assert message.stop_reason == "tool_use"
    assert calls_in(message) == list(CALLS)
    if far.name == "anthropic":
        assert far.asked()["tools"] == TOOLS
    if far.name == "openai":
        assert pieces_of(far.asked(), "tools", 0, "function", "name") == "weather"
        assert pieces_of(far.asked(), "tools", 0, "function", "parameters") == TOOLS[0]["input_schema"]
        assert far.asked()["tool_choice"] == "required"


def test_tools_streamed_in_fragments(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """Calls that come in fragments are put together by the SDK to the same calls."""
    far.calls_tools(stream=True)
    with anthropic_client.messages.stream(model=far.model, max_tokens=500, messages=ASKING, tools=TOOLS) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        final = stream.get_final_message()
    assert calls_in(final) == list(CALLS)
    assert final.stop_reason == "tool_use"
    assert "".join(pieces).startswith("{")


def test_results_are_sent_back(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """The next turn brings the calls and their results to the upstream, in its own words, IDs matching."""
    far.calls_tools()
    message = anthropic_client.messages.create(model=far.model, max_tokens=500, messages=ASKING, tools=TOOLS)
    ids = [block.id for block in message.content if isinstance(block, ToolUseBlock)]
    result: ToolResultBlockParam = {"type": "tool_result", "tool_use_id": ids[0], "content": "result 0"}
    broken: ToolResultBlockParam = {"type": "tool_result", "tool_use_id": ids[1], "content": "x", "is_error": True}
    results: MessageParam = {"role": "user", "content": [result, broken]}
    far.says("It is warm.")
    turns: list[MessageParam] = [*ASKING, {"role": "assistant", "content": message.content}, results]
    answer = anthropic_client.messages.create(model=far.model, max_tokens=500, messages=turns, tools=TOOLS)
    assert text_of(answer) == "It is warm."
    if far.name == "anthropic":
        assert pieces_of(far.asked(), "messages", 2) == results
        content = cast("list[Json]", pieces_of(far.asked(), "messages", 1, "content"))
        assert [{key: block[key] for key in ("type", "id", "name", "input")} for block in content] == [
            tool_use(number, *call) for number, call in enumerate(CALLS)
        ]
    if far.name == "openai":
        said = cast("list[Json]", far.asked()["messages"])
        assert [turn["role"] for turn in said] == ["user", "assistant", "tool", "tool"]
        calls = cast("list[Json]", said[1]["tool_calls"])
        assert [json.loads(str(pieces_of(call, "function", "arguments"))) for call in calls] == [a for _, a in CALLS]
        assert [turn["tool_call_id"] for turn in said[2:]] == ids


# -- structured output, pictures ---------------------------------------------------------------------------------------


def test_structured_output(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """`.parse` gets a value of its model; the upstream was given the schema."""
    far.says('{"name": "Belém", "size": "large"}')
    message = anthropic_client.messages.parse(model=far.model, max_tokens=500, messages=HELLO, output_format=City)
    assert isinstance(message.parsed_output, City)
    if far.name != "scripted":
        path = {
            "openai": ("response_format", "json_schema", "schema"),
            "anthropic": ("output_config", "format", "schema"),
        }
        schema = cast("Json", pieces_of(far.asked(), *path[far.name]))
        assert schema["required"] == ["name", "size"]


def test_structured_output_streamed(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """The helper for streams parses what was streamed."""
    far.says('{"name": "Belém", "size": "large"}', stream=True)
    with anthropic_client.messages.stream(
        model=far.model, max_tokens=500, messages=HELLO, output_format=City
    ) as stream:
        final = stream.get_final_message()
    assert isinstance(final.parsed_output, City)


def test_pictures(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """A picture in base64 reaches the upstream in its own words, byte for byte."""
    far.says()
    anthropic_client.messages.create(
        model=far.model,
        max_tokens=50,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                    {"type": "text", "text": "What is this?"},
                ],
            }
        ],
    )
    if far.name == "anthropic":
        assert pieces_of(far.asked(), "messages", 0, "content", 0, "source", "data") == PIXEL
    if far.name == "openai":
        url = pieces_of(far.asked(), "messages", 0, "content", 0, "image_url", "url")
        assert url == f"data:image/png;base64,{PIXEL}"


def test_marks_of_the_prompt_cache(anthropic_client: anthropic.Anthropic, wired: Far) -> None:
    """Marks for the prompt cache reach who knows them unchanged, and what was read from it is told as usage."""
    usage = {"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 5}
    if wired.name == "anthropic":
        wired.play(whole(as_json({**json.loads(anthropic_answer()), "usage": usage})))
    else:
        told = {"prompt_tokens": 54, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 40}}
        wired.play(whole(as_json({**json.loads(openai_answer()), "usage": told})))
    message = anthropic_client.messages.create(
        model=wired.model,
        max_tokens=50,
        system=[{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}
        ],
    )
    assert message.usage.cache_read_input_tokens == 40
    if wired.name == "anthropic":
        assert message.usage.cache_creation_input_tokens == 5
        assert pieces_of(wired.asked(), "system", 0, "cache_control") == {"type": "ephemeral", "ttl": "1h"}
        assert pieces_of(wired.asked(), "messages", 0, "content", 0, "cache_control") == {"type": "ephemeral"}
    else:
        assert "cache_control" not in str(wired.asked())
        assert message.usage.input_tokens == 14


# -- thinking ----------------------------------------------------------------------------------------------------------


def thought_frames() -> list[bytes]:
    """Return a streamed message that thinks first."""
    start = json.loads(anthropic_answer(None))
    start |= {"stop_reason": None, "usage": {"input_tokens": 9, "output_tokens": 1}}
    delta = "content_block_delta"
    return [
        anthropic_frame("message_start", message=start),
        anthropic_frame("content_block_start", index=0, content_block={**THINKING, "thinking": "", "signature": ""}),
        anthropic_frame(delta, index=0, delta={"type": "thinking_delta", "thinking": "Let me "}),
        anthropic_frame(delta, index=0, delta={"type": "thinking_delta", "thinking": "see."}),
        anthropic_frame(delta, index=0, delta={"type": "signature_delta", "signature": "c2lnbmVk"}),
        anthropic_frame("content_block_stop", index=0),
        anthropic_frame("content_block_start", index=1, content_block={"type": "text", "text": ""}),
        anthropic_frame(delta, index=1, delta={"type": "text_delta", "text": "Done."}),
        anthropic_frame("content_block_stop", index=1),
        anthropic_frame("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 12}),
        anthropic_frame("message_stop"),
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_keeps_its_signature(
    anthropic_client: anthropic.Anthropic, upstream: ScriptedUpstream, *, stream: bool
) -> None:
    """A thinking block comes with the provider's signature, and goes back unchanged in the next turn."""
    blocks = [{"type": "text", "text": "Done."}]
    answer = json.loads(anthropic_answer(None, blocks=[THINKING, *blocks]))
    upstream.play(streamed(split_up(thought_frames())) if stream else whole(as_json(answer)))
    thinking: anthropic.types.ThinkingConfigParam = {"type": "enabled", "budget_tokens": 1024}
    model = "ant/claude-sonnet-4-5"
    if stream:
        with anthropic_client.messages.stream(
            model=model, max_tokens=2048, messages=HELLO, thinking=thinking
        ) as events:
            message: Message = events.get_final_message()
    else:
        message = anthropic_client.messages.create(model=model, max_tokens=2048, messages=HELLO, thinking=thinking)
    assert upstream.requests[-1].json()["thinking"] == thinking
    first = message.content[0]
    assert isinstance(first, ThinkingBlock)
    assert (first.thinking, first.signature) == ("Let me see.", "c2lnbmVk")
    turns: list[MessageParam] = [*HELLO, {"role": "assistant", "content": message.content}, *HELLO]
    anthropic_client.messages.create(model=model, max_tokens=2048, messages=turns, thinking=thinking)
    assert pieces_of(upstream.requests[-1].json(), "messages", 1, "content", 0) == THINKING


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_of_an_openai_upstream(
    anthropic_client: anthropic.Anthropic, upstream: ScriptedUpstream, *, stream: bool
) -> None:
    """What an OpenAI-compatible server tells as reasoning becomes a thinking block before the text."""
    message: Json = {"role": "assistant", "reasoning_content": "Let me see.", "content": "Done."}
    choice: Json = {"index": 0, "finish_reason": "stop"}
    base = json.loads(openai_answer())
    if stream:
        deltas: list[Json] = [{"reasoning_content": "Let me "}, {"reasoning_content": "see."}, {"content": "Done."}]
        chunks = [{**base, "choices": [{"index": 0, "delta": delta}], "usage": None} for delta in deltas]
        chunks.append({**base, "choices": [{**choice, "delta": {}}]})
        upstream.play(streamed([*(b"data: %b\n\n" % as_json(chunk) for chunk in chunks), b"data: [DONE]\n\n"]))
        with anthropic_client.messages.stream(model="oai/gpt-test", max_tokens=2048, messages=HELLO) as events:
            answer: Message = events.get_final_message()
    else:
        upstream.play(whole(as_json({**base, "choices": [{**choice, "message": message}]})))
        answer = anthropic_client.messages.create(model="oai/gpt-test", max_tokens=2048, messages=HELLO)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert isinstance(answer.content[0], ThinkingBlock)
    assert answer.content[0].thinking == "Let me see."
    assert text_of(answer) == "Done."


def test_thinking_of_the_script(anthropic_client: anthropic.Anthropic) -> None:
    """The script thinks when it is told to."""
    message = anthropic_client.messages.create(
        model="demo/m", max_tokens=2048, messages=[{"role": "user", "content": "think first"}]
    )
    assert [block.type for block in message.content] == ["thinking", "text"]


# -- counts and models -------------------------------------------------------------------------------------------------


def test_token_counts(anthropic_client: anthropic.Anthropic, far: Far) -> None:
    """Tokens are counted by the provider where it can, and here where it cannot."""
    before = len(far.upstream.requests)
    count = anthropic_client.messages.count_tokens(model=far.model, messages=HELLO, system="Be brief.", tools=TOOLS)
    assert count.input_tokens > 0
    asked = far.upstream.requests[before:]
    if far.name == "anthropic":
        assert count.input_tokens == 9
        assert [request.path for request in asked] == ["/v1/messages/count_tokens"]
        assert asked[0].json()["model"] == far.on_wire
    else:
        assert asked == []


def test_models(anthropic_client: anthropic.Anthropic) -> None:
    """The list has Anthropic's shape for this SDK, and each model can be asked for by itself."""
    names = [model.id for model in anthropic_client.models.list()]
    assert {"ant/claude-sonnet-4-5", "oai/gpt-test", "demo/m", "fast"} <= set(names)
    model = anthropic_client.models.retrieve("demo/m")
    assert (model.id, model.type) == ("demo/m", "model")
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.models.retrieve("demo/none")


# -- idempotency keys --------------------------------------------------------------------------------------------------


def test_a_key_gives_the_same_answer(anthropic_client: anthropic.Anthropic, wired: Far) -> None:
    """Two calls under one key are one call to the provider, whole and streamed."""
    before = len(wired.upstream.requests)
    key = {"Idempotency-Key": f"anthropic-whole-{wired.name}"}
    wired.says()
    raw = [
        anthropic_client.messages.with_raw_response.create(
            model=wired.model, max_tokens=50, messages=HELLO, extra_headers=key
        )
        for _ in range(2)
    ]
    assert raw[0].read() == raw[1].read()
    assert [one.headers.get("idempotent-replayed") for one in raw] == [None, "true"]
    wired.says(stream=True)
    key = {"Idempotency-Key": f"anthropic-streamed-{wired.name}"}
    seen = []
    for _ in range(2):
        with anthropic_client.messages.stream(
            model=wired.model, max_tokens=50, messages=HELLO, extra_headers=key
        ) as stream:
            seen.append(list(stream))
    assert seen[0] == seen[1]
    assert len(wired.upstream.requests) == before + 2


def test_a_conflict_is_not_retried(gateway: RunningGateway) -> None:
    """The SDK takes a 409 for a lock and would ask again: it is told not to."""
    key = {"Idempotency-Key": "anthropic-conflict"}
    with anthropic.Anthropic(base_url=gateway.url, api_key=KEY, max_retries=2) as client:
        client.messages.create(model="demo/m", max_tokens=50, messages=HELLO, extra_headers=key)
        with pytest.raises(anthropic.ConflictError) as raised:
            client.messages.create(model="demo/m", max_tokens=51, messages=HELLO, extra_headers=key)
    assert raised.value.response.request.headers["x-stainless-retry-count"] == "0"
