"""A call goes on past the failures of its targets, as long as that can help, and never longer than it may take."""

from __future__ import annotations

import asyncio
import random

import pytest

from narthex.errors import (
    Failure,
    MalformedAnswer,
    NarthexError,
    ProviderAuthentication,
    ProviderError,
    ProviderFailed,
    ProviderLimited,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnreachable,
)
from narthex.pipeline.exchange import Exchange
from narthex.providers.contract import Reply
from narthex.resilience.breakers import BreakerState
from narthex.resilience.budget import BudgetPolicy, RetryBudget
from narthex.resilience.decisions import Policy
from narthex.testing.wires import anthropic_answer, openai_answer, openai_frames
from narthex.types.catalog import ModelFacts
from tests.pipeline.doubles import ANTHROPIC, CHAT, Double, House, exchange, read, streamed, whole


def failed(failure: Failure, leaf: type[ProviderError] = ProviderFailed, **facts: float) -> ProviderError:
    """Return a provider's failure."""
    return leaf(provider="up", failure=failure, **facts)  # type: ignore[arg-type]  # one fact alone, a number


DOWN = failed(Failure.UPSTREAM_ERROR)
GOOD = whole(openai_answer("Hello."))


def house(*providers: Double, retries: int = 2) -> House:
    """Return an engine that retries, and goes to the further providers in order."""
    made = House(*providers)
    made.fallbacks = tuple(f"{one.name}/m" for one in providers[1:])
    made.recovery.policy = Policy(retries=retries)
    made.recovery.chance = random.Random(1)
    return made


def ways(made: Exchange) -> list[tuple[str, str, str | None]]:
    """Return what was tried, in order."""
    return [(one.target, one.way, one.failure) for one in made.attempts]


async def test_a_call_that_goes_well_tells_no_story() -> None:
    """Nothing is noted of a first attempt that succeeds."""
    made = exchange(CHAT)
    await house(Double(GOOD)).engine.handle(made)
    assert made.attempts == ()


async def test_the_same_target_is_asked_again() -> None:
    """A passing failure costs a pause, and the caller nothing."""
    up = Double(DOWN, DOWN, GOOD)
    running = house(up)
    made = exchange(CHAT)
    answer = await running.engine.handle(made)
    assert b"Hello." in answer.body
    failures = [("up/m", "first", "upstream_error"), ("up/m", "retry", "upstream_error"), ("up/m", "retry", None)]
    assert ways(made) == failures
    assert len(running.pauses) == 2
    assert all(0 <= pause <= 0.5 for pause in running.pauses)


async def test_what_nobody_waits_for_is_not_tried_again() -> None:
    """Neither here nor elsewhere: calls that somebody waits for may be in need there; nor is it begun in their way."""
    up, other = Double(DOWN, GOOD), Double(GOOD, name="other")
    running = house(up, other)
    made = exchange(CHAT)
    made.prefetches = b"key"
    with pytest.raises(ProviderError):
        await running.engine.handle(made)
    assert (len(up.calls), len(other.calls)) == (1, 0)
    assert running.recovery.has_spare("up/m")
    permit = running.recovery.places.of("up/m").try_acquire()
    assert permit is not None
    permit.crowded()
    assert not running.recovery.has_spare("up/m")


async def test_what_the_provider_asks_for_is_waited() -> None:
    """A rate limit's own time is kept to, and one that asks for more than our patience is left."""
    running = house(Double(failed(Failure.RATE_LIMITED, ProviderLimited, retry_after_s=3.0), GOOD))
    await running.engine.handle(exchange(CHAT))
    assert 3.0 <= running.pauses[0] <= 3.2
    patient = house(Double(failed(Failure.RATE_LIMITED, ProviderLimited, retry_after_s=60.0)), Double(GOOD, name="b"))
    made = exchange(CHAT)
    await patient.engine.handle(made)
    assert patient.pauses == []
    assert ways(made)[-1] == ("b/m", "fallback", None)


SILENT = [
    failed(Failure.FIRST_TOKEN_TIMEOUT, ProviderTimeout),
    failed(Failure.CONNECT_TIMEOUT, ProviderTimeout),
    failed(Failure.CONNECT, ProviderUnreachable),
    failed(Failure.AUTHENTICATION, ProviderAuthentication),
    failed(Failure.MODEL_NOT_FOUND, ProviderRejected),
]


@pytest.mark.parametrize("error", SILENT, ids=lambda error: error.failure)
async def test_who_cannot_help_is_left_at_once(error: ProviderError) -> None:
    """A silent route, a refused key and an unknown model are not asked twice."""
    first, second = Double(error), Double(whole(anthropic_answer("Hello.")), name="b", dialects=ANTHROPIC)
    running = house(first, second)
    made = exchange(CHAT)
    answer = await running.engine.handle(made)
    assert b"Hello." in answer.body
    assert (len(first.calls), running.pauses) == (1, [])
    assert made.target is not None
    assert made.target.name == "b/m"


@pytest.mark.parametrize("failure", [Failure.INVALID_REQUEST, Failure.CONTENT_FILTERED])
async def test_the_truth_is_told_at_once(failure: Failure) -> None:
    """What is wrong with the request is wrong everywhere."""
    second = Double(GOOD, name="b")
    running = house(Double(failed(failure, ProviderRejected)), second)
    with pytest.raises(ProviderRejected):
        await running.engine.handle(exchange(CHAT))
    assert second.calls == []


async def test_a_filtered_answer_goes_elsewhere_only_if_asked() -> None:
    """Another provider is asked for what a filter withheld if the configuration says so."""
    running = house(Double(failed(Failure.CONTENT_FILTERED, ProviderRejected)), Double(GOOD, name="b"))
    running.recovery.policy = Policy(filtered_elsewhere=True)
    assert (await running.engine.handle(exchange(CHAT))).whole


async def test_a_request_that_is_too_long_goes_to_a_larger_window() -> None:
    """Models whose window is known to be no larger are passed over."""
    too_long = failed(Failure.CONTEXT_TOO_LONG, ProviderRejected)
    small, large = Double(GOOD, name="small"), Double(GOOD, name="large")
    running = house(Double(too_long), small, large)
    for name, tokens in (("up", 8_000), ("small", 8_000), ("large", 32_000)):
        running.catalog.learn(name, [ModelFacts(id="m", provider=name, context_tokens=tokens)], closed=True)
    made = exchange(CHAT)
    await running.engine.handle(made)
    assert [name for name, _, _ in ways(made)] == ["up/m", "large/m"]
    assert small.calls == []


async def test_what_was_too_long_stays_too_long() -> None:
    """A window known to be too small is passed over after further failures too, and unknown ones come last."""
    too_long = failed(Failure.CONTEXT_TOO_LONG, ProviderRejected)
    unknown, large = Double(GOOD, name="unknown"), Double(failed(Failure.CONNECT, ProviderUnreachable), name="large")
    small = Double(GOOD, name="small")
    running = house(Double(too_long), small, unknown, large)
    for name, tokens in (("up", 8_000), ("small", 8_000), ("large", 32_000)):
        running.catalog.learn(name, [ModelFacts(id="m", provider=name, context_tokens=tokens)], closed=True)
    made = exchange(CHAT)
    await running.engine.handle(made)
    assert [name for name, _, _ in ways(made)] == ["up/m", "large/m", "unknown/m"]
    assert small.calls == []


async def test_the_last_error_is_told_when_nobody_helps() -> None:
    """Where all fail the caller hears why, with everything that was tried on the exchange."""
    running = house(Double(DOWN), Double(failed(Failure.OVERLOADED, ProviderOverloaded), name="b"), retries=0)
    made = exchange(CHAT)
    with pytest.raises(ProviderOverloaded):
        await running.engine.handle(made)
    assert ways(made) == [("up/m", "first", "upstream_error"), ("b/m", "fallback", "overloaded")]


async def test_a_stream_that_fails_before_its_first_frame_goes_elsewhere() -> None:
    """Nothing was delivered, so nothing need be joined."""
    broken = streamed([], error=failed(Failure.STALL, ProviderTimeout))
    running = house(Double(broken), Double(streamed(openai_frames("Hello.")), name="b"))
    frames = await read(await running.engine.handle(exchange({**CHAT, "stream": True})))
    assert b"Hello." in b"".join(frame for frame in frames if isinstance(frame, bytes))


async def test_a_dead_target_is_left_alone() -> None:
    """After failures in a row it hears nothing more for a while, and callers hear at once when to come back."""
    dead = Double(*[DOWN] * 20)
    running = house(dead, retries=0)
    for _ in range(12):
        with pytest.raises(ProviderError):
            await running.engine.handle(exchange(CHAT))
    assert len(dead.calls) == 5
    with pytest.raises(ProviderOverloaded, match="left alone") as caught:
        await running.engine.handle(exchange(CHAT))
    assert caught.value.retry_after_s is not None
    assert running.recovery.board.breaker("up/m").state is BreakerState.OPEN


async def test_a_provider_without_connection_is_left_alone_with_all_its_models() -> None:
    """Calls of one model that find no way to the provider spare the next model the same experience."""
    gone = Double(*[failed(Failure.CONNECT, ProviderUnreachable)] * 20)
    running = house(gone, Double(GOOD, GOOD, name="b"), retries=0)
    running.fallbacks = ()
    for model in ("up/m", "up/n", "up/m", "up/n", "up/m"):
        with pytest.raises(ProviderUnreachable):
            await running.engine.handle(exchange({**CHAT, "model": model}))
    assert running.recovery.board.breaker("up").state is BreakerState.OPEN
    with pytest.raises(ProviderOverloaded, match=r"^up failed repeatedly"):
        await running.engine.handle(exchange({**CHAT, "model": "up/never-asked"}))
    assert len(gone.calls) == 5
    assert (await running.engine.handle(exchange({**CHAT, "model": "b/m"}))).whole


async def test_what_is_wrong_with_a_request_breaks_nothing() -> None:
    """However many bad requests come, their target stays in service."""
    up = Double(*[failed(Failure.INVALID_REQUEST, ProviderRejected)] * 20, GOOD)
    running = house(up)
    for _ in range(20):
        with pytest.raises(ProviderRejected):
            await running.engine.handle(exchange(CHAT))
    assert (await running.engine.handle(exchange(CHAT))).whole


async def test_retries_add_a_tenth_at_most() -> None:
    """In a total outage the load on what fails grows by no more than the budget."""
    running = house(Double(*[DOWN] * 400))
    running.recovery.board = type(running.recovery.board)()
    running.recovery.budget = RetryBudget(BudgetPolicy())
    running.recovery.board.force("up/m", BreakerState.FORCED_CLOSED)
    for _ in range(200):
        with pytest.raises(ProviderFailed):
            await running.engine.handle(exchange(CHAT))
    up = running.catalog.resolve("up/m").provider
    assert isinstance(up, Double)
    assert len(up.calls) <= 220


async def test_no_attempt_begins_after_the_deadline() -> None:
    """The time that the caller allows is for all attempts together."""
    up = Double(DOWN, GOOD)
    running = house(up)

    async def overslept(_seconds: float) -> None:
        await asyncio.sleep(0.1)

    running.recovery.sleep = overslept
    made = exchange(CHAT, headers={b"x-narthex-timeout": b"0.05"})
    with pytest.raises(NarthexError):
        await running.engine.handle(made)
    assert len(up.calls) == 1


async def test_a_call_that_is_cancelled_tries_nothing_more() -> None:
    """A caller who leaves during a pause costs no further attempt, and no probe."""
    up = Double(DOWN, GOOD)
    running = house(up)

    async def for_ever(_seconds: float) -> None:
        await asyncio.Event().wait()

    running.recovery.sleep = for_ever
    task = asyncio.ensure_future(running.engine.handle(exchange(CHAT)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(up.calls) == 1


@pytest.mark.parametrize("reply", [whole(b"nonsense"), whole(b"<html>", status=502)])
async def test_what_is_no_answer_is_asked_for_again(reply: Reply) -> None:
    """Nonsense with a good status and a bad gateway's page are failures like others."""
    made = exchange(CHAT)
    await house(Double(reply, GOOD)).engine.handle(made)
    assert [one.failure for one in made.attempts][1] is None
    assert issubclass(MalformedAnswer, ProviderError)
