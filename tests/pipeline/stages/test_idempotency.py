"""One key is one call: what repeats get, byte for byte, and what becomes of the call when its callers leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.config.settings import IdempotencySettings
from narthex.errors import (
    AnswerNotKept,
    Cancelled,
    DeadlineExceeded,
    Failure,
    IdempotencyConflict,
    InternalError,
    InvalidRequest,
    NarthexError,
    ProviderFailed,
    ProviderRejected,
    ProviderTimeout,
    TruncatedAnswer,
)
from narthex.pipeline.digests import LARGE_BYTES
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.idempotency import Idempotency
from narthex.streams.stream import HIGH_WATER_BYTES
from narthex.testing.wires import anthropic_frames, openai_answer, openai_frames
from narthex.types.dialects import Dialect
from tests.pipeline.doubles import ANTHROPIC, CHAT, Double, House, exchange, read, streamed, whole
from tests.pipeline.keyed import FRAMES, KEY, STREAM, Tap, bytes_of, call, turns


def outcomes(house: House) -> dict[str, int]:
    """Return how many calls ended how, by the metrics."""
    return {outcome: series.requests for (_, _, outcome), series in house.metrics._series.items()}


# -- repeats -----------------------------------------------------------------------------------------------------------


async def test_a_repeat_gets_the_same_whole_answer() -> None:
    """After a whole answer its key gives the same bytes, under an ID of the repeat's own, for nothing."""
    provider = Double(whole(openai_answer("Hello")))
    house = House(provider)
    first, again = call(CHAT), call(CHAT)
    body = (await house.engine.handle(first)).body
    assert (await house.engine.handle(again)).body == body
    assert len(provider.calls) == 1
    assert first.replays is None
    assert again.replays is not None
    assert again.target is first.target
    assert again.model_answered == first.model_answered
    assert again.id != first.id
    lines = house.lines
    assert [line.replayed for line in lines] == [False, True]
    assert (lines[1].input_tokens, lines[1].output_tokens, lines[1].status) == (0, 0, 200)
    assert lines[0].input_tokens
    assert outcomes(house) == {"ok": 1, "replayed": 1}
    assert house.metrics.failed == house.metrics.active == 0
    assert house.metrics.input_tokens == lines[0].input_tokens


@pytest.mark.parametrize("at", range(len(FRAMES) + 1))
async def test_a_repeat_that_comes_at_any_frame_gets_all_of_them(at: int) -> None:
    """Whenever a repeat comes, before the first frame, between two or after the last, it gets every byte."""
    tap = Tap()
    provider = Double(tap.reply)
    house = House(provider)
    first = asyncio.ensure_future(house.engine.handle(call()))
    await tap.give(*FRAMES[:at])
    repeat = asyncio.ensure_future(house.engine.handle(call()))
    await turns()
    await tap.end(at)
    assert await bytes_of(await first) == await bytes_of(await repeat) == b"".join(FRAMES)
    assert await bytes_of(await house.engine.handle(call())) == b"".join(FRAMES)
    assert len(provider.calls) == 1
    assert [line.code for line in house.lines] == ["ok"] * 3
    assert sorted(line.replayed for line in house.lines) == [False, True, True]


async def test_a_hundred_repeats_are_one_call() -> None:
    """A hundred calls at once under one key ask the provider once, and all get the same bytes."""
    tap = Tap()
    provider = Double(tap.reply)
    house = House(provider)
    calls = [asyncio.ensure_future(house.engine.handle(call())) for _ in range(100)]
    await turns()
    await tap.give(FRAMES[0])
    readers = [asyncio.ensure_future(bytes_of(await one)) for one in calls]
    await tap.end(1)
    assert {await reader for reader in readers} == {b"".join(FRAMES)}
    assert len(provider.calls) == 1
    assert outcomes(house) == {"ok": 1, "replayed": 99}
    assert house.metrics.output_tokens == sum(line.output_tokens or 0 for line in house.lines)
    assert house.metrics.active == 0
    assert {line.code for line in house.lines} == {"ok"}


async def test_a_translated_answer_is_repeated_as_it_was() -> None:
    """What had to be translated is the same for a repeat, event by event."""
    provider = Double(streamed(anthropic_frames("one two three")), name="up", dialects=ANTHROPIC)
    house = House(provider)
    frames = await read(await house.engine.handle(call()))
    again = call()
    assert await read(await house.engine.handle(again)) == frames
    assert again.replays is not None
    assert again.consumed == again.replays.usage
    assert again.usage is None
    assert again.consumed is not None
    assert again.consumed.output_tokens


async def test_without_a_key_every_call_is_a_call() -> None:
    """Calls without the header are not remembered, and neither is one where the header is not heeded."""
    provider = Double(*(whole(openai_answer("Hello")) for _ in range(4)))
    house = House(provider)
    for _ in range(2):
        await house.engine.handle(exchange(CHAT))
    house.stage(Idempotency).enabled = False
    for _ in range(2):
        await house.engine.handle(call(CHAT))
    assert len(provider.calls) == 4
    assert house.remembered.report().kept == 0


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 60), max_size=12),
    arrivals=st.lists(st.integers(0, 14), max_size=5),
    leavers=st.sets(st.integers(0, 4)),
    leaves_at=st.integers(0, 14),
)
def test_whoever_stays_gets_every_byte(
    sizes: Sequence[int], arrivals: Sequence[int], leavers: set[int], leaves_at: int
) -> None:
    """However the stream is cut, whenever repeats come and whoever leaves, all others get every byte of one call."""

    async def run() -> None:
        tap = Tap()
        house = House(provider := Double(tap.reply))
        pieces = cut(b"".join(FRAMES), sizes)

        async def follow() -> bytes:
            return await bytes_of(await house.engine.handle(call()))

        callers = [asyncio.ensure_future(follow())]
        for number in range(15):
            callers += [asyncio.ensure_future(follow()) for arrival in arrivals if arrival == number]
            await turns()
            for leaver in leavers if number == leaves_at else ():
                callers[min(leaver, len(callers) - 1)].cancel()
            await tap.give(*pieces[number : number + 1])
        await tap.give(None)
        for caller in callers:
            with suppress(asyncio.CancelledError):
                assert await caller == b"".join(FRAMES)
        assert await follow() == b"".join(FRAMES)
        assert len(provider.calls) == 1
        assert house.metrics.active == 0

    asyncio.run(run())


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut bytes into pieces of these sizes, and a last one."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in (*pieces, data) if piece]


# -- what a key stands for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        call({**STREAM, "temperature": 1}),
        call({**STREAM, "stream": False}),
        call(STREAM, x_narthex_tags="fast"),
        call(STREAM, x_narthex_conversation="c"),
        call(STREAM, anthropic_beta="b"),
        exchange(STREAM, dialect=Dialect.ANTHROPIC_MESSAGES, headers=KEY),
    ],
    ids=["body", "stream", "tags", "conversation", "beta", "route"],
)
async def test_another_request_under_the_key_is_refused(other: Exchange) -> None:
    """Another body, another route, or a header that changes the answer, is a conflict; nothing is asked."""
    provider = Double(streamed(FRAMES))
    house = House(provider)
    await read(await house.engine.handle(call()))
    with pytest.raises(IdempotencyConflict) as conflict:
        await house.engine.handle(other)
    assert conflict.value.status == 409
    assert len(provider.calls) == 1


async def test_what_leaves_the_answer_as_it_is_may_differ() -> None:
    """How long a call may take, and what an SDK says about its tries, is no part of the request."""
    provider = Double(streamed(FRAMES))
    house = House(provider)
    await read(await house.engine.handle(call(STREAM, x_stainless_retry_count="0")))
    again = call(STREAM, x_narthex_timeout="20", x_stainless_retry_count="1", traceparent="00-1-2-01")
    assert await bytes_of(await house.engine.handle(again)) == b"".join(FRAMES)
    assert len(provider.calls) == 1


async def test_callers_never_meet() -> None:
    """The same key of another caller is another call, with an answer of its own."""
    provider = Double(whole(openai_answer("for a")), whole(openai_answer("for b")))
    house = House(provider, keys=[("a", "secret-of-a"), ("b", "secret-of-b")])
    answers = [
        (await house.engine.handle(call(CHAT, authorization=f"Bearer secret-of-{name}"))).body for name in "abab"
    ]
    assert answers[0] == answers[2] != answers[1] == answers[3]
    assert len(provider.calls) == 2


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_that_is_none_is_refused(key: str) -> None:
    """An empty key, or one of more than 255 characters, is refused with the header's name."""
    with pytest.raises(InvalidRequest) as refused:
        await House(Double()).engine.handle(call(CHAT, idempotency_key=key))
    assert (refused.value.status, refused.value.param) == (400, "idempotency-key")


async def test_large_bodies_are_told_apart_too() -> None:
    """A body that is digested in a thread is one request as any other."""
    large = {**CHAT, "messages": [{"role": "user", "content": "x" * LARGE_BYTES}]}
    provider = Double(whole(openai_answer("Hello")))
    house = House(provider)
    await house.engine.handle(call(large))
    await house.engine.handle(call(large))
    with pytest.raises(IdempotencyConflict):
        await house.engine.handle(call({**large, "seed": 1}))
    assert len(provider.calls) == 1


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [ProviderFailed(provider="up"), ProviderRejected(provider="up")])
async def test_a_failed_call_is_not_remembered(failure: NarthexError) -> None:
    """Those who wait share the failure, each under its own ID; the next repeat is a new call."""
    provider = Double(failure, whole(openai_answer("Hello")))
    house = House(provider)
    calls = [call(CHAT) for _ in range(3)]
    told = await asyncio.gather(*(house.engine.handle(one) for one in calls), return_exceptions=True)
    assert [type(error) for error in told] == [type(failure)] * 3
    assert {error.request_id for error in told if isinstance(error, NarthexError)} == {one.id for one in calls}
    assert {error.attempts for error in told if isinstance(error, NarthexError)} == {calls[0].story}
    assert len(provider.calls) == 1
    await house.engine.handle(call(CHAT))
    assert len(provider.calls) == 2
    assert [line.replayed for line in house.lines] == [False] * 4


async def test_what_a_callers_own_limits_cost_is_its_own() -> None:
    """Out of the time that only the first asked for, the call fails for it alone: one who waits has it made anew."""
    provider = Double(ProviderTimeout(provider="up", failure=Failure.DEADLINE), whole(openai_answer("Hello")))
    house = House(provider)
    calls = [call(CHAT, x_narthex_timeout="30"), call(CHAT), call(CHAT)]
    told = await asyncio.gather(*(house.engine.handle(one) for one in calls), return_exceptions=True)
    assert [isinstance(one, ProviderTimeout) for one in told] == [True, False, False]
    assert len(provider.calls) == 2


async def test_a_stream_that_breaks_is_not_remembered() -> None:
    """Whoever reads hears of the break in what it reads; the next repeat is a new call."""
    tap = Tap()
    house = House(Double(tap.reply, streamed(FRAMES)))
    calls = [asyncio.ensure_future(house.engine.handle(call())) for _ in range(2)]
    await tap.give(*FRAMES[:2], None)
    for one in calls:
        answer = await one
        assert await bytes_of(answer) == b"".join(FRAMES[:2])
        assert isinstance(answer.error, TruncatedAnswer)
    assert await bytes_of(await house.engine.handle(call())) == b"".join(FRAMES)


async def test_a_fault_of_ours_is_told_as_one() -> None:
    """A bug on the way is an internal error for the first caller, with its line, and a new try for the next."""
    provider = Double()
    house = House(provider)
    with pytest.raises(InternalError):
        await house.engine.handle(call(CHAT))
    provider._replies.append(whole(openai_answer("Hello")))
    await house.engine.handle(call(CHAT))
    assert [line.code for line in house.lines] == ["internal_error", "ok"]


# -- leaving -----------------------------------------------------------------------------------------------------------


async def test_a_call_goes_on_without_its_caller() -> None:
    """The first caller leaves midway, with nobody else there: the call goes on, and is settled once, at its end."""
    tap = Tap()
    provider = Double(tap.reply)
    house = House(provider)
    answer = await asyncio.gather(house.engine.handle(call()), tap.give(FRAMES[0]))
    reader = answer[0].reader()
    assert reader.take() == FRAMES[:1]
    reader.leave()
    await tap.end(1)
    assert "cancelled" not in tap.notes
    assert await bytes_of(await house.engine.handle(call())) == b"".join(FRAMES)
    assert len(provider.calls) == 1
    assert [(line.code, line.replayed) for line in house.lines] == [("ok", False), ("ok", True)]
    assert house.lines[0].output_tokens


async def test_a_call_goes_on_whose_caller_left_before_the_answer() -> None:
    """The first caller leaves while the provider is silent: the call goes on, and is settled when it ends."""
    tap = Tap()
    provider = Double(tap.reply)
    house = House(provider)
    first = asyncio.ensure_future(house.engine.handle(call()))
    await turns()
    first.cancel()
    await turns()
    assert first.cancelled()
    assert house.lines == []
    assert house.metrics.active == 1
    await tap.end()
    assert [(line.code, line.replayed) for line in house.lines] == [("ok", False)]
    assert house.metrics.active == 0
    assert await bytes_of(await house.engine.handle(call())) == b"".join(FRAMES)


async def test_a_call_whose_caller_left_may_still_fail() -> None:
    """A failure that nobody hears of is settled all the same, and not remembered."""
    provider = Double(ProviderFailed(provider="up"), whole(openai_answer("Hello")))
    house = House(provider)
    first = asyncio.ensure_future(house.engine.handle(call(CHAT)))
    await asyncio.sleep(0)
    first.cancel()
    await turns()
    assert first.cancelled()
    assert [line.code for line in house.lines] == ["provider_failed"]
    await house.engine.handle(call(CHAT))


async def test_a_repeat_that_leaves_disturbs_nobody() -> None:
    """A repeat that leaves has its own line, as one who left; the first goes on."""
    tap = Tap()
    house = House(Double(tap.reply))
    first, repeat = (asyncio.ensure_future(house.engine.handle(call())) for _ in range(2))
    await tap.give(FRAMES[0])
    reader = (await repeat).reader()
    reader.take()
    reader.leave()
    assert [(line.code, line.replayed) for line in house.lines] == [(Cancelled.code, True)]
    await tap.end(1)
    assert await bytes_of(await first) == b"".join(FRAMES)
    assert [(line.code, line.replayed) for line in house.lines[1:]] == [("ok", False)]


async def test_without_a_key_a_caller_who_leaves_ends_the_call() -> None:
    """Nobody can come back for an answer without a key: its call is ended with its last reader."""
    tap = Tap()
    house = House(Double(tap.reply))
    answer, _ = await asyncio.gather(house.engine.handle(exchange(STREAM)), tap.give(FRAMES[0]))
    answer.reader().leave()
    await house.settled()
    assert tap.notes == ["cancelled"]
    assert [line.code for line in house.lines] == [Cancelled.code]


async def test_a_waiting_repeat_has_its_own_time() -> None:
    """A repeat waits no longer than its caller allowed, before the first frame and behind it."""
    tap = Tap()
    house = House(Double(tap.reply))
    first = asyncio.ensure_future(house.engine.handle(call()))
    await turns()
    with pytest.raises(DeadlineExceeded):
        await house.engine.handle(call(STREAM, x_narthex_timeout="0.01"))
    await tap.give(FRAMES[0])
    answer = await house.engine.handle(call(STREAM, x_narthex_timeout="0.01"))
    assert await bytes_of(answer) == FRAMES[0]
    assert isinstance(answer.error, DeadlineExceeded)
    await tap.end(1)
    assert await bytes_of(await first) == b"".join(FRAMES)


async def test_the_end_of_the_server_ends_what_goes_on() -> None:
    """A call that goes on for nobody is ended with the server, and settled as what it is."""
    tap = Tap()
    house = House(Double(tap.reply))
    first = asyncio.ensure_future(house.engine.handle(call()))
    await turns()
    first.cancel()
    await turns()
    await house.tasks.aclose()
    assert [line.code for line in house.lines] == [Cancelled.code]
    assert house.remembered.report().running == 0


# -- bounds ------------------------------------------------------------------------------------------------------------


def long_frames() -> list[bytes]:
    """Return a stream of far more bytes than a reader may be behind."""
    return openai_frames(" ".join(["x" * 1_000] * (4 * HIGH_WATER_BYTES // 1_000)))


async def test_a_slow_repeat_holds_nobody() -> None:
    """As long as all is kept, a repeat that takes nothing neither holds the producer nor the others."""
    tap, frames = Tap(), long_frames()
    house = House(Double(tap.reply))
    first, repeat = (asyncio.ensure_future(house.engine.handle(call())) for _ in range(2))
    await tap.give(frames[0])
    slow = (await repeat).reader()
    reading = asyncio.ensure_future(bytes_of(await first))
    await tap.give(*frames[1:], None)
    assert await reading == b"".join(frames)
    assert "pause" not in tap.notes
    pieces: list[object] = []
    while await slow.wait():
        pieces += slow.take()
    assert b"".join(piece for piece in pieces if isinstance(piece, bytes)) == b"".join(frames)


async def test_a_stream_too_large_to_be_kept_is_given_once() -> None:
    """Beyond the bound running readers get every byte, and later repeats are told that it cannot be given again."""
    tap, frames = Tap(), long_frames()
    provider = Double(tap.reply)
    house = House(provider, remembering=IdempotencySettings(answer_bytes=HIGH_WATER_BYTES))
    first, repeat = (asyncio.ensure_future(house.engine.handle(call())) for _ in range(2))
    await tap.give(frames[0])
    reading = [asyncio.ensure_future(bytes_of(await one)) for one in (first, repeat)]
    await tap.give(*frames[1:-1])
    with pytest.raises(AnswerNotKept) as refused:
        await house.engine.handle(call())
    assert (refused.value.status, refused.value.code) == (409, "idempotency_answer_not_kept")
    await tap.give(frames[-1], None)
    assert [await one for one in reading] == [b"".join(frames)] * 2
    with pytest.raises(AnswerNotKept):
        await house.engine.handle(call())
    with pytest.raises(IdempotencyConflict):
        await house.engine.handle(call(CHAT))
    assert len(provider.calls) == 1
    assert house.remembered.report().bytes == 0


async def test_a_stream_too_large_for_nobody_is_ended() -> None:
    """A call that goes on for nobody, and cannot be kept, has no use: it is ended, and settled as that."""
    tap, frames = Tap(), long_frames()
    house = House(Double(tap.reply), remembering=IdempotencySettings(answer_bytes=HIGH_WATER_BYTES))
    first = asyncio.ensure_future(house.engine.handle(call()))
    await tap.give(frames[0])
    (await first).reader().leave()
    await tap.give(*frames[1:])
    assert tap.notes[-1] == "cancelled"
    (line,) = house.lines
    assert (line.code, line.estimated) == (Cancelled.code, True)
    with pytest.raises(AnswerNotKept):
        await house.engine.handle(call())


async def test_a_whole_answer_too_large_goes_to_those_who_wait() -> None:
    """Those who waited for a whole answer get it; later repeats are told that it cannot be given again."""
    provider = Double(whole(openai_answer("Hello " * 1_000)))
    house = House(provider, remembering=IdempotencySettings(answer_bytes=100))
    answers = await asyncio.gather(*(house.engine.handle(call(CHAT)) for _ in range(3)))
    assert len({answer.body for answer in answers}) == 1
    with pytest.raises(AnswerNotKept):
        await house.engine.handle(call(CHAT))
    assert len(provider.calls) == 1


async def test_what_is_kept_leads_to_no_connection() -> None:
    """What is kept for a day holds neither the provider's connection nor the request."""
    tap = Tap()
    house = House(Double(tap.reply))
    first = asyncio.ensure_future(house.engine.handle(call()))
    await tap.end()
    stream = await first
    assert stream.cancel() is None
    stream._pause()
    stream._resume()
    assert tap.notes == ["hurry"]


async def test_the_body_is_read_as_it_came() -> None:
    """The same request in other bytes is another request: nothing is read into a body here."""
    house = House(Double(whole(openai_answer("Hello"))))
    await house.engine.handle(call(json.dumps(CHAT).encode()))
    with pytest.raises(IdempotencyConflict):
        await house.engine.handle(call(json.dumps(CHAT, indent=1).encode()))
