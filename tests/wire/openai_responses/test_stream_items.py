"""Items in the making."""

from __future__ import annotations

from narthex.wire.openai_responses.stream_items import CallItem, MessageItem, ReasoningItem, Step


def names(steps: list[Step]) -> list[str]:
    """Return what the steps are called."""
    return [name for name, _ in steps]


def test_a_message_ends_one_content_before_it_begins_the_next() -> None:
    """Contents follow each other and are told whole at their end."""
    item = MessageItem("msg_1", 2)
    first, begun = item.content(0, refused=False)
    first.add("hi")
    again, nothing = item.content(0, refused=False)
    second, steps = item.content(1, refused=True)
    second.add("no")
    assert again is first
    assert nothing == []
    assert names(begun) == ["content_part.added"]
    assert names(steps) == ["output_text.done", "content_part.done", "content_part.added"]
    assert steps[0][1] == {"item_id": "msg_1", "output_index": 2, "content_index": 0, "text": "hi", "logprobs": []}
    assert names(item.end("completed")) == ["refusal.done", "content_part.done", "output_item.done"]


def test_a_thought_that_only_its_provider_can_read_has_no_summary() -> None:
    """It is announced and done, and holds its seal."""
    item = ReasoningItem("rs_1", 0)
    item.seal("x")
    assert item.add("") == []
    assert names(item.end("completed")) == ["output_item.done"]
    assert item.written("completed")["encrypted_content"] == "x"


def test_a_call_may_close_when_its_arguments_are_a_whole_object() -> None:
    """Not before, and not for what merely ends like one."""
    item = CallItem("fc_1", 0, call_id="c", name="f")
    closable = [item.may_close]
    for piece in ('{"a":{}', "}"):
        item.add(piece)
        closable.append(item.may_close)
    assert closable == [False, False, True]
    assert names(item.end("completed")) == ["function_call_arguments.done", "output_item.done"]
