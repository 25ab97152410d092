"""The official OpenAI SDK and the responses that the server keeps: gone on from, shown, listed and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import openai
import pytest
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseInputItemParam,
    ResponseStreamEvent,
)

from narthex.testing.upstream import ScriptedUpstream
from tests.gateways import KEY, RunningGateway
from tests.proof.houses import CALLS, Far, Json, house, pieces_of
from tests.proof.test_openai_sdk_responses import TOOLS, calls_in

OTHER = "sk-other-0123456789abcdef"


@pytest.fixture(scope="module")
def keyed(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """The server with two keys."""
    keys = [{"name": "test", "key": KEY}, {"name": "other", "key": OTHER}]
    with house(tmp_path_factory.mktemp("stored"), upstream, keys=keys) as one:
        yield one


@pytest.fixture(scope="module")
def client(keyed: RunningGateway) -> Iterator[openai.OpenAI]:
    """The SDK."""
    with openai.OpenAI(base_url=f"{keyed.url}/v1", api_key=KEY, max_retries=0, timeout=10) as one:
        yield one


@pytest.fixture(scope="module")
def stranger(keyed: RunningGateway) -> Iterator[openai.OpenAI]:
    """The SDK of somebody else."""
    with openai.OpenAI(base_url=f"{keyed.url}/v1", api_key=OTHER, max_retries=0, timeout=10) as one:
        yield one


@pytest.mark.parametrize("stream", [False, True])
def test_three_turns_with_tools(client: openai.OpenAI, far: Far, stream: bool) -> None:
    """Each turn sends what is new, and the model hears everything: its calls, their results, what it said."""
    far.calls_tools(stream=stream)
    asked = client.responses.create(
        model=far.model, instructions="Be brief.", input="use both tools", tools=TOOLS, stream=stream
    )
    first = last_of(asked)
    assert calls_in(first.output) == list(CALLS)
    far.says("It is warm.", stream=stream)
    second = last_of(
        client.responses.create(
            model=far.model, input=results_of(first), tools=TOOLS, previous_response_id=first.id, stream=stream
        )
    )
    told = (second.output_text, second.previous_response_id, second.instructions)
    assert told == ("It is warm.", first.id, None)
    far.says("You are welcome.", stream=stream)
    third = last_of(
        client.responses.create(model=far.model, input="Thanks", previous_response_id=second.id, stream=stream)
    )
    heard_everything(far)
    assert client.responses.retrieve(third.id) == third
    items = client.responses.input_items.list(third.id, order="asc", limit=2)
    assert [item.type for item in items] == [
        *("message", "function_call", "function_call"),
        *("function_call_output", "function_call_output", "message", "message"),
    ]


def results_of(response: Response) -> list[ResponseInputItemParam]:
    """Return the results of the tools that a response calls."""
    return [
        {"type": "function_call_output", "call_id": item.call_id, "output": f"result {number}"}
        for number, item in enumerate(response.output)
        if isinstance(item, ResponseFunctionToolCall)
    ]


def heard_everything(far: Far) -> None:
    """Check that the upstream was asked the whole conversation."""
    if far.name == "openai":
        messages = cast("list[Json]", far.asked()["messages"])
        assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "assistant", "user"]
        assert len(cast("list[Json]", messages[1]["tool_calls"])) == 2
    if far.name == "anthropic":
        assert pieces_of(far.asked(), "messages", 2, "content", 0, "content") == "result 0"
        assert "system" not in far.asked()


def last_of(answer: Response | openai.Stream[ResponseStreamEvent]) -> Response:
    """Return the response at the end of an answer."""
    if isinstance(answer, Response):
        return answer
    last = list(answer)[-1]
    assert isinstance(last, ResponseCompletedEvent)
    return last.response


def test_another_model_goes_on(client: openai.OpenAI, far: Far) -> None:
    """What one provider answered, another hears: the conversation is the server's."""
    far.says("Hello from the first.")
    first = client.responses.create(model=far.model, input="Hello")
    second = client.responses.create(model="demo/m", input="think first", previous_response_id=first.id)
    far.says("Hello again.")
    third = client.responses.create(model=far.model, input="And?", previous_response_id=second.id)
    if far.name == "openai":
        contents = [message["content"] for message in cast("list[Json]", far.asked()["messages"])]
        assert contents == ["Hello", "Hello from the first.", "think first", "Done.", "And?"]
    assert third.status == "completed"


def test_a_deleted_response_is_gone(client: openai.OpenAI) -> None:
    """It is neither shown nor gone on from nor deleted again."""
    first = client.responses.create(model="demo/m", input="Hello")
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError) as raised:
        client.responses.create(model="demo/m", input="Hello", previous_response_id=first.id)
    assert (raised.value.code, raised.value.param) == ("previous_response_not_found", "previous_response_id")


def test_what_is_not_to_be_stored_is_not(client: openai.OpenAI) -> None:
    """`store=False` leaves nothing behind, and says so."""
    first = client.responses.create(model="demo/m", input="Hello", store=False)
    assert first.to_dict()["store"] is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_a_stranger_sees_nothing(client: openai.OpenAI, stranger: openai.OpenAI) -> None:
    """Another key's response is not there, whatever is done to it."""
    first = client.responses.create(model="demo/m", input="Hello")
    for attempt in (
        lambda: stranger.responses.retrieve(first.id),
        lambda: stranger.responses.delete(first.id),
        lambda: stranger.responses.input_items.list(first.id),
        lambda: stranger.responses.create(model="demo/m", input="Hello", previous_response_id=first.id),
        lambda: stranger.responses.input_tokens.count(model="demo/m", input="Hello", previous_response_id=first.id),
    ):
        with pytest.raises(openai.NotFoundError):
            attempt()
    assert client.responses.retrieve(first.id) == first


def test_input_is_counted(client: openai.OpenAI) -> None:
    """`input_tokens.count` counts, also what came before."""
    first = client.responses.create(model="demo/m", input="Hello " * 50)
    alone = client.responses.input_tokens.count(model="demo/m", input="Hi")
    after = client.responses.input_tokens.count(model="demo/m", input="Hi", previous_response_id=first.id)
    assert 0 < alone.input_tokens < after.input_tokens - 50


async def test_the_asynchronous_sdk(keyed: RunningGateway) -> None:
    """The same by the SDK's other half."""
    async with openai.AsyncOpenAI(base_url=f"{keyed.url}/v1", api_key=KEY, max_retries=0, timeout=10) as client:
        first = await client.responses.create(model="demo/m", input="Hello")
        second = await client.responses.create(model="demo/m", input="And?", previous_response_id=first.id)
        assert await client.responses.retrieve(second.id) == second
        roles = [getattr(item, "role", None) async for item in client.responses.input_items.list(second.id)]
        assert roles == ["user", "assistant", "user"]
        await client.responses.delete(second.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(second.id)
