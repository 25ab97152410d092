"""The official OpenAI SDK's responses against the running server: before either wire, and before a script."""

from __future__ import annotations

import json
from typing import cast

import openai
import pytest
from openai.types.responses import (
    FunctionToolParam,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseInputItemParam,
    ResponseInputParam,
)
from pydantic import BaseModel

from narthex.testing.acts import cut_after, streamed
from tests.proof.houses import CALLS, PIXEL, Far, pieces_of

TOOLS: list[FunctionToolParam] = [
    {
        "type": "function",
        "name": name,
        "description": f"Tells the {name}",
        "parameters": {"type": "object", "properties": {key: {} for key in given}},
        "strict": False,
    }
    for name, given in CALLS
]


class City(BaseModel):
    """A structured answer."""

    name: str


def calls_in(output: object) -> list[tuple[str, object]]:
    """Return name and arguments of each tool call."""
    calls = [item for item in cast("list[object]", output) if isinstance(item, ResponseFunctionToolCall)]
    assert len({call.call_id for call in calls}) == len(calls)
    return [(call.name, json.loads(call.arguments)) for call in calls]


def test_a_whole_response(openai_client: openai.OpenAI, far: Far) -> None:
    """Text, status, usage, who answered, and what was asked."""
    far.says()
    raw = openai_client.responses.with_raw_response.create(
        model=far.model, instructions="Be brief.", input="Hello", max_output_tokens=50, metadata={"team": "a"}
    )
    answer = raw.parse()
    assert answer.output_text == "Hello from the script."
    assert (answer.status, answer.instructions, answer.metadata) == ("completed", "Be brief.", {"team": "a"})
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    assert answer.id.startswith("resp_")
    assert raw.headers["x-narthex-model"] == far.model
    if far.name == "openai":
        system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}
        assert far.asked()["messages"] == [system, user]
    if far.name == "anthropic":
        assert (far.asked()["system"], far.asked()["max_tokens"]) == ("Be brief.", 50)


def test_a_streamed_response(openai_client: openai.OpenAI, far: Far) -> None:
    """Its events are numbered, and tell the text that the last one holds whole."""
    far.says(stream=True)
    with openai_client.responses.create(model=far.model, input="Hello", stream=True) as events:
        seen = list(events)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert [event.type for event in seen[:2]] == ["response.created", "response.in_progress"]
    last = seen[-1]
    assert isinstance(last, ResponseCompletedEvent)
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert text == last.response.output_text == "Hello from the script."
    assert last.response.usage is not None
    assert last.response.usage.output_tokens > 0


def test_the_helper_for_streams(openai_client: openai.OpenAI, far: Far) -> None:
    """`.stream()` accumulates the same response, and parses what has a form."""
    far.says('{"name": "Belém"}', stream=True)
    with openai_client.responses.stream(model=far.model, input="Hello", text_format=City) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert isinstance(final.output_parsed, City)
    if far.name == "openai":
        assert pieces_of(far.asked(), "response_format", "json_schema", "schema", "required") == ["name"]


def test_tools_streamed_and_their_results_sent_back(openai_client: openai.OpenAI, far: Far) -> None:
    """Calls made at once arrive as items; sent back with their results they reach the upstream, IDs matching."""
    far.calls_tools(stream=True)
    asking: ResponseInputParam = [{"role": "user", "content": "use both tools"}]
    with openai_client.responses.stream(model=far.model, input=asking, tools=TOOLS) as stream:
        done = [event for event in stream if event.type == "response.function_call_arguments.done"]
        final = stream.get_final_response()
    assert [json.loads(event.arguments) for event in done] == [given for _, given in CALLS]
    assert calls_in(final.output) == list(CALLS)
    said = [cast("ResponseInputItemParam", item.model_dump(exclude_none=True)) for item in final.output]
    results: list[ResponseInputItemParam] = [
        {"type": "function_call_output", "call_id": item.call_id, "output": f"result {number}"}
        for number, item in enumerate(final.output)
        if isinstance(item, ResponseFunctionToolCall)
    ]
    far.says("It is warm.")
    answer = openai_client.responses.create(model=far.model, input=[*asking, *said, *results], tools=TOOLS)
    assert answer.output_text == "It is warm."
    if far.name == "openai":
        roles = [message["role"] for message in cast("list[dict[str, object]]", far.asked()["messages"])]
        assert roles == ["user", "assistant", "tool", "tool"]


def test_pictures(openai_client: openai.OpenAI, wired: Far) -> None:
    """A picture in a data URL reaches the upstream in its own words, byte for byte."""
    wired.says()
    address = f"data:image/png;base64,{PIXEL}"
    openai_client.responses.create(
        model=wired.model,
        input=[{"role": "user", "content": [{"type": "input_image", "image_url": address, "detail": "auto"}]}],
    )
    content = pieces_of(wired.asked(), "messages", 0, "content", 0)
    if wired.name == "openai":
        assert pieces_of(content, "image_url", "url") == address
    else:
        assert pieces_of(content, "source", "data") == PIXEL


def test_a_limit_of_length(openai_client: openai.OpenAI) -> None:
    """A response that runs into its limit is incomplete, and says why."""
    answer = openai_client.responses.create(model="demo/m", input="Hello", max_output_tokens=2)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


def test_a_stream_that_is_cut_raises(openai_client: openai.OpenAI, wired: Far) -> None:
    """What breaks in the middle is never a response: the SDK raises, and no completed response is seen."""
    wired.play(cut_after(streamed(wired.frames("Hello from the script.")), sends=4))
    seen: list[str] = []
    with (
        pytest.raises(openai.APIError) as raised,
        openai_client.responses.create(model=wired.model, input="Hello", stream=True) as events,
    ):
        seen += [event.type for event in events]
    assert "before its end" in raised.value.message
    assert "response.completed" not in seen


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"background": True, "store": False}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"input": []}, "input"),
    ],
)
def test_what_is_not_offered_is_refused(openai_client: openai.OpenAI, members: dict[str, object], param: str) -> None:
    """A request that leans on what is not here is told so, rather than answered without it."""
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.responses.create(**({"model": "demo/m", "input": "Hello"} | members))  # type: ignore[call-overload]  # the point
    assert raised.value.param == param
