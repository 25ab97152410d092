"""What is written down of a response, and how a later request goes on from it."""

from __future__ import annotations

import json
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.response_item_list import ResponseItemList

from narthex.errors import InvalidRequest
from narthex.wire.openai_responses.kept import (
    KeptResponse,
    RawJson,
    continued,
    decode_kept,
    for_provider,
    input_of,
    items_of,
    keep,
)
from narthex.wire.openai_responses.request_decode import decode_request

Json = dict[str, object]

SAID: Json = {
    "id": "msg_9",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}],
}
THOUGHT: Json = {"id": "rs_9", "type": "reasoning", "summary": [], "encrypted_content": "sealed", "status": "completed"}
CALL: Json = {
    "id": "fc_9",
    "type": "function_call",
    "call_id": "c",
    "name": "f",
    "arguments": "{}",
    "status": "completed",
}


def kept(asked: Json, *output: Json, response_id: str = "resp_a", previous: str | None = None) -> KeptResponse:
    """Return a response as it is kept and found again."""
    response = {"id": response_id, "object": "response", "status": "completed", "output": output, "store": False}
    written = keep(json.dumps(response).encode(), json.dumps(asked).encode(), previous=previous)
    return decode_kept(written.encode())


def plain(items: list[RawJson]) -> list[Json]:
    """Return items as values."""
    return cast("list[Json]", json.loads(msgspec.json.encode(items)))


def test_a_text_is_kept_as_the_item_it_stands_for() -> None:
    """What was asked as a text is listed as a message with an ID of its own, as the SDK reads it."""
    (item,) = plain(kept({"input": 'Say "hi"'}).input)
    assert item["content"] == [{"type": "input_text", "text": 'Say "hi"'}]
    assert (item["id"], item["type"], item["role"], item["status"]) == ("msg_a_i0", "message", "user", "completed")
    ResponseItemList.model_validate(
        {"object": "list", "data": [item], "first_id": "msg_a_i0", "last_id": "msg_a_i0", "has_more": False}
    )


def test_items_are_kept_as_they_are() -> None:
    """Only what a listing needs is added: an ID, a type, contents in parts; what has them keeps its own."""
    asked = [
        {"role": "assistant", "content": "I see"},
        CALL,
        {"type": "function_call_output", "call_id": "c", "output": "1"},
    ]
    items = plain(kept({"input": [*asked, {"type": "strange", "x": [1.50]}, {**SAID, "id": None}]}).input)
    assert [item["id"] for item in items] == ["msg_a_i0", "fc_9", "fco_a_i2", "item_a_i3", "msg_a_i4"]
    assert items[0]["content"] == [{"type": "output_text", "text": "I see", "annotations": []}]
    assert (items[1], items[3]["x"]) == (CALL, [1.5])
    assert not kept({"model": "m"}).input


def test_the_response_says_what_became_of_it() -> None:
    """Kept here it says so, and what it goes on from, whatever its provider says."""
    one = kept({"input": "A"}, SAID, previous="resp_0")
    told = json.loads(bytes(one.response))
    assert (told["store"], told["previous_response_id"]) == (True, "resp_0")
    assert (one.id, one.status, one.previous) == ("resp_a", "completed", "resp_0")


def test_what_came_before_comes_before() -> None:
    """Earlier inputs and outputs stand in front, oldest first, with thoughts and calls in their places."""
    first = kept({"input": "A"}, THOUGHT, CALL)
    second = kept(
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]}, SAID, response_id="resp_b"
    )
    body = json.loads(continued(b'{"model":"m","x":1.50,"input":"B"}', [first, second]))
    types = [item.get("type", "message") for item in body["input"]]
    assert types == ["message", "reasoning", "function_call", "function_call_output", "message", "message"]
    assert body["input"][1] == THOUGHT
    assert [set(item) & {"id", "status"} for item in body["input"][2:]] == [set()] * 4
    assert (body["model"], body["x"]) == ("m", 1.5)
    assert [item["type"] for item in plain(items_of([first, second]))] == types[:5]
    assert [item["type"] for item in plain(input_of([first, second]))] == types[:4]
    assert [message.role for message in decode_request(json.dumps(body).encode()).messages] == [
        *("user", "assistant", "tool", "assistant", "user")
    ]


@pytest.mark.parametrize(
    "body", [b'{"input":""}', b'{"input":[]}', b"{}", b'{"input":7}', b'{"input":[1]}', b"[", b"[]"]
)
def test_a_request_says_something_itself(body: bytes) -> None:
    """What goes on from a response has an input of its own, and one that can be read."""
    with pytest.raises(InvalidRequest):
        continued(body, [kept({"input": "A"}, SAID)])


@given(st.text(min_size=1), st.text(min_size=1))
def test_every_text_survives(first: str, second: str) -> None:
    """Whatever was said is said again, character for character."""
    try:
        chain = [kept({"input": first}, SAID)]
        body = json.dumps({"input": second}).encode()
    except UnicodeEncodeError:
        return
    said = [
        "".join(getattr(part, "text", "") for part in message.parts)
        for message in decode_request(continued(body, chain)).messages
    ]
    assert said == [first, "Hello", second]


def test_a_provider_is_asked_to_keep_nothing() -> None:
    """What is kept here is nobody else's business: it goes out with `store` false and without our IDs."""
    body = b'{"model":"m","previous_response_id":"resp_a","background":true,"conversation":"c","input":"A","n":1.50}'
    assert for_provider(body) == b'{"model":"m","input":"A","n":1.50,"store":false}'
    assert json.loads(for_provider(b'{"store":true}')) == {"store": False}


def test_the_work_of_a_providers_own_tools_keeps_its_name() -> None:
    """It is refused without; what was named here is sent as it was asked."""
    searched: Json = {"id": "ws_9", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
    custom = {"type": "custom_tool_call_output", "call_id": "c", "output": "1"}
    chain = [kept({"input": [custom]}, searched)]
    items = json.loads(continued(b'{"input":"B"}', chain))["input"]
    assert items[:2] == [custom, searched]
