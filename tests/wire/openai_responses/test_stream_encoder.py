"""Events written for a client: what the official SDK reads, in order, with nothing lost."""

from __future__ import annotations

import json

from hypothesis import given
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from narthex.errors import ProviderError
from narthex.types.answers import ChatAnswer, FinishReason, TokenLogprob
from narthex.types.dialects import Dialect
from narthex.types.events import (
    Ended,
    Event,
    Failed,
    Finished,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.folding import fold
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest, Tool
from narthex.types.usage import Usage
from narthex.wire.openai_responses.answer import decode_answer, encode_answer
from narthex.wire.openai_responses.stream_encoder import ResponsesEncoder
from narthex.wire.openai_responses.stream_parser import ResponsesParser
from tests.wire.openai_responses import strategies as made

SDK: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
BEGUN = Started(id="chatcmpl-1", model="m", created_at=7)
ASKED = ChatRequest(
    model="m",
    messages=(Message(role="system", parts=(Text(text="be brief"),)), Message(role="user", parts=(Text(text="hi"),))),
    tools=(Tool(name="find", parameters={"type": "object"}),),
    metadata={"team": "a"},
    extra={"store": False, "text": {"verbosity": "low"}, "safety_identifier": "u1"},
    extra_dialect=Dialect.OPENAI_RESPONSES,
)
CITATION: dict[str, object] = {
    "type": "url_citation",
    "url": "https://a.test",
    "title": "A",
    "start_index": 0,
    "end_index": 2,
}


def frames(raw: bytes) -> list[dict[str, object]]:
    """Read frames back as a client does; the name of the event stands twice, and agrees."""
    read: list[dict[str, object]] = []
    for frame in raw.split(b"\n\n")[:-1]:
        name, data = frame.split(b"\n", 1)
        body = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + body["type"].encode()
        read.append(body)
    return read


def encoded(events: list[Event], encoder: ResponsesEncoder | None = None) -> bytes:
    """Write events."""
    encoder = encoder or ResponsesEncoder(ASKED)
    return b"".join(encoder.encode(event) for event in events)


@given(made.streamed(interleaved=True))
def test_every_event_is_one_that_the_official_sdk_knows(pair: tuple[ChatAnswer, list[Event]]) -> None:
    """Each validates strictly against the vendor's types, and is numbered without a gap."""
    read = frames(encoded(pair[1]))
    assert [one["sequence_number"] for one in read] == list(range(len(read)))
    for one in read:
        SDK.validate_python(one)


@given(made.streamed())
def test_what_was_streamed_is_what_the_whole_response_says(pair: tuple[ChatAnswer, list[Event]]) -> None:
    """The last event holds the answer that the deltas tell, and so does a whole answer to the same call."""
    answer, events = pair
    last = frames(encoded(events))[-1]["response"]
    assert isinstance(last, dict)
    last.pop("completed_at")
    whole = json.loads(encode_answer(answer, ASKED))
    assert last["output"] == whole["output"]
    assert last["usage"] == whole["usage"]
    assert last["id"] == whole["id"] == "resp_made"


@given(made.streamed(interleaved=True))
def test_nothing_is_lost_where_parts_interleave(pair: tuple[ChatAnswer, list[Event]]) -> None:
    """Arguments of parallel calls come mixed; every call keeps all of its own."""
    _, events = pair
    parser = ResponsesParser()
    again = fold([*parser.feed(encoded(events)), *parser.close()])
    assert sorted(map(str, again.choices[0].message.parts)) == sorted(map(str, fold(events).choices[0].message.parts))


def test_arguments_that_end_like_an_object_are_not_taken_for_whole() -> None:
    """`{"a":{}` ends with a brace and is not the end: what comes later is kept."""
    events: list[Event] = [
        BEGUN,
        ToolCallStarted(id="c1", name="f", part=0),
        ToolCallDelta(arguments='{"a":{}', part=0),
        ToolCallStarted(id="c2", name="g", part=1),
        ToolCallDelta(arguments="}", part=0),
        ToolCallDelta(arguments="{}", part=1),
        Finished(reason=FinishReason.TOOL_CALLS),
        Ended(),
    ]
    output = frames(encoded(events))[-1]["response"]
    assert isinstance(output, dict)
    assert [item["arguments"] for item in output["output"]] == ['{"a":{}}', "{}"]


def test_a_response_repeats_what_was_asked() -> None:
    """Instructions, tools, metadata and the form of the text stand in every state of the response."""
    created = frames(encoded([BEGUN]))[0]["response"]
    assert isinstance(created, dict)
    Response.model_validate(created)
    assert (created["instructions"], created["metadata"], created["store"]) == ("be brief", {"team": "a"}, False)
    assert created["text"] == {"verbosity": "low", "format": {"type": "text"}}
    assert created["tools"][0]["name"] == "find"
    assert created["safety_identifier"] == "u1"
    assert created["status"] == "in_progress"


def test_an_id_of_another_dialect_becomes_one_of_this() -> None:
    """The same answer has the same ID each time, and one that was given beforehand is kept."""
    first, again = (frames(encoded([BEGUN], ResponsesEncoder(ASKED)))[0]["response"] for _ in range(2))
    assert isinstance(first, dict)
    assert isinstance(again, dict)
    assert first["id"] == again["id"]
    assert str(first["id"]).startswith("resp_")
    given_before = frames(encoded([BEGUN], ResponsesEncoder(ASKED, answer_id="resp_mine")))[0]["response"]
    assert isinstance(given_before, dict)
    assert given_before["id"] == "resp_mine"


def test_log_probabilities_and_sources_stand_at_their_text() -> None:
    """They are in the events, and in the whole."""
    told = (TokenLogprob(token="hi", logprob=-0.5, top=(TokenLogprob(token="ho", logprob=-1.5),)),)
    events: list[Event] = [
        BEGUN,
        TextDelta(text="hi", logprobs=told),
        TextDelta(text="", citations=(CITATION,)),
        TextDelta(text=" you"),
        Finished(reason=FinishReason.STOP),
        Ended(),
    ]
    read = frames(encoded(events))
    for one in read:
        SDK.validate_python(one)
    assert [one["type"] for one in read if "annotation" in str(one["type"])] == [
        "response.output_text.annotation.added"
    ]
    response = read[-1]["response"]
    assert isinstance(response, dict)
    content = response["output"][0]["content"][0]
    assert (content["text"], content["annotations"]) == ("hi you", [CITATION])
    assert content["logprobs"][0]["top_logprobs"][0]["token"] == "ho"


def test_an_answer_that_was_cut_by_its_limit_is_incomplete() -> None:
    """The status says so, of the response and of the item that was cut."""
    events: list[Event] = [BEGUN, TextDelta(text="hi"), Finished(reason=FinishReason.LENGTH), Ended()]
    last = frames(encoded(events))[-1]
    response = last["response"]
    assert isinstance(response, dict)
    assert last["type"] == "response.incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["output"][0]["status"] == "incomplete"
    assert decode_answer(json.dumps(response).encode()).choices[0].finish_reason is FinishReason.LENGTH


def test_how_a_rescued_answer_came_about_is_told_at_its_end() -> None:
    """What the gateway adds stands in the last response."""
    events: list[Event] = [BEGUN, TextDelta(text="hi"), Finished(reason=FinishReason.STOP, told={"rescued": "told"})]
    response = frames(encoded([*events, UsageReported(usage=Usage(output_tokens=2)), Ended()]))[-1]["response"]
    assert isinstance(response, dict)
    assert response["narthex"] == {"rescued": "told"}
    assert response["usage"]["output_tokens"] == 2


def test_a_stream_that_breaks_never_looks_whole() -> None:
    """It ends in a failed response, and in an error that makes the official SDK raise."""
    encoder = ResponsesEncoder(ASKED)
    raw = encoded([BEGUN, TextDelta(text="hi")], encoder)
    read = frames(raw + encoder.error(ProviderError("it broke", provider="p"), "req_1"))
    assert [one["type"] for one in read[-2:]] == ["response.failed", "error"]
    response, error = read[-2]["response"], read[-1]["error"]
    assert isinstance(response, dict)
    assert isinstance(error, dict)
    assert (response["status"], response["error"]["message"]) == ("failed", "it broke")
    assert (error["message"], error["request_id"]) == ("it broke", "req_1")
    assert [one["sequence_number"] for one in read] == list(range(len(read)))


def test_a_failure_of_the_provider_is_told_in_its_words() -> None:
    """Before there is a response, the error stands alone."""
    read = frames(encoded([Failed(message="no", code="overloaded")]))
    assert [one["type"] for one in read] == ["error"]
    assert read[0]["code"] == "overloaded"


def test_only_the_first_of_several_choices_is_written() -> None:
    """This API has no `n`: a second choice is no part of the first."""
    events: list[Event] = [
        BEGUN,
        TextDelta(text="a"),
        TextDelta(text="b", choice=1),
        ToolCallDelta(arguments="x", choice=1),
    ]
    events += [Finished(reason=FinishReason.STOP), Finished(reason=FinishReason.LENGTH, choice=1), Ended()]
    response = frames(encoded(events))[-1]["response"]
    assert isinstance(response, dict)
    assert (response["status"], response["output"][0]["content"][0]["text"]) == ("completed", "a")
