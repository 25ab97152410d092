"""The engine's answer, as events."""

from __future__ import annotations

from narthex.providers.embedded.chunks import ChunkReader
from narthex.providers.embedded.native import Document
from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.events import (
    Ended,
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.usage import Usage
from tests.providers.embedded.doubles import answer_chunks, chunk, usage_chunk


def _events(chunks: list[Document], *, choices: int = 1, is_emulated: bool = False) -> list[Event]:
    reader = ChunkReader(model="smollm2", choices=choices, is_emulated=is_emulated)
    return [event for one in chunks for event in reader.read(one)] + reader.close()


def test_an_answer_is_told_from_its_start_to_its_end() -> None:
    """The model has our name, the engine's own fields are gone, and usage comes before the end."""
    assert _events(answer_chunks("Hel", "lo")) == [
        Started(id="chatcmpl-abcdefghijklmnop", model="smollm2", created_at=1_700_000_000),
        TextDelta(text="Hel"),
        TextDelta(text="lo"),
        Finished(reason=FinishReason.STOP),
        UsageReported(usage=Usage(input_tokens=3, output_tokens=2)),
        Ended(),
    ]


def test_an_answer_without_its_end_has_none() -> None:
    """Cut before every choice is finished, there is no `Ended`."""
    whole = answer_chunks("Hel", "lo")
    assert Ended() not in _events(whole[:-2])
    assert Ended() not in _events(whole, choices=2)
    assert _events([]) == []


def test_choices_are_told_apart() -> None:
    """Interleaved answers keep their index, and each has its own reason."""
    events = _events(
        [
            chunk({"content": "a"}, index=1),
            chunk({"content": "b"}, index=0),
            chunk({}, index=1, finish="length"),
            chunk({}, index=0, finish="stop"),
            usage_chunk(cached=2),
        ],
        choices=2,
    )
    assert events[1:] == [
        TextDelta(text="a", choice=1),
        TextDelta(text="b", choice=0),
        Finished(reason=FinishReason.LENGTH, choice=1),
        Finished(reason=FinishReason.STOP, choice=0),
        UsageReported(usage=Usage(input_tokens=3, output_tokens=2, cache_read_tokens=2)),
        Ended(),
    ]


def test_thinking_is_a_part_of_its_own() -> None:
    """A model that thinks aloud has its thoughts apart from its answer."""
    events = _events([chunk({"reasoning_content": "hm"}), chunk({"content": "so"}), chunk({}, finish="stop")])
    assert events[1:3] == [ReasoningDelta(text="hm", part=0), TextDelta(text="so", part=1)]


def test_probabilities_are_passed_on() -> None:
    """Tokens with their bytes and the others at their place; the engine's token IDs are its own."""
    token: Document = {"id": 7, "token": "é", "bytes": [195, 169], "logprob": -0.5}
    logprobs: Document = {"content": [{**token, "top_logprobs": [token, {"token": "e", "logprob": -1.0}]}]}
    events = _events([chunk({"content": "é"}, logprobs=logprobs), chunk({}, finish="stop")])
    plain = TokenLogprob(token="é", logprob=-0.5, token_bytes=(195, 169))
    expected = TokenLogprob(
        token="é",
        logprob=-0.5,
        token_bytes=(195, 169),
        top=(plain, TokenLogprob(token="e", logprob=-1.0)),
    )
    assert events[1] == TextDelta(text="é", logprobs=(expected,))


def test_calls_are_made_of_the_agreed_json() -> None:
    """With tools emulated, JSON becomes calls with IDs of their own, and the reason says so."""
    events = _events(
        answer_chunks('{"tool_calls": [{"name": "a", "arguments"', ': {"x": 1}}, {"name": "b", ', '"arguments": {}}]}'),
        is_emulated=True,
    )
    first, second = (event for event in events if isinstance(event, ToolCallStarted))
    assert (first.name, second.name) == ("a", "b")
    assert (first.part, second.part) == (0, 1)
    assert first.id != second.id
    arguments = [(event.part, event.arguments) for event in events if isinstance(event, ToolCallDelta)]
    assert arguments == [(0, '{"x": 1}'), (1, "{}")]
    assert Finished(reason=FinishReason.TOOL_CALLS) in events


def test_a_reply_is_text_and_ends_as_text() -> None:
    """With tools emulated, a reply is an ordinary answer."""
    events = _events(answer_chunks('{"reply": "Hel', 'lo"}'), is_emulated=True)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["Hel", "lo"]
    assert Finished(reason=FinishReason.STOP) in events


def test_calls_cut_short_say_so() -> None:
    """At the limit of tokens the reason is the limit, whatever was begun."""
    events = _events(answer_chunks('{"tool_calls": [{"name": "a", "arguments": {', finish="length"), is_emulated=True)
    assert Finished(reason=FinishReason.LENGTH) in events
