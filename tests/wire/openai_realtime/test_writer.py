"""A model's answer told as events, each of which OpenAI's own client has a type for."""

from __future__ import annotations

import itertools
from typing import cast

import pytest
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

from narthex.errors import NarthexError, Overloaded
from narthex.types.answers import FinishReason
from narthex.types.events import (
    Ended,
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.usage import Usage
from narthex.wire.openai_realtime.conversation import Conversation
from narthex.wire.openai_realtime.session import Session
from narthex.wire.openai_realtime.writer import ResponseWriter
from narthex.wire.openai_responses.schema import Json

BEGIN = Started(id="x", model="m", created_at=1)
END = (Finished(reason=FinishReason.STOP), UsageReported(usage=Usage(input_tokens=3, output_tokens=2)), Ended())
_typed: TypeAdapter[object] = TypeAdapter(RealtimeServerEvent)


class Told:
    """What a writer tells."""

    def __init__(self, *, outside: bool = False) -> None:
        serial = itertools.count(1)
        self.events: list[Json] = []
        self.conversation = Conversation(10_000)
        self.writer = ResponseWriter(
            Session(model="a/b"),
            self.events.append,
            new_id=lambda prefix: f"{prefix}_{next(serial)}",
            conversation=None if outside else self.conversation,
            conversation_id="conv_1",
            metadata=None,
        )

    def add(self, *events: Event) -> None:
        """Tell these."""
        for event in events:
            self.writer.add(event)

    @property
    def kinds(self) -> list[str]:
        """The types of what was told."""
        return [str(event["type"]) for event in self.events]

    @property
    def response(self) -> Json:
        """What was told at the end."""
        assert self.kinds[-1] == "response.done"
        return cast("Json", self.events[-1]["response"])

    def check(self) -> None:
        """Hold every event against the official client's types."""
        for number, event in enumerate(self.events):
            _typed.validate_python({"event_id": f"event_{number}", **event})


def test_a_text_is_told_in_full() -> None:
    """Pieces add up to the text, which stands in the conversation and in the end, with the usage."""
    told = Told()
    told.add(BEGIN, ReasoningDelta(text="hm"), TextDelta(text="Good "), TextDelta(text=""), RefusalDelta(text="day"))
    told.add(*END)
    told.writer.end(None, None)
    told.check()
    assert [one["delta"] for one in told.events if one["type"] == "response.output_text.delta"] == ["Good ", "day"]
    (item,) = told.conversation
    assert cast("list[Json]", item.shown()["content"])[0]["text"] == "Good day"
    assert item.size_bytes
    assert item.thoughts == ()
    assert told.response["status"] == "completed"
    assert cast("Json", told.response["usage"])["total_tokens"] == 5


def test_calls_side_by_side_are_items_of_their_own() -> None:
    """A text and two calls whose pieces interleave are three items, in the order they began, with what was thought."""
    told = Told()
    told.add(BEGIN, ReasoningDelta(text="hm", signature="s", part=0), TextDelta(text="So:", part=1))
    told.add(ToolCallStarted(id="c1", name="f", part=2), ToolCallStarted(id="c2", name="g", part=3))
    told.add(ToolCallDelta(arguments="{", part=2), ToolCallDelta(arguments="{}", part=3))
    told.add(ToolCallDelta(arguments="", part=3), ToolCallDelta(arguments="}", part=2), *END)
    told.writer.end(None, None)
    told.check()
    done = [one for one in told.events if one["type"] == "response.function_call_arguments.done"]
    assert [(one["call_id"], one["arguments"], one["output_index"]) for one in done] == [
        ("c1", "{}", 1),
        ("c2", "{}", 2),
    ]
    text, first, second = told.conversation
    assert text.thoughts[0].signature == "s"
    assert (first.body.status, second.body.call_id) == ("completed", "c2")


@pytest.mark.parametrize(
    ("reason", "told_as"),
    [(FinishReason.LENGTH, "max_output_tokens"), (FinishReason.CONTENT_FILTER, "content_filter")],
)
def test_an_answer_that_was_cut_short_says_why(reason: FinishReason, told_as: str) -> None:
    """A limit and a filter leave the response incomplete."""
    told = Told()
    told.add(BEGIN, TextDelta(text="Go"), Finished(reason=reason))
    told.writer.end(None, Usage(output_tokens=1))
    told.check()
    assert told.response["status"] == "incomplete"
    assert cast("Json", told.response["status_details"])["reason"] == told_as


@pytest.mark.parametrize("error", [Overloaded(), None])
def test_an_answer_without_its_end_is_no_success(error: NarthexError | None) -> None:
    """What failed is told as failed, what was cancelled as cancelled; what was said stays, as incomplete."""
    told = Told()
    told.add(BEGIN, TextDelta(text="Go"))
    if error is not None:
        told.writer.end(error, None)
    else:
        told.writer.cancelled(Usage(output_tokens=1))
    told.check()
    assert told.response["status"] == ("failed" if error is not None else "cancelled")
    (item,) = told.conversation
    assert item.body.status == "incomplete"


def test_beside_the_conversation_nothing_is_left_in_it() -> None:
    """A response outside tells no items of the conversation, and has no ID of it."""
    told = Told(outside=True)
    told.add(BEGIN, TextDelta(text="Go"), *END)
    told.writer.end(None, None)
    told.check()
    assert len(told.conversation) == 0
    assert told.response["conversation_id"] is None
    assert not [kind for kind in told.kinds if kind.startswith("conversation.")]
