"""The scripted provider, through the door of all providers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import cast

import pytest

from narthex.errors import (
    ConfigError,
    Failure,
    MalformedAnswer,
    NarthexError,
    ProviderError,
    ProviderLimited,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnreachable,
    TruncatedAnswer,
)
from narthex.providers.contract import Call, EventsReply, Timeouts
from narthex.providers.scripted import ScriptedProvider
from narthex.testing import FakeClock
from narthex.types.dialects import Dialect, Operation
from narthex.types.events import Ended, Event, Started, TextDelta
from narthex.types.folding import UnfinishedAnswer, fold
from tests.providers.scripted.calls import answer, asked, chat_call, embed_call, events, text_of, vectors


def _provider(script: dict[str, object], clock: FakeClock | None = None) -> ScriptedProvider:
    clock = clock or FakeClock()
    return ScriptedProvider("demo", script, clock=clock, sleep=clock.sleep)


async def _timed(script: dict[str, object], timeouts: Timeouts | None = None) -> list[tuple[float, object]]:
    """Play a call on a clock of its own; return what came and when, in seconds from the call."""
    clock = FakeClock(0.0)
    provider = _provider(script, clock)
    seen: list[tuple[float, object]] = []

    async def read() -> None:
        try:
            reply = await provider.send(chat_call(asked("one", stream=True), timeouts=timeouts))
            async for event in cast("EventsReply", reply).events:
                seen.append((round(clock(), 6), event))  # noqa: PERF401 - what came before an error counts too
        except NarthexError as error:
            seen.append((round(clock(), 6), error))

    task = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    for _ in range(1_000):
        if task.done():
            break
        await clock.advance(0.25)
    await task
    return seen


def _contents(seen: list[tuple[float, object]]) -> list[float]:
    return [at for at, event in seen if isinstance(event, TextDelta)]


async def test_an_answer_is_a_whole_stream() -> None:
    """A chat call is answered in the inner vocabulary, from its beginning to its end."""
    found = await events(_provider({"reply": "Hello there"}), chat_call(asked()))
    assert isinstance(found[0], Started)
    assert isinstance(found[-1], Ended)
    assert text_of(fold(found).choices[0]) == "Hello there"


async def test_streams_are_repeatable_to_the_piece() -> None:
    """The same request comes in the same pieces, from another provider object too."""
    script: dict[str, object] = {"chunk_tokens": 3, "jitter": 0.5, "reasoning": True}
    assert await events(_provider(script), chat_call(asked())) == await events(_provider(script), chat_call(asked()))


async def test_time_passes_as_scripted() -> None:
    """Latency comes before everything, then the first token, then the pace."""
    seen = await _timed({"reply": "one two three", "latency_ms": 1_000, "first_token_ms": 500, "tokens_per_second": 4})
    assert seen[0][0] == 1.0
    assert _contents(seen) == [1.5, 1.75, 2.0]


async def test_without_a_script_nothing_waits() -> None:
    """As fast as possible is the default, and other tasks still get their turn."""
    clock = FakeClock(0.0)
    provider = _provider({"reply_tokens": 1_000}, clock)
    turns = 0

    async def neighbour() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.ensure_future(neighbour())
    assert len(await events(provider, chat_call(asked()))) > 1_000
    task.cancel()
    assert clock() == 0.0
    assert turns > 10


@pytest.mark.parametrize(
    ("script", "timeouts", "failure", "at_s"),
    [
        ({"latency_ms": 9_000}, Timeouts(first_token_s=2), Failure.FIRST_TOKEN_TIMEOUT, 2.0),
        ({"latency_ms": 9_000}, Timeouts(headers_s=2, first_token_s=8), Failure.FIRST_TOKEN_TIMEOUT, 2.0),
        ({"first_token_ms": 9_000}, Timeouts(headers_s=2, first_token_s=8), Failure.FIRST_TOKEN_TIMEOUT, 8.0),
        ({"latency_ms": 9_000}, Timeouts(headers_s=2, first_token_s=2, total_s=2), Failure.DEADLINE, 2.0),
        ({"latency_ms": 1_000, "first_token_ms": 9_000}, Timeouts(first_token_s=2), Failure.FIRST_TOKEN_TIMEOUT, 2.0),
        ({"faults": [{"fault": "stall", "after_chunks": 1}]}, Timeouts(idle_s=3), Failure.STALL, 3.0),
        ({"tokens_per_second": 0.1}, Timeouts(idle_s=3), Failure.STALL, 3.0),
        ({"tokens_per_second": 1}, Timeouts(idle_s=3, total_s=4), Failure.DEADLINE, 4.0),
    ],
)
async def test_the_limits_of_a_call_hold(
    script: dict[str, object], timeouts: Timeouts, failure: Failure, at_s: float
) -> None:
    """Whoever waits longer than the call allows fails at that limit, saying which."""
    at, error = (await _timed(script, timeouts))[-1]
    assert isinstance(error, ProviderTimeout)
    assert (error.failure, at) == (failure, at_s)
    assert error.retryable


async def test_short_silences_are_survived() -> None:
    """A stall shorter than the limit only delays."""
    faults = [{"fault": "stall", "seconds": 2, "after_chunks": 1}]
    seen = await _timed({"reply": "one two", "faults": faults}, Timeouts(idle_s=3))
    assert _contents(seen) == [0.0, 2.0]
    assert isinstance(seen[-1][1], Ended)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"fault": "fail", "status": 503}, ProviderOverloaded),
        ({"fault": "rate_limit", "retry_after_s": 2}, ProviderLimited),
        ({"fault": "outage"}, ProviderUnreachable),
        ({"fault": "context_overflow"}, ProviderRejected),
        ({"fault": "disconnect"}, ProviderUnreachable),
        ({"fault": "corrupt", "after_chunks": 0}, MalformedAnswer),
    ],
    ids=lambda value: value["fault"] if isinstance(value, dict) else None,
)
async def test_faults_are_raised(fault: dict[str, object], kind: type[ProviderError]) -> None:
    """Each fault is an error of its class, for chat and for vectors, with the provider's name."""
    for call in (chat_call(asked()), embed_call("a")):
        provider = _provider({"faults": [fault]})
        with pytest.raises(kind) as caught:
            await (events if call.operation is Operation.CHAT else vectors)(provider, call)
        assert caught.value.provider == "demo"


async def test_a_truncated_answer_has_no_end() -> None:
    """A cut stream is never whole, and a cut list of vectors is an error."""
    provider = _provider({"faults": [{"fault": "truncate"}]})
    with pytest.raises(UnfinishedAnswer):
        fold(await events(provider, chat_call(asked())))
    with pytest.raises(TruncatedAnswer):
        await vectors(provider, embed_call("a"))


async def test_faults_follow_the_calls() -> None:
    """Every second call fails, and the health tells how the last one went."""
    provider = _provider({"faults": [{"fault": "fail", "every": 2, "message": "down for tea"}]})
    assert provider.health().status == "ok"
    for _ in range(2):
        await events(provider, chat_call(asked()))
        assert provider.health().status == "ok"
        with pytest.raises(ProviderError, match="down for tea"):
            await provider.send(chat_call(asked()))
        assert provider.health().status == "degraded"
        assert provider.health().detail == "down for tea"
    assert provider.calls == 4


async def test_health_tells_of_the_provider_alone() -> None:
    """A request at fault does not mark the provider, an answer that broke does."""
    provider = _provider({"faults": [{"fault": "disconnect"}]})
    with pytest.raises(ProviderRejected):
        await provider.send(chat_call(asked(model="other")))
    assert provider.health().status == "ok"
    with pytest.raises(ProviderUnreachable):
        await events(provider, chat_call(asked()))
    assert provider.health().status == "degraded"


async def test_limits_refuse_with_the_time_to_wait() -> None:
    """Beyond its limits a provider says when to come back."""
    provider = _provider({"faults": [{"fault": "limits", "requests_per_minute": 1}]})
    await events(provider, chat_call(asked()))
    with pytest.raises(ProviderLimited) as caught:
        await provider.send(chat_call(asked()))
    assert caught.value.retry_after_s == pytest.approx(60.0)


async def test_a_rule_may_fail() -> None:
    """A rule's fault strikes the requests it fits, and only those."""
    provider = _provider({"replies": [{"when": "storm", "fault": {"fault": "fail", "status": 503}}]})
    await events(provider, chat_call(asked("sunshine")))
    with pytest.raises(ProviderOverloaded):
        await provider.send(chat_call(asked("a storm")))


async def test_prompts_direct_only_where_allowed() -> None:
    """Directives in prompts are words like others, unless the script allows them."""
    text = "[[fail 503]] {prompt}"
    found = await answer({"reply": "{prompt}"}, asked(text))
    assert text_of(found.choices[0]) == text
    with pytest.raises(ProviderOverloaded):
        await answer({"directives": True}, asked(text))
    found = await answer({"directives": True, "reply": "{prompt}"}, asked("[[drip 1000]] hi"))
    assert text_of(found.choices[0]) == "hi"


async def test_the_window_is_kept() -> None:
    """A request longer than the window is refused as a provider refuses it, naming both figures."""
    with pytest.raises(ProviderRejected, match=r"has \d+ tokens, and the window of the model 8") as caught:
        await answer({"context_tokens": 8}, asked("word " * 20))
    assert caught.value.failure is Failure.CONTEXT_TOO_LONG


async def test_other_models_are_not_found() -> None:
    """A model that is not in the script is not found, with those that are."""
    provider = _provider({"models": ["a", "b"]})
    with pytest.raises(ProviderRejected, match="it has a, b") as caught:
        await provider.send(chat_call(asked()))
    assert caught.value.failure is Failure.MODEL_NOT_FOUND
    with pytest.raises(ProviderRejected):
        await provider.count_tokens("c", asked())


async def test_models_are_listed() -> None:
    """Each model of the script is listed with what is known of it."""
    models = await _provider({"models": ["a", "b"], "context_tokens": 99, "dimensions": 7}).list_models()
    assert [model.name for model in models] == ["demo/a", "demo/b"]
    assert (models[0].context_tokens, models[0].dimensions) == (99, 7)
    assert {"chat", "embeddings", "tools"} <= models[0].capabilities


async def test_counts_are_those_that_are_reported() -> None:
    """Counting tokens beforehand gives the input tokens that the answer then reports."""
    provider = _provider({})
    whole = fold(await events(provider, chat_call(asked("How many?"))))
    assert whole.usage is not None
    assert await provider.count_tokens("scripted", asked("How many?")) == whole.usage.input_tokens


async def test_vectors_have_the_dimensions_asked() -> None:
    """Vectors come in order, of the script's length or the request's, with their tokens."""
    provider = _provider({"dimensions": 12})
    reply = await vectors(provider, embed_call("one", "two"))
    assert [len(vector) for vector in reply.vectors] == [12, 12]
    assert reply.input_tokens == 2
    assert len((await vectors(provider, embed_call("one", dimensions=5))).vectors[0]) == 5
    wrong = _provider({"faults": [{"fault": "wrong_usage", "factor": 5}]})
    assert (await vectors(wrong, embed_call("one"))).input_tokens == 5


async def test_leaving_an_answer_ends_it() -> None:
    """An iterator that is closed stops where it is."""
    reply = await _provider({}).send(chat_call(asked()))
    assert isinstance(reply, EventsReply)
    seen: list[Event] = []
    async with aclosing(reply.events) as stream:  # type: ignore[type-var]  # the contract promises an iterator only
        async for event in stream:
            seen.append(event)
            break
    with pytest.raises(StopAsyncIteration):
        await anext(reply.events)
    assert len(seen) == 1


async def test_a_closed_provider_answers_nothing() -> None:
    """Closing ends running answers at their next step, and refuses new calls."""
    provider = _provider({})
    reply = await provider.send(chat_call(asked()))
    assert isinstance(reply, EventsReply)
    await anext(reply.events)
    await provider.aclose()
    with pytest.raises(ProviderUnreachable, match="closed"):
        await anext(reply.events)
    with pytest.raises(ProviderUnreachable, match="closed"):
        await provider.send(chat_call(asked()))


async def test_bytes_are_refused() -> None:
    """A call without a request in the inner vocabulary is a fault of ours, said plainly."""
    call = Call(
        operation=Operation.CHAT,
        model="scripted",
        dialect=Dialect.OPENAI_CHAT,
        body=b"{}",
        stream=False,
        timeouts=Timeouts(),
    )
    with pytest.raises(ProviderRejected, match="inner vocabulary"):
        await _provider({}).send(call)


def test_a_bad_script_is_refused_at_once() -> None:
    """A provider with a script that cannot be played is never made."""
    with pytest.raises(ConfigError, match=r"providers\.demo\.script\.sead"):
        ScriptedProvider("demo", {"sead": 1})


async def test_errors_of_callers_do_not_mark_the_provider() -> None:
    """Cancelling a call is nothing that the provider did."""
    provider = ScriptedProvider("demo", {"latency_ms": 60_000})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await provider.send(chat_call(asked()))
    assert provider.health().status == "ok"
