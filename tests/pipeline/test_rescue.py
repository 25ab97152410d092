"""A stream that breaks in the middle comes to its end all the same, as one answer, or ends in its error."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from narthex.errors import Failure, ProviderError, ProviderTimeout, ProviderUnreachable, TruncatedAnswer
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.rescue import Mode
from narthex.pipeline.stages.attempt import Attempt
from narthex.providers.contract import Reply
from narthex.resilience.breakers import BreakerState
from narthex.resilience.concurrency import LimitPolicy
from narthex.resilience.decisions import Policy
from narthex.resilience.places import Places
from narthex.resilience.recovery import Way
from narthex.routing.figures import Figures
from narthex.streams.stream import Frame, Stream
from narthex.testing.wires import anthropic_frames, openai_answer, openai_frames, tool_call
from narthex.types.catalog import ModelFacts
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Started, TextDelta
from narthex.types.requests import ChatRequest
from narthex.wire.registry import CHAT_WIRES
from tests.pipeline.doubles import (
    ANTHROPIC,
    CHAT,
    INNER,
    MESSAGE,
    Double,
    House,
    at_once,
    exchange,
    read,
    streamed,
    told,
    whole,
)

POEM = "the owl and the pussycat went to sea in a beautiful pea green boat"
CUT = ProviderUnreachable(provider="up", failure=Failure.TRUNCATED)
STALL = ProviderTimeout(provider="up", failure=Failure.STALL)
FRAMES = openai_frames(POEM)


def house(*providers: Double, mode: Mode = "continue") -> House:
    """Return an engine with fallbacks."""
    made = House(*providers)
    made.fallbacks = tuple(f"{one.name}/m" for one in providers[1:])
    made.recovery.policy = Policy(retries=1)
    return made


async def answered(running: House, made: Exchange) -> tuple[Stream, str, list[Frame]]:
    """Return the answer's stream at its end, what a caller has read of it, and its frames."""
    stream = await running.engine.handle(made)
    frames = await read(stream)
    raw = b"".join(frame for frame in frames if isinstance(frame, bytes))
    inner = [one for one in frames if not isinstance(one, bytes)]
    events = CHAT_WIRES[made.dialect].parser().feed(raw) if raw else inner
    return stream, said(events), frames


def said(events: list[Event]) -> str:
    """Return the text in these events."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def asked() -> Exchange:
    """Return a call for a stream."""
    return exchange({**CHAT, "stream": True})


def rest(cut: int) -> str:
    """Return what is missing after so many frames."""
    return POEM[len(said(CHAT_WIRES[Dialect.OPENAI_CHAT].parser().feed(b"".join(FRAMES[:cut])))) :]


@pytest.mark.parametrize("cut", range(1, len(FRAMES) - 2))
@pytest.mark.parametrize("again", ["rest", "whole"])
async def test_a_cut_stream_is_one_answer(cut: int, again: str) -> None:
    """Wherever it is cut, and whether the model goes on or begins again, the caller reads it once, to its end."""
    missing = rest(cut) if again == "rest" else POEM
    up = Double(streamed(FRAMES[:cut], error=CUT), streamed(openai_frames(missing)))
    made = asked()
    stream, text, frames = await answered(house(up), made)
    assert stream.error is None
    assert text == POEM
    assert str(frames[-1]).count("[DONE]") == 1
    assert [one.failure for one in made.attempts] == ["truncated", None]


@pytest.mark.parametrize("cut", range(2, len(FRAMES) - 2))
async def test_a_caller_sees_one_answer_with_one_id(cut: int) -> None:
    """All chunks are of one answer, and its end says that it was brought to it by another model."""
    up = Double(streamed(FRAMES[:cut], error=STALL))
    other = Double(streamed(anthropic_frames(rest(cut))), name="b", dialects=ANTHROPIC)
    stream, text, frames = await answered(house(up, other), asked())
    assert (stream.error, text) == (None, POEM)
    raw = b"".join(frame for frame in frames if isinstance(frame, bytes))
    chunks = [json.loads(line[6:]) for line in raw.split(b"\n\n") if line.startswith(b"data: {")]
    assert len({chunk["id"] for chunk in chunks}) == 1
    ends = [chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["finish_reason"]]
    assert len(ends) == 1
    assert ends[0]["narthex"] == {"rescued": "told", "model": "b/m", "after": "stall"}


async def test_a_silent_model_is_not_asked_for_the_rest() -> None:
    """After a stall the next model goes on; the silent one hears nothing more."""
    up, other = Double(streamed(FRAMES[:4], error=STALL)), Double(streamed(openai_frames(rest(4))), name="b")
    assert (await answered(house(up, other), asked()))[1] == POEM
    assert (len(up.calls), len(other.calls)) == (1, 1)


async def test_a_model_is_told_to_go_on() -> None:
    """It is given what was said and what to do about it; one with a prefill is given its own words alone."""
    other = Double(streamed(openai_frames(rest(4))), streamed(openai_frames(rest(4))), name="b")
    running = house(Double(*[streamed(FRAMES[:4], error=STALL)] * 2), other)
    await answered(running, asked())
    messages = json.loads(other.calls[0].body)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert POEM.startswith(messages[1]["content"])
    able = ModelFacts(id="m", provider="b", capabilities=frozenset({"chat", "prefill"}))
    running.catalog.learn("b", [able], closed=True)
    await answered(running, asked())
    assert [one["role"] for one in json.loads(other.calls[1].body)["messages"]] == ["user", "assistant"]


async def test_anthropic_streams_are_rescued_too() -> None:
    """The same on the other wire, its blocks opened and closed once each."""
    frames = anthropic_frames(POEM)
    up = Double(streamed(frames[:6], error=CUT), streamed(anthropic_frames(POEM)), dialects=ANTHROPIC)
    made = exchange({**MESSAGE, "stream": True}, dialect=Dialect.ANTHROPIC_MESSAGES)
    stream, text, received = await answered(house(up), made)
    assert (stream.error, text) == (None, POEM)
    raw = b"".join(frame for frame in received if isinstance(frame, bytes))
    for kind in ("message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"):
        assert raw.count(b"event: " + kind.encode()) == 1
    assert b'"narthex":{"rescued":' in raw


async def test_events_are_rescued_as_well() -> None:
    """A provider that speaks the inner vocabulary is no exception."""
    begun: list[Event] = [Started(id="a", model="m", created_at=1), TextDelta(text="the owl ")]
    up = Double(told(*begun, error=STALL), dialects=INNER)
    other = Double(streamed(openai_frames(POEM)), name="b")
    stream, text, frames = await answered(house(up, other), asked())
    assert (stream.error, text) == (None, POEM)
    assert isinstance(frames[-1], Ended)


async def test_a_rescue_that_breaks_is_rescued() -> None:
    """The second attempt may fail as well; the third goes on from all that was delivered."""
    up = Double(streamed(FRAMES[:3], error=STALL))
    second = Double(streamed(openai_frames(rest(3))[:3], error=STALL), name="b")
    third = Double(streamed(openai_frames(POEM)), name="c")
    assert (await answered(house(up, second, third), asked()))[1] == POEM


TOOLS = openai_frames("", tool_calls=[tool_call("f", {"a": 1})])


@pytest.mark.parametrize("frames", [TOOLS[:2], TOOLS[:3]])
async def test_a_tool_call_is_never_joined(frames: list[bytes]) -> None:
    """What a caller may have acted on already cannot be told otherwise."""
    other = Double(streamed(FRAMES), name="b")
    stream, _, _ = await answered(house(Double(streamed(frames, error=STALL)), other), asked())
    assert stream.error is STALL
    assert other.calls == []


@pytest.mark.parametrize("reply", [streamed(openai_frames("another story altogether")), whole(b"no"), STALL])
async def test_what_cannot_be_rescued_ends_in_its_error(reply: Reply | ProviderError) -> None:
    """If nobody tells the same story on, the stream ends as it broke: what was delivered, then why it is not all."""
    running = house(Double(streamed(FRAMES[:5], error=STALL)), Double(reply, name="b"))
    stage = running.stage(Attempt)
    stage._rescue.mode = "restart"
    stream, text, _ = await answered(running, asked())
    assert stream.error is STALL
    assert POEM.startswith(text)


async def test_nothing_is_rescued_where_that_is_off() -> None:
    """With `rescue = "off"` a stream that breaks is a broken stream."""
    other = Double(streamed(FRAMES), name="b")
    running = house(Double(streamed(FRAMES[:4], error=CUT)), other)
    running.stage(Attempt)._rescue.mode = "off"
    stream, _, _ = await answered(running, asked())
    assert isinstance(stream.error, TruncatedAnswer)
    assert other.calls == []


@pytest.mark.parametrize("wish", [{"n": 2}, {"logprobs": True}])
async def test_answers_of_several_parts_are_not_joined(wish: dict[str, object]) -> None:
    """Several choices, and probabilities of every token, cannot be told on by another model."""
    other = Double(streamed(FRAMES), name="b")
    running = house(Double(streamed(FRAMES[:4], error=CUT)), other)
    stream, _, _ = await answered(running, exchange({**CHAT, "stream": True, **wish}))
    assert isinstance(stream.error, TruncatedAnswer)


async def test_done_without_an_end_is_not_passed_on() -> None:
    """A provider that says `[DONE]` too early is cut, not whole: the caller sees only the real end."""
    done = b"data: [DONE]\n\n"
    up = Double(streamed([*FRAMES[:4], done]), streamed(openai_frames(POEM)))
    stream, text, frames = await answered(house(up), asked())
    assert (stream.error, text) == (None, POEM)
    assert b"".join(frame for frame in frames if isinstance(frame, bytes)).count(done) == 1


async def test_the_usage_is_of_both_attempts_and_marked() -> None:
    """What was consumed twice is counted twice, as an estimate."""
    up = Double(streamed(FRAMES[:6], error=CUT), streamed(openai_frames(rest(6))))
    made = asked()
    await answered(house(up), made)
    assert made.usage is not None
    assert made.usage.estimated
    assert made.usage.output_tokens > len(openai_frames(rest(6))) - 5


@pytest.mark.parametrize("repeated", [0, 7, 12, 30])
@pytest.mark.parametrize("cut", range(1, len(FRAMES) - 3))
async def test_any_overlap_is_joined(cut: int, repeated: int) -> None:
    """However much of what was said a model says again, it is read once."""
    missing = rest(cut)
    start = len(POEM) - len(missing)
    again = POEM[max(0, start - repeated) :] if repeated > 6 else missing
    up = Double(streamed(FRAMES[:cut], error=STALL))
    other = Double(streamed(openai_frames(again)), name="b")
    assert (await answered(house(up, other), asked()))[1] == POEM


async def test_a_whole_answer_serves_for_the_rest() -> None:
    """A fallback that does not stream is as good."""
    other = Double(whole(openai_answer(POEM)), name="b")
    assert (await answered(house(Double(streamed(FRAMES[:4], error=STALL)), other), asked()))[1] == POEM


async def test_in_process_calls_are_rescued() -> None:
    """A call without a wire has events joined."""
    request = ChatRequest(model="up/m", messages=asked().chat_request().messages, stream=True)
    made = Exchange(Dialect.NATIVE, b"", {}, request=request)
    running = house(Double(streamed(FRAMES[:4], error=STALL)), Double(streamed(openai_frames(POEM)), name="b"))
    frames = await read(await running.engine.handle(made))
    assert said([one for one in frames if not isinstance(one, bytes)]) == POEM


async def test_a_target_that_breaks_off_is_left_alone() -> None:
    """Streams that begin well and break count against their target: after some in a row it is asked no more."""
    up = Double(*[streamed(FRAMES[:4], error=STALL)] * 9)
    running = house(up, Double(*[streamed(openai_frames(POEM))] * 9, name="b"))
    for _ in range(7):
        assert (await answered(running, asked()))[1] == POEM
    assert len(up.calls) == 5
    assert running.recovery.board.breaker("up/m").state is BreakerState.OPEN


async def test_a_stream_counts_once_it_has_ended() -> None:
    """A good stream is one call to the credit of its target; one whose caller leaves says nothing about it."""
    running = house(Double(streamed(FRAMES), streamed(FRAMES[:3], hold=True)))
    await answered(running, asked())
    stream = await running.engine.handle(asked())
    assert running.recovery.board.breaker("up/m").report().calls == 1
    stream.cancel()
    await running.settled()
    assert running.recovery.board.breaker("up/m").report().calls == 1


async def test_what_became_of_failures_is_counted() -> None:
    """Per class of failure: attempts that failed, calls that were answered all the same and how, calls lost."""
    running = house(
        Double(streamed(FRAMES[:4], error=STALL), streamed(FRAMES[:4], error=STALL)),
        Double(streamed(openai_frames(POEM)), STALL, name="b"),
    )
    await answered(running, asked())
    await answered(running, asked())
    (report,) = running.recovery.counters.snapshot()
    assert (report.failure, report.attempts, report.lost) == (Failure.STALL, 3, 1)
    assert report.by_way == {Way.CONTINUE: 1}


async def test_a_stream_that_breaks_at_once_counts_against_its_target() -> None:
    """Where beginning and break come in one piece the target has failed, and the story has it in order."""
    up, other = Double(at_once(FRAMES[:3], CUT), name="up"), Double(streamed(openai_frames(POEM)), name="other")
    running, made = house(up, other), asked()
    running.recovery.policy = Policy(retries=0)
    stream, text, _ = await answered(running, made)
    assert (stream.error, text) == (None, POEM)
    reports = {one.name: one for one in running.recovery.board.snapshot()}
    assert (reports["up/m"].failure_rate, reports["other/m"].failure_rate) == (1.0, 0.0)


async def test_the_story_of_a_fallback_that_broke_has_it_once() -> None:
    """A target that stood in and then broke off is one attempt, under the way that led to it."""
    up = Double(ProviderUnreachable(provider="up", failure=Failure.CONNECT), name="up")
    other = Double(at_once(FRAMES[:3], CUT), streamed(openai_frames(POEM)), name="other")
    made = asked()
    running = house(up, other)
    running.recovery.policy = Policy(retries=1)
    _, text, _ = await answered(running, made)
    assert text == POEM
    assert made.story == "up/m first connect, other/m fallback truncated, other/m told ok"


FIVE, FIVE_MORE = (openai_frames(said)[:6] for said in ("one two three four five six", "AA BB CC DD EE FF"))
"""Five words each, and a cut."""
NOBODY = ProviderUnreachable(provider="c", failure=Failure.CONNECT)


def three(last: Reply | ProviderError) -> House:
    """Return an engine where two models break off after five words each; the third gives this reply."""
    return house(
        Double(streamed(FIVE, error=STALL)), Double(streamed(FIVE_MORE, error=STALL), name="b"), Double(last, name="c")
    )


async def test_all_that_was_delivered_is_billed() -> None:
    """What several models delivered before they broke counts, beside what the last one tells of its own part."""
    made = asked()
    await answered(three(streamed(openai_frames("end of it"))), made)
    assert made.story == "up/m first stall, b/m told stall, c/m told ok"
    assert made.usage is not None
    assert made.usage.output_tokens == 5 + 5 + 3


async def test_what_was_delivered_in_vain_is_billed() -> None:
    """Where no model could end the answer, all that came counts, whoever it came from; the role is an event too."""
    made = asked()
    stream, _, _ = await answered(three(NOBODY), made)
    assert stream.error is STALL
    assert made.usage is not None
    assert made.usage.output_tokens == 1 + 5 + 5


async def test_a_rest_without_usage_is_billed_with_it() -> None:
    """Where the model that gave the rest tells no usage, what it delivered counts as well."""
    frames = anthropic_frames("one two three four five six")
    up = Double(streamed(frames[:6], error=CUT), dialects=ANTHROPIC)
    other = Double(streamed(openai_frames("AA BB CC DD EE", usage=False)), name="b")
    made = exchange({**MESSAGE, "stream": True}, dialect=Dialect.ANTHROPIC_MESSAGES)
    running = house(up, other)
    running.recovery.policy = Policy(retries=0)
    _, text, _ = await answered(running, made)
    assert made.usage is not None
    assert made.usage.estimated
    assert made.usage.output_tokens >= len(text.split())


HEADLESS = streamed(openai_frames("x", model="another")[:1], error=STALL)
"""A stream that says who speaks, and nothing else."""


@pytest.mark.parametrize("last", [NOBODY, HEADLESS, whole(b"no")])
async def test_a_lost_stream_is_booked_on_who_delivered_last(last: Reply | ProviderError) -> None:
    """A model that was asked for the rest and sent none of it is neither logged nor counted as the one that served."""
    running, made = three(last), asked()
    await answered(running, made)
    (line,) = running.lines
    assert (line.model, line.model_answered, len(made.attempts)) == ("b/m", "gpt-test", 3)
    assert 'narthex_requests_total{operation="chat",model="b/m"' in running.metrics.render()


async def test_what_a_model_could_not_carry_is_told_of_who_served() -> None:
    """Settings that only a model in vain had to drop were not dropped."""
    other = Double(NOBODY, name="b", dialects=ANTHROPIC)
    running, made = (
        house(Double(streamed(FRAMES[:4], error=STALL)), other),
        exchange({**CHAT, "stream": True, "seed": 7}),
    )
    await answered(running, made)
    assert len(other.calls) == 1
    assert (made.target and made.target.name, made.dropped) == ("up/m", ())


async def helped(running: House, made: Exchange) -> Stream:
    """Return a stream whose rest is just awaited."""
    stream = await running.engine.handle(made)
    for _ in range(20):
        await asyncio.sleep(0)
    return stream


async def test_who_leaves_before_help_has_come_is_served_by_the_first() -> None:
    """A caller who leaves while another model is asked was served by the one that broke."""
    other = Double(streamed(FRAMES[:1], hold=True), name="b")
    running = house(Double(streamed(FRAMES[:4], error=STALL)), other)
    stream = await helped(running, asked())
    stream.cancel()
    await running.settled()
    assert len(other.calls) == 1
    assert [line.model for line in running.lines] == ["up/m"]


async def test_who_helps_is_busy() -> None:
    """While another model gives the rest the call is in flight there, not at the one that broke; it ends once."""
    running = house(Double(streamed(FRAMES[:4], error=STALL)), Double(streamed(FRAMES[:3], hold=True), name="b"))
    figures = running.recovery.figures = Figures(time.monotonic)
    for name in ("up/m", "b/m"):
        # Of another call, which goes on.
        figures.begin(name)
    stream = await helped(running, asked())
    assert (figures.in_flight("up/m"), figures.in_flight("b/m")) == (1, 2)
    stream.cancel()
    await running.settled()
    assert (figures.in_flight("up/m"), figures.in_flight("b/m")) == (1, 1)


@pytest.mark.parametrize("taken_out", [False, True])
async def test_a_helper_without_a_place_is_told_of(taken_out: bool) -> None:
    """One that has no place in time, or is taken out of service meanwhile, is an attempt like any other."""
    spare, other = Double(streamed(openai_frames(POEM)), name="c"), Double(name="b")
    running, made = house(Double(streamed(FRAMES[:4], error=STALL)), other, spare), asked()
    running.recovery.places = Places(LimitPolicy(maximum=1, queue_timeout_s=1_000 if taken_out else 0.01))
    held = running.recovery.places.of("b/m").try_acquire()
    assert held is not None
    stream = await helped(running, made)
    if taken_out:
        running.recovery.board.force("b/m", BreakerState.FORCED_OPEN)
        held.release()
    await read(stream)
    assert made.story == "up/m first stall, b/m told overloaded, c/m told ok"
    assert other.calls == []
