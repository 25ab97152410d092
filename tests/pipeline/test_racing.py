"""Of two attempts that run beside each other one is the call's, and of the other nothing is left but its account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from narthex.errors import (
    Cancelled,
    Failure,
    InternalError,
    NarthexError,
    ProviderRejected,
    ProviderUnreachable,
)
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.attempt import Attempt
from narthex.providers.catalog import Target
from narthex.providers.contract import Reply
from narthex.resilience.concurrency import LimitPolicy
from narthex.resilience.decisions import Policy
from narthex.resilience.hedges import HedgeEnd
from narthex.resilience.places import Places
from narthex.resilience.recovery import Way
from narthex.streams.stream import Stream
from narthex.testing.wires import openai_frames
from narthex.types.dialects import Dialect
from narthex.types.events import TextDelta
from narthex.wire.registry import CHAT_WIRES
from tests.pipeline.doubles import CHAT, Double, at_once, exchange, read, streamed
from tests.pipeline.hedged import BUSY, DOWN, FIRST, GONE, SECOND, STREAM, USUAL_S, Deaf, Hedged, Held, never, story


async def test_the_quicker_of_two_answers() -> None:
    """A second model is asked when the first is late; its answer is the call's, and the first is let go, unblamed."""
    up, other = Held(), Double(SECOND, name="b")
    running = Hedged(up, other)
    made = exchange(CHAT)
    answer = await running.engine.handle(made)
    assert b"From the second." in answer.body
    assert story(made) == [("up/m", "first", "cancelled"), ("b/m", "hedge", None)]
    assert (made.target and made.target.name, made.answer) == ("b/m", answer)
    assert running.late.waits == [pytest.approx(USUAL_S, rel=0.06)]
    await running.turns()
    assert (up.left, running.ends, running.nothing_is_left()) == (1, {HedgeEnd.WON: 1}, True)


async def test_a_quick_first_attempt_is_all_there_is() -> None:
    """In time, nobody else is asked, and there is no story to tell."""
    up, other = Double(FIRST), Double(name="b")
    running = Hedged(up, other)
    made = exchange(CHAT)
    assert b"From the first." in (await running.engine.handle(made)).body
    assert (made.attempts, other.calls, running.hedger.counters.begun) == ((), [], 0)
    await running.turns()
    assert running.nothing_is_left()


async def test_the_first_may_still_win() -> None:
    """Late as it is, the first attempt answers before the second: that is let go, and told."""
    up, other = Held(FIRST), Held(name="b")
    running = Hedged(up, other)
    made = exchange(CHAT)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    assert len(other.calls) == 1
    up.gate.set()
    assert b"From the first." in (await call).body
    assert story(made) == [("up/m", "first", None), ("b/m", "hedge", "cancelled")]
    await running.turns()
    assert (other.left, running.ends, running.nothing_is_left()) == (1, {HedgeEnd.LOST: 1}, True)
    line = running.lines[0]
    assert (line.model, line.rescued, len(line.attempts)) == ("up/m", None, 2)


async def test_what_was_let_go_is_accounted() -> None:
    """The prompt that the loser's provider has read stands in the log and in the metrics, as an estimate."""
    running = Hedged(Held(), Double(SECOND, name="b"))
    made = exchange(CHAT)
    await running.engine.handle(made)
    tokens = len(made.body) // 4
    assert [one.input_tokens for one in made.attempts] == [tokens, 0]
    assert [one.input_tokens for one in running.lines[0].attempts] == [tokens, 0]
    lines = list(running.hedger.counters.lines())
    assert f'narthex_hedge_input_tokens_total{{model="up/m"}} {tokens}' in lines
    assert made.usage is not None
    assert running.lines[0].input_tokens == made.usage.input_tokens


@pytest.mark.parametrize("streaming", [False, True])
async def test_two_answers_at_once_are_one(streaming: bool) -> None:
    """Where both answer in the same moment the first counts, and the other's answer is ended."""
    replies = [streamed(openai_frames(text)[:2], hold=True) for text in ("Mine.", "Other.")]
    first, second = replies if streaming else (FIRST, SECOND)
    up, other = Held(first), Held(second, name="b")
    running = Hedged(up, other)
    made = exchange(STREAM if streaming else CHAT)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    up.gate.set()
    other.gate.set()
    answer = await call
    assert (made.target and made.target.name) == "up/m"
    await running.turns()
    assert running.figures.in_flight("b/m") == 0
    assert len(running.tasks) == (1 if streaming else 0)
    answer.cancel()


@pytest.mark.parametrize("reply", [streamed(openai_frames("Late."), hold=True), DOWN])
async def test_an_attempt_that_goes_on_although_it_was_let_go_is_ended(reply: Reply | NarthexError) -> None:
    """However it ends then, no answer is left running, and nothing is counted as in flight."""
    running = Hedged(Deaf(reply), Double(streamed(openai_frames("Hello.")), name="b"))
    made = exchange(STREAM)
    await read(await running.engine.handle(made))
    await running.turns()
    assert (made.target and made.target.name, running.figures.in_flight("up/m"), len(running.tasks)) == ("b/m", 0, 0)


async def test_both_in_vain() -> None:
    """When both have failed, recovery goes on as ever; who may be asked again is."""
    up, other, third = Held(GONE), Held(BUSY, SECOND, name="b"), Double(name="c")
    running = Hedged(up, other, third)
    made = exchange(CHAT)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    up.gate.set()
    await running.turns()
    assert not call.done()
    other.gate.set()
    assert b"From the second." in (await call).body
    failures = [("up/m", "first", "connect"), ("b/m", "hedge", "overloaded"), ("b/m", "retry", None)]
    assert (story(made), third.calls, running.ends) == (failures, [], {HedgeEnd.FAILED: 1})


async def test_a_first_attempt_worth_a_retry_is_made_again() -> None:
    """After both have failed the first target is asked again if that can help, then who was asked beside it."""
    up, other = Held(DOWN, DOWN), Held(BUSY, SECOND, name="b")
    running = Hedged(up, other)
    made = exchange(CHAT)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    up.gate.set()
    other.gate.set()
    assert b"From the second." in (await call).body
    assert [one[:2] for one in story(made)] == [
        ("up/m", "first"),
        ("b/m", "hedge"),
        ("up/m", "retry"),
        ("b/m", "fallback"),
    ]


async def test_who_cannot_help_is_not_asked_again() -> None:
    """A second model that failed for good is passed over by the fallbacks."""
    up, other, third = Held(GONE), Held(GONE, SECOND, name="b"), Double(SECOND, name="c")
    running = Hedged(up, other, third)
    made = exchange(CHAT)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    up.gate.set()
    other.gate.set()
    await call
    assert [one[:2] for one in story(made)] == [("up/m", "first"), ("b/m", "hedge"), ("c/m", "fallback")]


async def test_a_hedge_that_fails_changes_nothing() -> None:
    """The first attempt goes on, and its answer is the call's."""
    up, other = Held(FIRST), Double(BUSY, name="b")
    running = Hedged(up, other)
    made = exchange(CHAT)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    assert not call.done()
    up.gate.set()
    assert b"From the first." in (await call).body
    assert story(made) == [("up/m", "first", None), ("b/m", "hedge", "overloaded")]
    assert running.ends == {HedgeEnd.FAILED: 1}


async def test_a_hedge_is_waited_for_when_the_first_fails() -> None:
    """Its answer rescues the call, and no retry is made meanwhile."""
    up, other = Held(DOWN), Held(SECOND, name="b")
    running = Hedged(up, other)
    made = exchange(CHAT)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    up.gate.set()
    await running.turns()
    other.gate.set()
    assert b"From the second." in (await call).body
    assert story(made) == [("up/m", "first", "upstream_error"), ("b/m", "hedge", None)]
    assert (running.ends, running.pauses, running.lines[0].rescued) == ({HedgeEnd.WON: 1}, [], "hedge")
    assert running.recovery.counters.snapshot()[0].by_way == {Way.HEDGE: 1}


@pytest.mark.parametrize("failure", [Failure.CONTENT_FILTERED, Failure.INVALID_REQUEST])
async def test_the_truth_is_told_at_once(failure: Failure) -> None:
    """What the first says of the request holds: a second model is no way around it."""
    up, other = Held(ProviderRejected(provider="up", failure=failure)), Held(SECOND, name="b")
    running = Hedged(up, other)
    made = exchange(CHAT)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    up.gate.set()
    with pytest.raises(ProviderRejected):
        await call
    await running.turns()
    assert story(made) == [("up/m", "first", failure), ("b/m", "hedge", "cancelled")]
    assert (other.left, running.ends, running.nothing_is_left()) == (1, {HedgeEnd.DROPPED: 1}, True)


async def test_what_was_filtered_goes_elsewhere_if_that_is_asked_for() -> None:
    """Then the second attempt is no more let go than a fallback would be."""
    up = Held(ProviderRejected(provider="up", failure=Failure.CONTENT_FILTERED))
    running = Hedged(up, other := Held(SECOND, name="b"))
    running.recovery.policy = Policy(retries=1, filtered_elsewhere=True)
    call = asyncio.ensure_future(running.engine.handle(exchange(CHAT)))
    await running.turns()
    up.gate.set()
    await running.turns()
    other.gate.set()
    assert b"From the second." in (await call).body


async def test_what_was_never_sent_is_not_accounted() -> None:
    """The first answers in the very turn in which a second attempt is begun: nothing of that was sent, or cost."""
    up, other = Held(FIRST), Double(name="b")
    running = Hedged(up, other)

    def late(seconds: float, call: Callable[[], None]) -> asyncio.Future[None]:
        async def pass_by() -> None:
            await running.turns()
            running.clock.set(running.clock() + seconds)
            call()
            up.gate.set()

        return asyncio.ensure_future(pass_by())

    running.hedger.later = late
    made = exchange(CHAT)
    await running.engine.handle(made)
    assert (len(other.calls), story(made)[1]) == (0, ("b/m", "hedge", "cancelled"))
    assert [one.input_tokens for one in made.attempts] == [0, 0]


async def test_a_caller_who_leaves_ends_both() -> None:
    """Neither attempt goes on for nobody, and what the second has cost is counted."""
    up, other = Held(), Held(name="b")
    running = Hedged(up, other)
    made = exchange(CHAT)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await running.turns()
    assert (up.left, other.left, running.ends, running.nothing_is_left()) == (1, 1, {HedgeEnd.DROPPED: 1}, True)
    assert running.lines[0].code == "cancelled"
    lines = [line for line in running.hedger.counters.lines() if line.startswith("narthex_hedge_input_tokens")]
    assert lines == [f'narthex_hedge_input_tokens_total{{model="b/m"}} {len(made.body) // 4}']


async def test_a_caller_may_leave_before_anything_is_late() -> None:
    """The one attempt there is ends, and no second one begins."""
    up = Held()
    running = Hedged(up, Double(name="b"))
    running.hedger.later = never
    call = asyncio.ensure_future(running.engine.handle(exchange(CHAT)))
    await running.turns()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await running.turns()
    assert (up.left, running.ends, running.nothing_is_left()) == (1, {}, True)


async def test_a_caller_may_leave_as_the_answer_comes() -> None:
    """Then the answer is ended, and its books are kept once."""
    running = Hedged(Double(), Double(name="b"))
    ended: list[str] = []

    async def attempt(made: Exchange, _target: Target) -> None:
        made.answer = Stream(None)
        made.answer.cancel = lambda: ended.append("ended")
        call.cancel()

    made = exchange(STREAM)
    made.target = running.catalog.resolve("up/m")
    call = asyncio.ensure_future(running.recovery.carry(made, attempt))
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (ended, running.figures.in_flight("up/m")) == (["ended"], 1)
    assert made.watch is not None
    made.watch.settled(Cancelled())
    await running.turns()
    assert running.nothing_is_left()


async def test_a_winner_that_breaks_at_once_breaks_on_the_call() -> None:
    """However soon the winner's stream is cut, the story is told in order, and those behind the first are asked."""
    cut = ProviderUnreachable(provider="b", failure=Failure.STALL)
    other = Double(at_once(openai_frames("Hello there.")[:3], cut), name="b")
    third = Double(streamed(openai_frames("Hello there.")), name="c")
    running = Hedged(Held(), other, third)
    made = exchange(STREAM)
    answer = await running.engine.handle(made)
    await read(answer)
    assert answer.error is None
    ways = [("up/m", "first", "cancelled"), ("b/m", "hedge", "stall"), ("c/m", "told", None)]
    assert story(made) == ways


# -- streams -----------------------------------------------------------------------------------------------------------


async def test_a_stream_is_hedged_until_its_first_frame() -> None:
    """The quicker stream is read to its end; what it tells of its usage then is found on the call, and logged."""
    up, other = Double(streamed([], hold=True)), Double(streamed(openai_frames("Second.")), name="b")
    running = Hedged(up, other)
    made = exchange(STREAM)
    frames = await read(await running.engine.handle(made))
    assert b"Second." in b"".join(frame for frame in frames if isinstance(frame, bytes))
    await running.turns()
    assert (made.usage is not None, made.model_answered) == (True, "gpt-test")
    assert running.nothing_is_left()
    line = running.lines[0]
    assert (line.model, line.estimated, line.output_tokens) == ("b/m", False, made.usage and made.usage.output_tokens)


async def test_the_loser_writes_nothing_on_the_call() -> None:
    """What the first attempt still learns of its own answer is not taken for the winner's."""
    calls: list[Exchange] = []
    running = Hedged(Double(), Double(name="b"))

    async def attempt(call: Exchange, target: Target) -> None:
        calls.append(call)
        if target.name == "up/m":
            await asyncio.Event().wait()
        call.model_answered = "the second's"

    made = exchange(CHAT)
    made.read_head()
    made.target = running.catalog.resolve("up/m")
    await running.recovery.carry(made, attempt)
    first, second = calls
    first.model_answered, first.target = "the first's", None
    assert (made.model_answered, made.target.name) == ("the second's", "b/m")
    second.model_answered = "found out later"
    assert made.model_answered == "found out later"


async def test_a_stream_that_breaks_after_a_hedge_is_rescued() -> None:
    """The winner is cut in the middle: the model that was late goes on, and the caller reads one answer."""
    poem = "the owl and the pussycat went to sea"
    frames = openai_frames(poem)
    cut = ProviderUnreachable(provider="b", failure=Failure.STALL)
    up = Held(streamed(frames))
    running = Hedged(up, Double(streamed(frames[:4], error=cut), name="b"))
    running.fallbacks = ("up/m", "b/m")
    up.gate.clear()
    made = exchange(STREAM)
    answer = await running.engine.handle(made)
    up.gate.set()
    read_frames = await read(answer)
    events = (
        CHAT_WIRES[Dialect.OPENAI_CHAT].parser().feed(b"".join(one for one in read_frames if isinstance(one, bytes)))
    )
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == poem
    assert answer.error is None
    ways = [("up/m", "first", "cancelled"), ("b/m", "hedge", "stall"), ("up/m", "told", None)]
    assert (story(made), made.target and made.target.name) == (ways, "up/m")
    await running.turns()
    assert running.lines[0].rescued == "told"


async def test_a_late_first_stream_that_breaks_tells_so() -> None:
    """The attempt that had brought the answer is the one that failed, not the one that was let go."""
    cut = ProviderUnreachable(provider="up", failure=Failure.TRUNCATED)
    up, other = Held(streamed(openai_frames("Hello there.")[:3], error=cut)), Held(name="b")
    running = Hedged(up, other)
    running.stage(Attempt)._rescue.mode = "off"
    made = exchange(STREAM)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    up.gate.set()
    await read(await call)
    assert story(made) == [("up/m", "first", "truncated"), ("b/m", "hedge", "cancelled")]


# -- faults of this server ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["up/m", "b/m"])
async def test_an_attempt_that_breaks_is_a_failure(who: str, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours in one attempt is logged, and told to the caller only if it was the first."""
    running = Hedged(Double(), Double(name="b"))
    go_on = asyncio.Event()

    async def attempt(_call: Exchange, target: Target) -> None:
        if target.name == who:
            raise RuntimeError("a fault of ours")
        await go_on.wait()

    made = exchange(CHAT)
    made.target = running.catalog.resolve("up/m")
    call = asyncio.ensure_future(running.recovery.carry(made, attempt))
    await running.turns()
    go_on.set()
    if who == "up/m":
        with pytest.raises(InternalError):
            await call
    else:
        await call
    assert "a fault of ours" in caplog.text


async def test_a_fault_of_ours_leaves_the_other_attempt_alone() -> None:
    """It says nothing of the request: the second attempt under way may still answer."""
    running = Hedged(Double(), Double(name="b"))
    go_on = asyncio.Event()

    async def attempt(_call: Exchange, target: Target) -> None:
        await go_on.wait()
        if target.name == "up/m":
            raise RuntimeError("a fault of ours")
        await running.turns()

    made = exchange(CHAT)
    made.target = running.catalog.resolve("up/m")
    call = asyncio.ensure_future(running.recovery.carry(made, attempt))
    await running.turns()
    go_on.set()
    await call
    assert story(made) == [("up/m", "first", "internal_error"), ("b/m", "hedge", None)]


async def test_the_stop_of_the_server_ends_an_attempt() -> None:
    """An attempt that is ended from outside is told as one that was cancelled."""
    running = Hedged(Held(), Double(name="b"))
    running.hedger.later = never
    call = asyncio.ensure_future(running.engine.handle(exchange(CHAT)))
    await running.turns()
    await running.tasks.aclose()
    with pytest.raises(NarthexError) as raised:
        await call
    assert raised.value.code == "cancelled"


async def test_what_only_waited_for_a_place_is_not_accounted() -> None:
    """A first attempt that stood in line when it was let go has cost nothing, and stands there no longer."""
    up = Double()
    running = Hedged(up, Double(SECOND, name="b"))
    running.recovery.places = Places(LimitPolicy(adaptive=False, maximum=1))
    limit = running.recovery.places.of("up/m")
    held = limit.try_acquire()
    made = exchange(CHAT)
    assert b"From the second." in (await running.engine.handle(made)).body
    await running.turns()
    assert (up.calls, [one.input_tokens for one in made.attempts]) == ([], [0, 0])
    assert held is not None
    held.release()
    assert (limit.report().in_flight, limit.report().waiting, running.nothing_is_left()) == (0, 0, True)


async def test_who_has_no_place_is_not_asked_beside_another() -> None:
    """A second attempt does not stand in line: where all others are full there is none."""
    up, other = Held(FIRST), Double(name="b")
    running = Hedged(up, other)
    running.recovery.places = Places(LimitPolicy(adaptive=False, maximum=1))
    held = running.recovery.places.of("b/m").try_acquire()
    call = asyncio.ensure_future(running.engine.handle(exchange(CHAT)))
    await running.turns()
    up.gate.set()
    assert b"From the first." in (await call).body
    assert (other.calls, running.hedger.counters.begun, held is None) == ([], 0, False)
