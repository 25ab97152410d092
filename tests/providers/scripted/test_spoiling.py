"""What goes wrong inside an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from narthex.errors import Failure, MalformedAnswer, ProviderUnreachable
from narthex.providers.scripted.spoiling import altered, altered_pace, played
from narthex.providers.scripted.steps import FOREVER, Pace, Step, events_of
from narthex.testing.scenarios import (
    BreakToolCall,
    ContentFilter,
    Corrupt,
    Disconnect,
    Drip,
    DuplicateChunk,
    HugeChunk,
    Outage,
    Scenario,
    SlowFirstToken,
    Stall,
    StreamError,
    Truncate,
    WrongUsage,
)
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.events import Ended, Failed, Finished, TextDelta
from narthex.types.messages import Message, Text, ToolCall
from narthex.types.usage import Usage

ANSWER = ChatAnswer(
    id="a",
    model="m",
    created_at=1,
    choices=(
        Choice(
            index=0,
            message=Message(
                role="assistant",
                parts=(Text(text="one two three"), ToolCall(id="c", name="clock", arguments='{"zone": "UTC"}')),
            ),
            finish_reason=FinishReason.TOOL_CALLS,
        ),
    ),
    usage=Usage(input_tokens=4, output_tokens=6),
)


def _steps() -> Iterator[Step]:
    return map(Step, events_of(ANSWER, chunk_tokens=1))


def _played(*scenarios: Scenario) -> list[Step]:
    return list(played(_steps(), scenarios, "demo"))


def _text(steps: list[Step]) -> str:
    return "".join(step.event.text for step in steps if isinstance(step.event, TextDelta))


def _call(answer: ChatAnswer) -> ToolCall:
    part = answer.choices[0].message.parts[1]
    assert isinstance(part, ToolCall)
    return part


def test_tool_calls_break_in_two_ways() -> None:
    """Arguments stop being JSON, or the tool is one that was never offered; the rest of the answer stays."""
    malformed = altered(ANSWER, [BreakToolCall()])
    with pytest.raises(json.JSONDecodeError):
        json.loads(_call(malformed).arguments)
    unknown = altered(ANSWER, [BreakToolCall(how="unknown_tool")])
    assert _call(unknown).name == "no_clock"
    assert unknown.choices[0].message.parts[0] == Text(text="one two three")


def test_usage_can_be_wrong() -> None:
    """The report is so many times what was used."""
    assert altered(ANSWER, [WrongUsage(factor=2)]).usage == Usage(input_tokens=8, output_tokens=12)
    assert altered(ANSWER, [Outage()]) == ANSWER


def test_the_pace_can_be_slowed() -> None:
    """A late first token adds to the script's own, a drip replaces its pace."""
    pace = altered_pace(Pace(first_token_s=1), [SlowFirstToken(seconds=2), Drip(tokens_per_second=3, jitter=0.5)])
    assert pace == Pace(first_token_s=3, tokens_per_second=3, jitter=0.5)


@pytest.mark.parametrize(
    ("scenario", "kind", "failure"),
    [
        (Disconnect(after_chunks=2), ProviderUnreachable, Failure.TRUNCATED),
        (Corrupt(after_chunks=2), MalformedAnswer, Failure.MALFORMED),
    ],
)
def test_answers_break(scenario: Scenario, kind: type[Exception], failure: Failure) -> None:
    """After so many pieces comes the error of a real break, and nothing else."""
    steps = _played(scenario)
    assert _text(steps) == "one two"
    error = steps[-1].error
    assert isinstance(error, kind)
    assert isinstance(error, ProviderUnreachable | MalformedAnswer)
    assert error.failure is failure


def test_a_truncated_answer_simply_ends() -> None:
    """No finish reason, no end, no error: the pipeline has to notice."""
    steps = _played(Truncate(after_chunks=1))
    assert _text(steps) == "one"
    assert not any(isinstance(step.event, Finished | Ended) or step.error for step in steps)


def test_a_stream_may_report_an_error() -> None:
    """The provider's words come as an event, and nothing after it."""
    event = _played(StreamError(after_chunks=1, message="Sorry.", code="boom"))[-1].event
    assert event == Failed(message="Sorry.", code="boom", kind="server_error")


def test_silence_ends_or_does_not() -> None:
    """A stall of some seconds is followed by the rest, one without seconds by nothing."""
    short = _played(Stall(seconds=2, after_chunks=1))
    assert [step.wait_s for step in short if step.wait_s] == [2]
    assert isinstance(short[-1].event, Ended)
    endless = _played(Stall(after_chunks=1))
    assert endless[-1].wait_s == FOREVER


def test_pieces_come_twice_or_huge() -> None:
    """One piece is repeated, or one of the length asked comes first."""
    assert _text(_played(DuplicateChunk(after_chunks=2))) == "one two two three"
    assert len(_text(_played(HugeChunk(characters=8_000)))) == 8_000 + len("one two three")


def test_a_filter_cuts_the_text_and_says_so() -> None:
    """Behind so many pieces nothing more is said, and the finish names the filter."""
    steps = _played(ContentFilter(after_chunks=2))
    assert _text(steps) == "one two"
    reasons = [step.event.reason for step in steps if isinstance(step.event, Finished)]
    assert reasons == [FinishReason.CONTENT_FILTER]
    assert isinstance(steps[-1].event, Ended)


def test_scenarios_combine() -> None:
    """Several faults are played in their order."""
    steps = _played(DuplicateChunk(after_chunks=1), Truncate(after_chunks=3))
    assert _text(steps) == "oneone two"
