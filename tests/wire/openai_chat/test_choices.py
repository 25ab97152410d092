"""What one choice says: parts in order, tool calls however they are cut, thinking with its signature."""

from __future__ import annotations

import msgspec
import pytest

from narthex.types.answers import FinishReason
from narthex.types.events import (
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from narthex.wire.openai_chat.choices import ChoiceReader
from narthex.wire.openai_chat.chunks import Delta


def read(*deltas: dict[str, object], reader: ChoiceReader | None = None) -> list[Event]:
    """Read deltas one after the other."""
    reader = reader or ChoiceReader(0, "chatcmpl-1")
    return [event for delta in deltas for event in reader.read(msgspec.convert(delta, Delta))]


def call(
    index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: object = None
) -> object:
    """Write a piece of a tool call with what is given."""
    function = {key: value for key, value in {"name": name, "arguments": arguments}.items() if value is not None}
    piece: dict[str, object] = {"function": function} if function else {}
    return piece | {key: value for key, value in {"index": index, "id": call_id}.items() if value is not None}


def calls(*pieces: object) -> dict[str, object]:
    """Write a delta of tool calls."""
    return {"tool_calls": list(pieces)}


def started(call_id: str, part: int, name: str = "f") -> ToolCallStarted:
    """A call's beginning."""
    return ToolCallStarted(id=call_id, name=name, part=part)


def argued(arguments: str, part: int) -> ToolCallDelta:
    """More of a call's arguments."""
    return ToolCallDelta(arguments=arguments, part=part)


def test_a_part_begins_where_the_kind_changes() -> None:
    """Thinking, text, refusal and text again are four parts in that order."""
    assert read(
        {"reasoning_content": "hm"},
        {"reasoning_content": "m", "content": ""},
        {"content": "a"},
        {"content": "b"},
        {"refusal": "no"},
        {"content": "c"},
    ) == [
        ReasoningDelta(text="hm", part=0),
        ReasoningDelta(text="m", part=0),
        TextDelta(text="a", part=1),
        TextDelta(text="b", part=1),
        RefusalDelta(text="no", part=2),
        TextDelta(text="c", part=3),
    ]


def test_a_call_in_fragments() -> None:
    """The usual way: ID and name first, then arguments piece by piece."""
    assert read(
        calls(call(0, "c1", "f", "")), calls(call(0, None, None, '{"a"')), calls(call(0, None, None, ":1}"))
    ) == [started("c1", 0), argued('{"a"', 0), argued(":1}", 0)]


def test_parallel_calls_may_interleave() -> None:
    """Several calls in one chunk and arguments in turns stay apart by index."""
    assert read(
        calls(call(0, "c1", "f"), call(1, "c2", "g")),
        calls(call(1, None, None, "x"), call(0, None, None, "y")),
        calls(call(1, None, None, "z")),
    ) == [started("c1", 0), started("c2", 1, "g"), argued("x", 1), argued("y", 0), argued("z", 1)]


@pytest.mark.parametrize(
    "deltas",
    [
        [calls(call(None, "c1", "f", "{}")), calls(call(None, "c2", "f", "[]"))],
        [calls(call(None, "c1", "f", "{}"), call(None, "c2", "f", "[]"))],
        [calls(call(0, "c1", "f", "{}")), calls(call(0, "c2", "f", "[]"))],
        [calls(call(None, "c1", "f")), calls(call(None, "c1", None, "{}")), calls(call(None, "c2", "f", "[]"))],
    ],
)
def test_calls_are_told_apart_without_proper_indices(deltas: list[dict[str, object]]) -> None:
    """Missing indices, and Gemini's 0 for every call, do not merge two calls into one."""
    assert read(*deltas) == [started("c1", 0), argued("{}", 0), started("c2", 1), argued("[]", 1)]


def test_a_name_repeated_in_each_piece_begins_one_call() -> None:
    """Some servers send ID and name with every piece."""
    assert read(calls(call(0, "c1", "f", "{")), calls(call(0, "c1", "f", "}"))) == [
        started("c1", 0),
        argued("{", 0),
        argued("}", 0),
    ]


def test_a_call_waits_for_its_name() -> None:
    """An ID, then arguments, then the name: the call begins complete."""
    assert read(calls(call(0, "c1")), calls(call(0, None, None, "{")), calls(call(0, None, "f", "}"))) == [
        started("c1", 0),
        argued("{}", 0),
    ]


def test_a_missing_id_is_made_from_the_answers() -> None:
    """The same stream always gives the same ID, in letters that every dialect takes."""
    reader = ChoiceReader(1, "chatcmpl/1:x")
    assert read(calls(call(0, "", "f")), calls(call(1, None, "g")), reader=reader) == [
        ToolCallStarted(id="call_chatcmpl_1_x_1_0", name="f", choice=1, part=0),
        ToolCallStarted(id="call_chatcmpl_1_x_1_1", name="g", choice=1, part=1),
    ]


def test_arguments_may_be_an_object() -> None:
    """Arguments sent as JSON become JSON text."""
    assert read(calls(call(0, "c1", "f", {"a": 1}))) == [started("c1", 0), argued('{"a":1}', 0)]


def test_the_older_function_call_is_a_call() -> None:
    """`function_call` streams like a call of its own."""
    made = "call_chatcmpl-1_0_0"
    assert read({"function_call": {"name": "f"}}, {"function_call": {"arguments": "{}"}}) == [
        started(made, 0),
        argued("{}", 0),
    ]


def test_a_call_that_never_gets_a_name_is_counted() -> None:
    """What cannot be called is not passed on, and not forgotten."""
    reader = ChoiceReader(0, "a")
    assert read(calls(call(0, "c1", None, "{}")), reader=reader) == []
    assert reader.nameless_calls == 1


def detail(**members: object) -> dict[str, object]:
    """Write a delta with one piece of reasoning."""
    return {"reasoning_details": [{"type": "reasoning.text"} | members]}


def test_a_signature_ends_its_part() -> None:
    """Text at the same index, after the signature, is another thought."""
    assert read(
        detail(text="a", index=0) | {"reasoning": "a"},
        detail(text="b", index=0),
        detail(signature="s", index=0),
        detail(text="c", index=0),
    ) == [
        ReasoningDelta(text="a", part=0),
        ReasoningDelta(text="b", part=0),
        ReasoningDelta(signature="s", part=0),
        ReasoningDelta(text="c", part=1),
    ]


def test_a_late_signature_finds_its_part() -> None:
    """OpenRouter may send it after the text has begun."""
    assert read(detail(text="a"), {"content": "x"}, detail(signature="s")) == [
        ReasoningDelta(text="a", part=0),
        TextDelta(text="x", part=1),
        ReasoningDelta(signature="s", part=0),
    ]


def test_another_index_is_another_thought() -> None:
    """Thoughts are kept apart as the provider numbers them, and what is redacted is a thought of its own."""
    redacted: dict[str, object] = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "r", "index": 1}]}
    assert read(detail(text="a", index=0), redacted, detail(text="b", index=2)) == [
        ReasoningDelta(text="a", part=0),
        ReasoningDelta(redacted="r", part=1),
        ReasoningDelta(text="b", part=2),
    ]


def test_blank_details_give_way_to_the_text() -> None:
    """Where details say nothing, the plain member counts."""
    assert read(detail(text="") | {"reasoning_content": "a"}) == [ReasoningDelta(text="a", part=0)]


def test_citations_are_kept_with_the_text() -> None:
    """Sources in OpenAI's shape come with the text, or after it."""
    source: dict[str, object] = {"type": "url_citation", "url_citation": {"url": "https://a.test"}}
    assert read({"content": "a"}, {"annotations": [source, {"type": "other"}]}) == [
        TextDelta(text="a", part=0),
        TextDelta(text="", part=0, citations=(source,)),
    ]


@pytest.mark.parametrize(
    ("word", "delta", "reason"),
    [
        ("stop", {"content": "a"}, FinishReason.STOP),
        ("stop", calls(call(0, "c", "f")), FinishReason.TOOL_CALLS),
        ("stop", {"refusal": "no"}, FinishReason.REFUSAL),
        ("length", {"content": "a"}, FinishReason.LENGTH),
        ("function_call", {"content": "a"}, FinishReason.TOOL_CALLS),
        ("content_filter", {"content": "a"}, FinishReason.CONTENT_FILTER),
        ("model_length", {"content": "a"}, FinishReason.LENGTH),
        ("eos", {"content": "a"}, FinishReason.STOP),
    ],
)
def test_why_it_ended(word: str, delta: dict[str, object], reason: FinishReason) -> None:
    """Every server's word has one meaning; a call or a refusal is named even where the server only says `stop`."""
    reader = ChoiceReader(0, "a")
    read(delta, reader=reader)
    assert reader.finish(word, None) == Finished(reason=reason)


def test_which_sequence_stopped_it() -> None:
    """The stop sequence is told where the server tells it."""
    reader = ChoiceReader(0, "a")
    assert reader.finish("stop", "END") == Finished(reason=FinishReason.STOP_SEQUENCE, stop_sequence="END")
    assert reader.finish("length", "END") == Finished(reason=FinishReason.LENGTH)
