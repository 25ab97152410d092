"""OpenAI's realtime API on a socket, driven by OpenAI's own client and by messages as a test has them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from openai import AsyncOpenAI, OpenAI

from narthex.testing.acts import Answer, Stall, cut_after, streamed
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_frames, tool_call
from tests.gateways import KEY, RunningGateway, running
from tests.http.sockets.talking import Refused, SocketClient

PATH = "/v1/realtime?model=up/m"
HELLO = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Tell the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}

ORDER = [
    "session.created",
    "session.updated",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]
"""The official events of a text, in the order in which they first come."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """A provider."""
    with ScriptedUpstream() as one:
        yield one


@pytest.fixture(scope="module")
def gateway(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A server with a key, a provider as a test scripts it, and one that answers by itself."""
    with running(
        tmp_path_factory.mktemp("data"),
        keys=[{"name": "test", "key": KEY}],
        default_model="s/scripted",
        providers={
            "up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]},
            "s": {"kind": "scripted", "script": {"reply": "You said: {prompt}"}},
        },
        sockets={"max_conversation_bytes": 1_500},
    ) as one:
        yield one


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[SocketClient]:
    """A session of which the beginning was read."""
    with SocketClient(gateway.port, PATH) as one:
        assert one.receive()["type"] == "session.created"
        yield one


def told_to(upstream: ScriptedUpstream) -> dict[str, list[dict[str, Any]]]:
    """Return what the provider was asked last."""
    return cast("dict[str, list[dict[str, Any]]]", upstream.requests[-1].json())


def half(text: str) -> Answer:
    """Answer the beginning of a text, and then nothing."""
    return cut_after(streamed(openai_frames(text)), sends=4, by=Stall())


def inner(message: dict[str, object], *names: str) -> dict[str, object]:
    """Return an object inside a message."""
    for name in names:
        message = cast("dict[str, object]", message[name])
    return message


def error_of(client: SocketClient, event: dict[str, object]) -> dict[str, object]:
    """Send an event that cannot be dealt with, and return what is told of that."""
    client.send({**event, "event_id": "mine"})
    error = inner(client.until("error")[-1], "error")
    assert error["event_id"] == "mine"
    return error


async def test_the_official_client_holds_a_conversation(gateway: RunningGateway) -> None:
    """Its typed events come in order, its texts add up, the item is in the conversation, and usage is told."""
    official = AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/v1")
    kinds: list[str] = []
    text, ended = "", None
    async with official.realtime.connect(model="s/scripted") as connection:
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await connection.conversation.item.create(item=HELLO)  # type: ignore[arg-type]  # as JSON
        await connection.response.create()
        async for event in connection:
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type == "response.done":
                ended = event.response
                break
    assert ended is not None
    assert ended.status == "completed"
    assert ended.usage is not None
    assert ended.usage.output_tokens
    assert text == "You said: Hello"
    assert list(dict.fromkeys(kinds)) == ORDER


def test_tools_go_both_ways(client: SocketClient, upstream: ScriptedUpstream) -> None:
    """A model's call of a function is told piece by piece; its result goes back, with the call before it."""
    client.send({"type": "session.update", "session": {"type": "realtime", "tools": [WEATHER], "instructions": "Be."}})
    assert inner(client.until("session.updated")[-1], "session")["tools"] == [WEATHER]
    client.send({"type": "conversation.item.create", "item": HELLO})
    upstream.play(streamed(openai_frames("", tool_calls=[tool_call("weather", '{"city":"Ulm"}')])))
    client.send({"type": "response.create"})
    events = client.until("response.done")
    pieces = [str(one["delta"]) for one in events if one["type"] == "response.function_call_arguments.delta"]
    done = next(one for one in events if one["type"] == "response.function_call_arguments.done")
    assert "".join(pieces) == done["arguments"] == '{"city":"Ulm"}'
    assert (done["call_id"], done["name"]) == ("call_1", "weather")
    item = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    client.send({"type": "conversation.item.create", "item": item})
    upstream.play(streamed(openai_frames("Sunny.")))
    client.send({"type": "response.create"})
    client.until("response.done")
    sent = told_to(upstream)
    assert [one["role"] for one in sent["messages"]] == ["system", "user", "assistant", "tool"]
    assert sent["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"city":"Ulm"}'
    assert sent["messages"][3]["content"] == "sunny"
    assert sent["tools"][0]["function"]["name"] == "weather"


def test_a_cancel_reaches_the_provider(client: SocketClient, upstream: ScriptedUpstream) -> None:
    """What was said so far stays, the response ends as cancelled, and the provider's connection is closed."""
    upstream.play(half("One two three"))
    client.send({"type": "conversation.item.create", "item": HELLO})
    client.send({"type": "response.create"})
    client.until("response.output_text.delta")
    begun = time.monotonic()
    client.send({"type": "response.cancel"})
    events = client.until("response.done")
    response = inner(events[-1], "response")
    assert response["status"] == "cancelled"
    assert inner(response, "status_details")["reason"] == "client_cancelled"
    assert inner(events[-1], "response", "usage")["output_tokens"]
    item = cast("list[dict[str, object]]", response["output"])[0]
    assert item["status"] == "incomplete"
    assert time.monotonic() - begun < 5
    assert error_of(client, {"type": "response.cancel"})["code"] == "invalid_request"


def test_a_failure_is_told_as_a_response_that_failed(client: SocketClient, upstream: ScriptedUpstream) -> None:
    """A stream that is cut, and one without content, end in a response that says so; the session goes on."""
    client.send({"type": "conversation.item.create", "item": HELLO})
    broken = (
        (cut_after(streamed(openai_frames("One two three")), sends=4), "provider_truncated_answer"),
        (streamed([]), "provider_malformed_answer"),
    )
    for act, code in broken:
        upstream.play(act)
        client.send({"type": "response.create"})
        response = inner(client.until("response.done")[-1], "response")
        assert response["status"] == "failed"
        assert inner(response, "status_details", "error")["code"] == code
    upstream.play(streamed(openai_frames("Fine", finish="length")))
    client.send({"type": "response.create"})
    response = inner(client.until("response.done")[-1], "response")
    assert (response["status"], inner(response, "status_details")["reason"]) == ("incomplete", "max_output_tokens")


def test_the_conversation_can_be_changed(client: SocketClient) -> None:
    """Items are put in at any place, shown, and taken out; what is not there, or there twice, is refused."""
    for item_id, after in (("b", None), ("a", "root"), ("c", "b")):
        create = {"type": "conversation.item.create", "item": {**HELLO, "id": item_id}, "previous_item_id": after}
        client.send(create)
        done = client.until("conversation.item.done")[-1]
        assert inner(done, "item")["id"] == item_id
    assert done["previous_item_id"] == "b"
    client.send({"type": "conversation.item.retrieve", "item_id": "a"})
    assert inner(client.receive(), "item")["content"] == HELLO["content"]
    client.send({"type": "conversation.item.delete", "item_id": "a"})
    assert client.receive()["type"] == "conversation.item.deleted"
    faulty: list[tuple[dict[str, object], str]] = [
        ({"type": "conversation.item.retrieve", "item_id": "a"}, "item_id"),
        ({"type": "conversation.item.delete", "item_id": "a"}, "item_id"),
        ({"type": "conversation.item.create", "item": {**HELLO, "id": "b"}}, "item.id"),
        ({"type": "conversation.item.create", "item": HELLO, "previous_item_id": "x"}, "previous_item_id"),
        ({"type": "conversation.item.truncate", "item_id": "b", "content_index": 0, "audio_end_ms": 0}, "item_id"),
    ]
    for event, param in faulty:
        assert error_of(client, event)["param"] == param
    many = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 1_500}]}
    assert error_of(client, {"type": "conversation.item.create", "item": many})["code"] == "context_length_exceeded"


def test_responses_beside_the_conversation_do_not_enter_it(client: SocketClient, upstream: ScriptedUpstream) -> None:
    """With conversation none and an input of its own, a response reads that alone, and leaves nothing behind."""
    client.send({"type": "conversation.item.create", "item": {**HELLO, "id": "kept"}})
    client.until("conversation.item.done")
    upstream.play(streamed(openai_frames("Aside")))
    wish = {
        "conversation": "none",
        "input": [{"type": "item_reference", "id": "kept"}, HELLO],
        "instructions": "Short.",
        "max_output_tokens": 5,
        "metadata": {"purpose": "aside"},
    }
    client.send({"type": "response.create", "response": wish})
    events = client.until("response.done")
    response = inner(events[-1], "response")
    assert (response["conversation_id"], response["metadata"]) == (None, {"purpose": "aside"})
    assert not [one for one in events if str(one["type"]).startswith("conversation.")]
    sent = told_to(upstream)
    assert [one["role"] for one in sent["messages"]] == ["system", "user", "user"]


def test_one_response_at_a_time_writes_to_the_conversation(client: SocketClient, upstream: ScriptedUpstream) -> None:
    """A second one is refused while the first is under way."""
    upstream.play(half("One two three"))
    client.send({"type": "conversation.item.create", "item": HELLO})
    client.send({"type": "response.create"})
    client.until("response.output_text.delta")
    assert "under way" in str(error_of(client, {"type": "response.create"})["message"])
    client.send({"type": "response.cancel"})
    client.until("response.done")


@pytest.mark.parametrize(
    ("event", "param", "hint"),
    [
        ({"type": "input_audio_buffer.append", "audio": ""}, "type", "output_modalities"),
        ({"type": "session.update", "session": {"output_modalities": ["audio"]}}, "session.output_modalities", "text"),
        ({"type": "session.update", "session": {"audio": {"output": {}}}}, "session.audio", "text"),
        ({"type": "session.update", "session": {"type": "transcription"}}, "session.type", "realtime"),
        ({"type": "session.update", "session": {"model": "other"}}, "session.model", "change"),
        ({"type": "session.update", "session": {"colour": 1}}, "session", "colour"),
        ({"type": "session.update", "session": {"tools": [{"type": "mcp"}]}}, "session.tools.0.type", "function"),
        ({"type": "session.update", "session": {"truncation": "auto"}}, "session.truncation", "disabled"),
        ({"type": "response.create", "response": {"conversation": "new"}}, "response.conversation", "none"),
        ({"type": "response.create", "response": {"output_modalities": ["audio"]}}, None, "text"),
        ({"type": "response.create", "response": {"input": []}}, None, "nothing to answer"),
        ({"type": "nonsense"}, "type", "session.update"),
        ({"type": 5}, "type", "str"),
        ({"type": "conversation.item.create"}, "item", "required"),
    ],
)
def test_what_cannot_be_done_is_told_with_the_remedy(
    client: SocketClient, event: dict[str, object], param: str | None, hint: str
) -> None:
    """Every refusal names the field and what to do, and the session goes on."""
    error = error_of(client, event)
    if param is not None:
        assert error["param"] == param
    assert hint in str(error["message"])
    client.send({"type": "session.update", "session": {"type": "realtime"}})
    assert client.receive()["type"] == "session.updated"


def test_an_ephemeral_key_opens_a_session_as_it_says(gateway: RunningGateway) -> None:
    """The official client makes one; it opens sockets with its session, for its model alone, and nothing else."""
    official = OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1")
    made = official.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "realtime", "model": "s/scripted", "instructions": "Be kind."},
    )
    assert made.value.startswith("ek_")
    assert 50 < made.expires_at - time.time() <= 61
    assert made.session.type == "realtime"
    with SocketClient(gateway.port, "/v1/realtime", key=made.value, protocols=["realtime"]) as client:
        session = inner(client.receive(), "session")
        assert (session["model"], session["instructions"]) == ("s/scripted", "Be kind.")
    for path, status in (("/v1/realtime?model=up/m", 403),):
        with pytest.raises(Refused) as refused:
            SocketClient(gateway.port, path, key=made.value)
        assert refused.value.status == status
    with pytest.raises(Exception, match="not valid"):
        OpenAI(api_key=made.value, base_url=f"{gateway.url}/v1", max_retries=0).models.list()


def test_leaving_ends_what_is_under_way(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """A client that goes away takes its calls with it: none stays active."""
    assert gateway.gateway is not None
    metrics = gateway.gateway.metrics
    with SocketClient(gateway.port, PATH) as client:
        upstream.play(half("One two three"))
        client.send({"type": "conversation.item.create", "item": HELLO})
        client.send({"type": "response.create"})
        client.until("response.output_text.delta")
        assert metrics.active == 1
    for _ in range(3_000):
        if not metrics.active:
            break
        time.sleep(0.01)
    assert metrics.active == 0
