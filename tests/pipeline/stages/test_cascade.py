"""The members of a cascade are asked in order until an answer passes, and everything that was asked is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from narthex.errors import Failure, InvalidRequest, NarthexError, ProviderError, ProviderRejected, TruncatedAnswer
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.rescue import Mode
from narthex.pipeline.stages import cascade
from narthex.pipeline.stages.attempt import Attempt
from narthex.pipeline.stages.cascade import Cascade
from narthex.providers.contract import Call, Reply, StreamReply, WholeReply
from narthex.routing.cascades import AnswerCheck
from narthex.routing.figures import Figures
from narthex.routing.virtual import Member, VirtualModel
from narthex.testing.wires import anthropic_answer, openai_answer, openai_frames
from narthex.types.dialects import Dialect
from narthex.types.events import Finished, TextDelta
from tests.pipeline.doubles import ANTHROPIC, CHAT, MESSAGE, OPENAI, Double, House, exchange, read, streamed, whole

GOOD, BAD = '{"a": 1}', "no JSON"
DOWN = ProviderError("down", provider="x", failure=Failure.CONNECT, retryable=True)


def answer(text: str) -> WholeReply:
    """Return a whole answer of OpenAI's dialect."""
    return whole(openai_answer(text))


def stream(text: str, **more: object) -> StreamReply:
    """Return a streamed answer of OpenAI's dialect."""
    return streamed(openai_frames(text, **more))  # type: ignore[arg-type]  # passed on


def house(
    *replies: tuple[Reply | NarthexError, ...],
    check: AnswerCheck | None = None,
    dialects: tuple[frozenset[Dialect], ...] = (),
    rescue: Mode = "off",
) -> tuple[House, list[Double]]:
    """Return an engine with one cascade `thrifty`, and its members `a/m`, `b/m` and so on, which give these replies."""
    doubles = [
        Double(*given, name=name, dialects=spoken)
        for name, given, spoken in zip("abc", replies, dialects or (OPENAI,) * 3, strict=False)
    ]
    model = VirtualModel(
        name="thrifty",
        members=tuple(Member(model=f"{double.name}/m") for double in doubles),
        strategy="cascade",
        check=check or AnswerCheck(is_json=True),
    )
    engine = House(*doubles, virtual=[model])
    engine.stage(Attempt)._rescue.mode = rescue
    return engine, doubles


def call(**more: object) -> Exchange:
    """Return a call for the cascade."""
    return exchange({**CHAT, "model": "thrifty", **more})


def asked(doubles: list[Double]) -> list[int]:
    """Return how often each member was asked."""
    return [len(double.calls) for double in doubles]


def usage_of(body: bytes) -> tuple[int, int]:
    """Return the tokens that an answer tells."""
    usage: Mapping[str, int] = json.loads(body)["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


async def test_an_answer_that_passes_is_given_as_it_is() -> None:
    """The first answer passes byte for byte, whole or streamed, and only a header tells that it was checked."""
    given = answer(GOOD)
    engine, doubles = house((given, stream(GOOD)), (answer(GOOD),))
    one = call()
    assert (await engine.engine.handle(one)).body == given.body
    assert (one.story, one.told) == ("", (("x-narthex-check", "passed"),))
    two = call(stream=True, stream_options={"include_usage": True})
    frames = await read(await engine.engine.handle(two))
    assert frames == openai_frames(GOOD)
    assert asked(doubles) == [2, 0]
    assert two.first_frame_at >= two.received_at


async def test_the_next_member_is_asked_when_an_answer_does_not_pass() -> None:
    """The story tells each of them, the header who answered, and the usage is that of all."""
    engine, doubles = house((answer(BAD),), (answer("also none"),), (answer(GOOD),))
    one = call()
    body = (await engine.engine.handle(one)).body
    assert json.loads(body)["choices"][0]["message"]["content"] == GOOD
    assert one.story == "a/m first not_json, b/m cascade not_json, c/m cascade ok"
    assert one.target is not None
    assert one.target.name == "c/m"
    assert one.told == (("x-narthex-check", "passed"),)
    assert asked(doubles) == [1, 1, 1]
    tokens = [usage_of(openai_answer(text)) for text in (BAD, "also none", GOOD)]
    total = (sum(read for read, _ in tokens), sum(written for _, written in tokens))
    assert usage_of(body) == total
    (line,) = engine.lines
    assert (line.input_tokens, line.output_tokens) == total
    assert (line.model, line.rescued) == ("c/m", None)
    assert one.plan is not None
    assert [candidate.name for candidate in one.plan.candidates] == ["a/m", "b/m", "c/m"]


@pytest.mark.parametrize("dialect", [Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES])
async def test_a_stream_is_held_back(dialect: Dialect) -> None:
    """Nothing is delivered of a stream that does not pass, and the end of the one that does tells of the others."""
    engine, _ = house((stream(BAD),), (stream(GOOD),))
    one = exchange({**MESSAGE, "model": "thrifty", "stream": True}, dialect=dialect)
    events = await read(await engine.engine.handle(one))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == GOOD
    (finished,) = [event for event in events if isinstance(event, Finished)]
    assert finished.told == {"cascade": 2, "model": "b/m", "check": "passed"}
    assert one.story == "a/m first not_json, b/m cascade ok"
    assert one.usage is not None
    assert not one.usage.estimated


async def test_members_may_speak_different_dialects() -> None:
    """An answer in another dialect is read, checked and translated as any other."""
    engine, _ = house((answer(BAD),), (whole(anthropic_answer(GOOD)),), dialects=(OPENAI, ANTHROPIC))
    body = (await engine.engine.handle(call())).body
    assert json.loads(body)["choices"][0]["message"]["content"] == GOOD


@pytest.mark.parametrize("streaming", [False, True])
async def test_the_last_answer_is_given_whatever_the_check_says(*, streaming: bool) -> None:
    """It is marked in the header, in the story and at the end of a stream."""
    replies = (stream(BAD), stream("also none")) if streaming else (answer(BAD), answer("also none"))
    engine, _ = house((replies[0],), (replies[1],))
    one = call(stream=streaming)
    given = await engine.engine.handle(one)
    if streaming:
        finished = [event for event in await read(given) if isinstance(event, Finished)]
        assert finished[0].told == {"cascade": 2, "model": "b/m", "check": "not_json"}
    else:
        assert b"also none" in given.body
    assert one.told == (("x-narthex-check", "not_json"),)
    assert one.story == "a/m first not_json, b/m cascade not_json"
    assert list(engine.cascades.lines())[2:] == [
        'narthex_cascade_answers_total{virtual="thrifty",model="a/m",check="not_json"} 1',
        'narthex_cascade_answers_total{virtual="thrifty",model="b/m",check="not_json"} 1',
    ]


async def test_failures_follow_the_ordinary_recovery() -> None:
    """A member that fails leaves the call to the next, whose answer is checked; those before are not asked again."""
    engine, doubles = house((DOWN,), (answer(BAD),), (answer(GOOD),))
    one = call()
    await engine.engine.handle(one)
    assert one.story == "a/m first connect, b/m fallback not_json, c/m cascade ok"
    assert asked(doubles) == [1, 1, 1]
    engine, doubles = house((answer(BAD),), (DOWN,), (answer(GOOD),))
    one = call()
    await engine.engine.handle(one)
    assert one.story == "a/m first not_json, b/m cascade connect, c/m fallback ok"
    assert asked(doubles) == [1, 1, 1]


async def test_an_answer_that_did_not_pass_is_better_than_none() -> None:
    """Where everybody behind it fails, it is given, and marked as what it is; what fails alone is told."""
    engine, _ = house((answer(BAD),), (DOWN,))
    one = call()
    body = (await engine.engine.handle(one)).body
    assert BAD in body.decode()
    assert one.target is not None
    assert one.target.name == "a/m"
    assert one.told == (("x-narthex-check", "not_json"),)
    assert one.story == "a/m first not_json, b/m cascade connect"
    engine, _ = house((DOWN,), (DOWN,))
    with pytest.raises(ProviderError):
        await engine.engine.handle(call())


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_answer_that_was_kept_is_told_whole(*, streaming: bool) -> None:
    """The log names the model in its provider's words, as for any other answer."""
    engine, _ = house((stream(BAD) if streaming else answer(BAD),), (DOWN,))
    await read(await engine.engine.handle(call(stream=streaming)))
    (line,) = engine.lines
    assert (line.model, line.model_answered) == ("a/m", "gpt-test")


async def test_a_wrong_request_goes_no_further() -> None:
    """What the first member refuses as wrong is told, and nobody else is asked."""
    wrong = ProviderRejected("no", provider="a", failure=Failure.INVALID_REQUEST)
    engine, doubles = house((wrong,), (answer(GOOD),))
    with pytest.raises(ProviderRejected):
        await engine.engine.handle(call())
    assert asked(doubles) == [1, 0]


async def test_a_stream_that_breaks_while_it_is_held_is_no_answer() -> None:
    """Nothing of it was delivered, so the next member is asked; if there is none, the error is told as one."""
    cut = {"finish": None, "done": False}
    engine, _ = house((stream(GOOD, **cut),), (stream(GOOD),))
    one = call(stream=True)
    events = await read(await engine.engine.handle(one))
    assert any(isinstance(event, Finished) for event in events)
    assert one.story == "a/m first truncated, b/m cascade ok"
    engine, _ = house((stream(GOOD, **cut),), (stream(GOOD, **cut),))
    two = call(stream=True)
    with pytest.raises(TruncatedAnswer):
        await engine.engine.handle(two)
    assert two.usage is not None
    assert two.usage.estimated
    assert engine.metrics.active == 0


async def test_a_stream_that_is_rescued_while_it_is_held_is_checked_whole() -> None:
    """What was continued elsewhere passes, or not, as one answer, and counts for who ended it."""
    engine, _ = house((stream('{"a": 1', finish=None, done=False),), (stream(GOOD),), rescue="continue")
    one = call(stream=True)
    frames = await read(await engine.engine.handle(one))
    assert b'"rescued":"told"' in b"".join(frame for frame in frames if isinstance(frame, bytes))
    assert one.story == "a/m first truncated, b/m told ok"
    assert one.told == (("x-narthex-check", "passed"),)


async def test_what_counts_targets_hears_of_every_stream() -> None:
    """No call stays in flight at a target whose answer was set aside, and its breaker counts it as one that served."""
    engine, _ = house((stream(BAD),), (stream(GOOD),))
    figures = engine.recovery.figures = Figures(asyncio.get_running_loop().time)
    await read(await engine.engine.handle(call(stream=True)))
    await engine.settled()
    assert (figures.in_flight("a/m"), figures.in_flight("b/m")) == (0, 0)
    assert engine.recovery.board.breaker("a/m").available()


async def test_a_caller_who_leaves_ends_what_is_held() -> None:
    """The call upstream ends, and what was consumed so far is settled."""
    endless, held = streamed(openai_frames(GOOD)[:3], hold=True), asyncio.Event()
    engine, _ = house((stream(BAD),), (endless,))
    one = call(stream=True)
    waiting = asyncio.ensure_future(engine.engine.handle(one))
    asyncio.get_running_loop().call_later(0.05, held.set)
    await held.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await engine.settled()
    assert len(engine.tasks) == 0
    (line,) = engine.lines
    assert (line.code, line.estimated) == ("cancelled", True)
    assert one.usage is not None
    first = usage_of(openai_answer(BAD))
    assert one.usage.input_tokens > first[0]


async def test_a_stream_too_large_to_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not pass; of the last member it is given as it comes."""
    monkeypatch.setattr(cascade, "MAX_HELD_BYTES", 2_000)
    long = "word " * 400
    engine, _ = house((stream(long),), (stream(long),))
    one = call(stream=True)
    frames = await read(await engine.engine.handle(one))
    assert b"".join(frame for frame in frames if isinstance(frame, bytes)).count(b"word") >= 400
    assert one.story == "a/m first too_large, b/m cascade too_large"
    assert one.told == (("x-narthex-check", "too_large"),)
    await engine.settled()


async def test_the_prompt_of_a_call_whose_caller_leaves_before_any_answer_is_on_the_bill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its provider may bill what was sent: that is told as an estimate, and not that nothing was consumed."""
    engine, doubles = house((answer(GOOD),), (answer(GOOD),))
    asked_first = asyncio.Event()

    async def never(_call: Call) -> Reply:
        asked_first.set()
        await asyncio.Event().wait()
        raise DOWN

    monkeypatch.setattr(doubles[0], "send", never)
    waiting = asyncio.ensure_future(engine.engine.handle(call()))
    await asked_first.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    (line,) = engine.lines
    assert (line.code, line.input_tokens, line.output_tokens, line.estimated) == ("cancelled", 17, 0, True)


@pytest.mark.parametrize("cut", [False, True])
async def test_the_bill_of_a_stream_too_large_names_all_answers(monkeypatch: pytest.MonkeyPatch, *, cut: bool) -> None:
    """The answers before the last are on it as well, whether that one comes to its end or breaks."""
    monkeypatch.setattr(cascade, "MAX_HELD_BYTES", 2_000)
    long = openai_frames("word " * 400)
    engine, _ = house((stream(BAD),), (streamed(long[:-9] if cut else long, error=DOWN if cut else None),))
    one = call(stream=True, stream_options={"include_usage": True})
    await read(await engine.engine.handle(one))
    (line,) = engine.lines
    first, last = usage_of(openai_answer(BAD)), usage_of(openai_answer("word " * 400))
    written = 0 if line.output_tokens is None else line.output_tokens - first[1]
    assert line.estimated == cut
    if cut:
        assert line.input_tokens == first[0] + len(one.body) // 4
        assert 0.9 * last[1] < written <= last[1]
    else:
        assert (line.input_tokens, written) == (first[0] + last[0], last[1])


async def test_no_member_is_asked_when_the_time_is_over() -> None:
    """The answer that there is, is given then."""
    engine, doubles = house((answer(BAD),), (answer(GOOD),))
    one = call()
    one.deadline = one.received_at - 1
    assert BAD in (await engine.engine.handle(one)).body.decode()
    assert asked(doubles) == [1, 0]


async def test_each_member_has_the_time_that_is_left() -> None:
    """All of them together have the time of one call."""
    engine, doubles = house((answer(BAD),), (answer(GOOD),))
    one = exchange({**CHAT, "model": "thrifty"}, headers={b"x-narthex-timeout": b"5"})
    await engine.engine.handle(one)
    assert 0 < doubles[1].calls[0].timeouts.total_s < 5


async def test_members_that_are_down_are_no_steps() -> None:
    """The last resort of a cascade is not better than its best member: it is asked only if nobody else answers."""
    engine, doubles = house((answer(GOOD),), (answer(BAD),), (answer("none"),))
    engine.router._balancers["thrifty"]._available = lambda name: name != "a/m"
    one = call()
    assert "none" in (await engine.engine.handle(one)).body.decode()
    assert asked(doubles) == [0, 1, 1]
    assert one.story == "b/m first not_json, c/m cascade not_json"


async def test_an_answer_that_cannot_be_read_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever passes through a scan but not through the reader leads to the next member."""
    monkeypatch.setattr(cascade, "read_whole", lambda _stream: None)
    engine, _ = house((answer(GOOD),), (answer(GOOD),))
    one = call()
    assert GOOD in json.loads((await engine.engine.handle(one)).body)["choices"][0]["message"]["content"]
    assert one.story == "a/m first unreadable, b/m cascade unreadable"


async def test_long_answers_are_checked_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a length on, a thread does it."""
    monkeypatch.setattr(cascade, "LONG_BYTES", 10)
    engine, _ = house((answer(BAD),), (answer(GOOD),))
    one = call()
    await engine.engine.handle(one)
    assert one.story == "a/m first not_json, b/m cascade ok"


async def test_a_request_that_cannot_be_read_is_not_held_against_its_answer() -> None:
    """What passes through to a provider that understands it is checked without it."""
    check = AnswerCheck(request_schema=True, is_json=True)
    engine, _ = house((answer(GOOD),), (answer(GOOD),), check=check)
    one = call(messages="strange")
    with pytest.raises(InvalidRequest):
        one.chat_request()
    await engine.engine.handle(one)
    assert one.told == (("x-narthex-check", "passed"),)


async def test_other_calls_go_straight_through() -> None:
    """A call that is for no cascade does not even get a coroutine of its own."""
    engine, _ = house((answer(GOOD),), (answer(GOOD),))
    waiting = asyncio.get_running_loop().create_future()
    assert engine.stage(Cascade)(exchange({**CHAT, "model": "a/m"}), lambda _exchange: waiting) is waiting
