"""Parts that interleave, brought into a row of blocks."""

from __future__ import annotations

import json

from narthex.types.events import ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta, ToolCallStarted
from narthex.wire.anthropic_messages.stream_sequence import BlockSequence, Delta
from narthex.wire.sse import SseParser

CITED: dict[str, object] = {"type": "page_location"}


def told(data: bytes) -> list[object]:
    """What the frames say, in short: `start`, the pieces, `stop`, each with its index."""
    rows: list[object] = []
    for event in SseParser().feed(data):
        body = json.loads(event.data)
        assert event.event == body["type"]
        match body["type"]:
            case "content_block_start":
                rows.append((body["index"], body["content_block"]["type"]))
            case "content_block_delta":
                _, said = body["delta"].values()
                rows.append((body["index"], "+", said))
            case _:
                rows.append((body["index"], "stop"))
    return rows


def written(*deltas: Delta) -> list[list[object]]:
    """What each delta makes known, and last what the end does."""
    sequence = BlockSequence()
    return [told(sequence.add(delta)) for delta in deltas] + [told(sequence.close())]


def call(part: int) -> ToolCallStarted:
    """A tool call begins."""
    return ToolCallStarted(id=f"t{part}", name="f", part=part)


def more(part: int, arguments: str) -> ToolCallDelta:
    """More of its arguments."""
    return ToolCallDelta(arguments=arguments, part=part)


def test_parts_in_order_are_written_at_once() -> None:
    """Thinking, text and a call follow each other; nothing is held back."""
    assert written(
        ReasoningDelta(text="Hm"),
        ReasoningDelta(signature="s"),
        TextDelta(text="a", part=1),
        TextDelta(text="b", part=1),
        call(2),
        more(2, "{}"),
    ) == [
        [(0, "thinking"), (0, "+", "Hm")],
        [(0, "+", "s")],
        [(0, "stop"), (1, "text"), (1, "+", "a")],
        [(1, "+", "b")],
        [(1, "stop"), (2, "tool_use")],
        [(2, "+", "{}")],
        [(2, "stop")],
    ]


def test_a_call_waits_until_the_one_before_it_is_whole() -> None:
    """Arguments that come mixed are written one call after the other, each as soon as it may be."""
    assert written(
        call(0), more(0, '{"a":'), call(1), more(1, '{"b"'), more(0, " 1"), more(0, "}"), more(1, ":2}")
    ) == [
        [(0, "tool_use")],
        [(0, "+", '{"a":')],
        [],
        [],
        [(0, "+", " 1")],
        [(0, "+", "}"), (0, "stop"), (1, "tool_use"), (1, "+", '{"b"')],
        [(1, "+", ":2}")],
        [(1, "stop")],
    ]


def test_several_wait_in_the_order_they_began() -> None:
    """A call that is whole when its turn comes makes room for the next at once."""
    assert written(call(0), call(1), call(2), more(2, "{"), more(1, "{}"), more(0, "{}"), more(2, "}")) == [
        [(0, "tool_use")],
        [],
        [],
        [],
        [],
        [
            (0, "+", "{}"),
            (0, "stop"),
            (1, "tool_use"),
            (1, "+", "{}"),
            (1, "stop"),
            (2, "tool_use"),
            (2, "+", "{"),
        ],
        [(2, "+", "}")],
        [(2, "stop")],
    ]


def test_a_call_without_arguments_lets_the_others_go_at_the_end() -> None:
    """Nobody can know before the end that none will come."""
    assert written(call(0), call(1), more(1, "{}"), TextDelta(text="a", part=2)) == [
        [(0, "tool_use")],
        [],
        [],
        [],
        [(0, "stop"), (1, "tool_use"), (1, "+", "{}"), (1, "stop"), (2, "text"), (2, "+", "a"), (2, "stop")],
    ]


def test_text_that_goes_on_later_goes_on_in_a_new_block() -> None:
    """A closed block cannot go on, and no word may be lost."""
    assert written(TextDelta(text="a"), call(1), more(1, "{}"), TextDelta(text="b")) == [
        [(0, "text"), (0, "+", "a")],
        [(0, "stop"), (1, "tool_use")],
        [(1, "+", "{}")],
        [(1, "stop"), (2, "text"), (2, "+", "b")],
        [(2, "stop")],
    ]


def test_white_space_behind_a_whole_call_is_passed_over() -> None:
    """It comes after the block is closed, and says nothing."""
    assert written(call(0), more(0, "{}"), TextDelta(text="a", part=1), more(0, "\n"))[3] == []


def test_empty_deltas_begin_no_block() -> None:
    """Providers send them; the wire refuses empty text in what comes back."""
    assert written(TextDelta(text=""), RefusalDelta(text=""), ReasoningDelta(), more(5, "")) == [[], [], [], [], []]


def test_refusals_sources_and_hidden_thinking_have_their_blocks() -> None:
    """A refusal is text, a source belongs to its text, hidden thinking comes whole."""
    assert written(
        ReasoningDelta(redacted="xx"),
        TextDelta(text="a", part=1, citations=(CITED, {"type": "url_citation"})),
        RefusalDelta(text="No.", part=2),
    ) == [
        [(0, "redacted_thinking")],
        [(0, "stop"), (1, "text"), (1, "+", "a"), (1, "+", CITED)],
        [(1, "stop"), (2, "text"), (2, "+", "No.")],
        [(2, "stop")],
    ]
