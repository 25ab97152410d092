"""From a session and its conversation to one call."""

from __future__ import annotations

import msgspec
import pytest

from narthex.errors import InvalidRequest
from narthex.wire.openai_realtime.conversation import Conversation
from narthex.wire.openai_realtime.items import read_item
from narthex.wire.openai_realtime.requests import chat_request, inputs
from narthex.wire.openai_realtime.session import Session
from narthex.wire.openai_realtime.shapes import ItemIn

HI = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}


def said(**more: object) -> ItemIn:
    """Return an item as a client sends it."""
    return msgspec.convert({**HI, **more}, ItemIn)


def test_a_call_has_all_that_is_set() -> None:
    """Instructions come first, the limit is passed on, and the answer is wanted as it comes, with its usage."""
    request = chat_request(
        Session(model="a/b", instructions="Be.", max_output_tokens=5, parallel_tool_calls=True),
        [read_item(said(), "i")],
        {"k": "v"},
    )
    assert [message.role for message in request.messages] == ["system", "user"]
    assert (request.model, request.max_output_tokens, request.metadata) == ("a/b", 5, {"k": "v"})
    assert request.stream
    assert request.include_usage
    assert request.parallel_tool_calls is None
    assert chat_request(Session(model="a/b"), [read_item(said(), "i")], None).max_output_tokens is None


def test_an_input_may_refer_to_what_was_said() -> None:
    """References are found in the conversation; those that lead nowhere are refused, and faults have their place."""
    conversation = Conversation(10_000)
    conversation.insert(read_item(said(id="kept"), ""))
    reference = msgspec.convert({"type": "item_reference", "id": "kept"}, ItemIn)
    assert [one.id for one in inputs([reference, said()], conversation, lambda: "new")] == ["kept", "new"]
    with pytest.raises(InvalidRequest, match="gone"):
        inputs([msgspec.convert({"type": "item_reference", "id": "gone"}, ItemIn)], conversation, lambda: "new")
    with pytest.raises(InvalidRequest) as refused:
        inputs([said(), said(role="tool")], conversation, lambda: "new")
    assert refused.value.param == "response.input.1.role"


def test_nothing_is_not_asked() -> None:
    """Without a word said there is nothing to answer; instructions alone are a word."""
    with pytest.raises(InvalidRequest, match="nothing to answer"):
        chat_request(Session(model="a/b"), [], None)
    assert chat_request(Session(model="a/b", instructions="Greet."), [], None).messages
