"""Tests of one call for several models."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from narthex.errors import Cancelled, InternalError, NarthexError, ProviderFailed
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import HIGH_WATER_BYTES, Frame
from narthex.types.events import Ended, Finished, Started, TextDelta, UsageReported
from narthex.types.merging import MergeMode
from tests.pipeline.merging_doubles import Chain, started, taken


async def turns(count: int = 8) -> None:
    """Let others run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_winner_is_given_and_the_others_are_let_go_at_once() -> None:
    """In the turn in which somebody speaks, everybody else's call is ended."""
    chain = Chain()
    merging, exchange, _ = await started(chain, "race", "a", "b", "c")
    assert not merging.opened.done()
    chain.say("b", "I")
    assert chain.left == ["a", "c"]
    assert merging.opened.done()
    chain.say("b", " win")
    chain.end("b")
    await turns()
    texts = [event.text for event in taken(exchange) if isinstance(event, TextDelta)]
    assert texts == ["I", " win"]
    assert isinstance(taken(exchange)[-1], Ended)


async def test_the_end_waits_for_all_books() -> None:
    """The usage of all is told once every call is settled, and is the sum of what their books have."""
    chain = Chain()
    _, exchange, _ = await started(chain, "interleave", "a", "b")
    for name in ("a", "b"):
        chain.say(name, "x", "y")
    chain.end("a")
    assert not any(isinstance(event, UsageReported) for event in taken(exchange))
    chain.end("b")
    usage = next(event.usage for event in taken(exchange) if isinstance(event, UsageReported))
    settled = [call.usage for call in chain.calls.values()]
    assert all(one is not None for one in settled)
    assert usage.output_tokens == sum(one.output_tokens for one in settled if one is not None)


async def test_in_sequence_one_is_asked_after_the_other() -> None:
    """The second call is made when the first has ended."""
    chain = Chain()
    await started(chain, "sequence", "a", "b")
    assert list(chain.calls) == ["a"]
    chain.say("a", "x")
    chain.end("a")
    await turns()
    assert list(chain.calls) == ["a", "b"]


async def test_a_slow_reader_holds_all() -> None:
    """What nobody reads stays with the models, which are paused; when it is read all goes on, and nothing is lost."""
    chain = Chain()
    merging, exchange, _ = await started(chain, "interleave", "a", "b")
    count = HIGH_WATER_BYTES // 96 + 10
    for name in ("a", "b"):
        chain.say(name, *(["x"] * count))
    assert merging.held
    chain.say("a", *(["y"] * (3 * count)))
    chain.say("b", *(["z"] * (3 * count)))
    assert chain.paused == {"a", "b"}
    chain.end("a")
    chain.end("b")
    assert exchange.answer is not None
    reader, texts = exchange.answer.reader(), list[str]()
    while await reader.wait():
        texts += [event.text for event in reader.take() if isinstance(event, TextDelta)]
    assert (texts.count("x"), texts.count("y"), texts.count("z")) == (2 * count, 3 * count, 3 * count)
    assert not merging.held


async def test_who_leaves_ends_all() -> None:
    """The last reader's leaving ends every call, and nothing begins any more."""
    chain = Chain()
    _, exchange, _ = await started(chain, "interleave", "a", "b")
    chain.say("a", "x")
    assert exchange.answer is not None
    exchange.answer.reader().leave()
    assert sorted(chain.left) == ["a", "b"]
    assert isinstance(exchange.answer.error, Cancelled)


async def test_all_failing_tells_each() -> None:
    """Nothing was given, and the error names every model and why it failed."""
    chain = Chain()

    async def fail(exchange: Exchange) -> None:
        raise ProviderFailed(f"{exchange.model_asked} is down", provider=exchange.model_asked)

    chain.before = fail
    merging, _, _ = await started(chain, "race", "a", "b")
    with pytest.raises(NarthexError, match="a: a is down; b: b is down"):
        await merging.opened


async def test_books_that_stay_open_do_not_hold_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does not let go in time is estimated, and the answer ends."""
    monkeypatch.setattr("narthex.pipeline.merging.SETTLE_S", 0.0)
    chain = Chain()
    release = asyncio.Event()

    async def stubborn(exchange: Exchange) -> None:
        if exchange.model_asked == "b":
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

    chain.before = stubborn
    _, exchange, tasks = await started(chain, "race", "a", "b")
    chain.say("a", "x")
    chain.end("a")
    await asyncio.sleep(0.01)
    usage = next(event.usage for event in taken(exchange) if isinstance(event, UsageReported))
    assert usage.estimated
    release.set()
    await tasks.aclose()


async def test_a_judge_that_fails_leaves_the_first() -> None:
    """Without a verdict the first whole answer is given, in pieces."""
    chain = Chain()
    _, exchange, _ = await started(chain, "best_of", "a", "b", judge="j")
    for name in ("a", "b"):
        chain.say(name, f"I am {name}.")
        chain.end(name)
    await turns()
    chain.stream("j").close(NarthexError("no"))
    await turns(20)
    assert "".join(event.text for event in taken(exchange) if isinstance(event, TextDelta)) == "I am a."
    assert ("x-narthex-verdict", "fallback") in exchange.told


async def test_a_choice_that_is_ended_from_outside_is_told() -> None:
    """Where the server stops while a judge thinks, whoever waits hears of it."""
    chain = Chain()
    merging, _, tasks = await started(chain, "best_of", "a", "b", judge="j")
    for name in ("a", "b"):
        chain.say(name, "x")
        chain.end(name)
    await tasks.aclose()
    with pytest.raises(Cancelled):
        await merging.opened


@pytest.mark.parametrize("mode", ["race", "interleave", "sequence"])
async def test_what_cannot_be_written_ends_all(mode: MergeMode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is told, every call is ended and settled, and no model is blamed."""
    chain = Chain()
    merging, exchange, _ = await started(chain, mode, "a", "b")
    chain.say("a", "x")

    def refuse(_steps: object) -> list[Frame]:
        raise ValueError("no such event")

    monkeypatch.setattr(merging._writer, "write", refuse)
    chain.say("a", "y")
    assert exchange.answer is not None
    assert isinstance(exchange.answer.error, InternalError)
    assert all(chain.stream(name).closed for name in chain.calls)
    assert all(member.settled for member in merging._members)


async def test_an_end_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it for ever."""
    chain = Chain()
    merging, exchange, _ = await started(chain, "race", "a", "b")

    def refuse(_usage: object, _told: object) -> list[Frame]:
        raise ValueError("no end")

    monkeypatch.setattr(merging._writer, "end", refuse)
    chain.say("a", "x")
    chain.end("a")
    assert exchange.answer is not None
    assert isinstance(exchange.answer.error, InternalError)
    assert chain.calls["a"].error is None


async def test_a_race_without_a_word_is_won_all_the_same() -> None:
    """Who ended well is the one that answered."""
    chain = Chain()
    _, exchange, _ = await started(chain, "race", "a", "b")
    chain.say("b")
    chain.end("b")
    chain.stream("a").close(ProviderFailed("a is down", provider="a"))
    assert exchange.answer is not None
    assert isinstance(taken(exchange)[-1], Ended)
    started_by = next(event for event in taken(exchange) if isinstance(event, Started))
    assert (started_by.model, exchange.model_answered) == ("b", chain.calls["b"].model_answered)


async def test_who_was_let_go_is_told_so_whatever_the_reader_does() -> None:
    """Also where nobody reads at that moment, so that its last events wait."""
    chain = Chain()
    merging, exchange, _ = await started(chain, "race", "a", "b")
    loser = chain.stream("b")
    loser.cancel = lambda: None
    chain.say("a", *(["x"] * (HIGH_WATER_BYTES // 96 + 10)))
    assert merging.held
    loser.close(Cancelled())
    chain.end("a")
    assert exchange.answer is not None
    reader, seen = exchange.answer.reader(), list[Frame]()
    while await reader.wait():
        seen += reader.take()
    end = seen[-3]
    assert isinstance(end, Finished)
    assert end.told is not None
    assert [one["outcome"] for one in cast("list[dict[str, object]]", end.told["sources"])] == ["ok", "cancelled"]
