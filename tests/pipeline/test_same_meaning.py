"""A question that means the same is answered by the other's answer, unless anything speaks against it."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from narthex.cache.semantic.engine import CategoryStatus
from narthex.errors import Failure, InvalidRequest, NotCached, ProviderFailed
from narthex.pipeline.exchange import Exchange
from narthex.types.events import Finished
from tests.pipeline.doubles import House, read
from tests.pipeline.meaning_doubles import (
    LESS_ALIKE,
    OTHERWISE,
    RESET,
    call,
    engine_of,
    knows,
    meaning_of,
    soon,
    speaking,
)
from tests.pipeline.recalled import how, said, text_of

ANN, BOB = "sk-ann-0123456789ab", "sk-bob-0123456789ab"
DOWN = ProviderFailed("down", provider="up", failure=Failure.UPSTREAM_ERROR, retryable=False)


async def asked(made: House, one: Exchange) -> tuple[str, str | None]:
    """Return what is answered, and how."""
    return await said(made, one), how(one)


def why(made: House) -> str:
    """Return why the last call was not answered by another question's answer."""
    return made.cache.figures.last_misses[-1].semantic


async def test_the_same_in_other_words_is_answered_and_told() -> None:
    """With the similarity, for nothing, whole and streamed; the ledger says how."""
    async with speaking() as (provider, made):
        assert await asked(made, call()) == ("answer 1", "MISS")
        await knows(made, 1)
        again, streaming = call(OTHERWISE), call("hi, how do i reset my router? thanks", stream=True)
        assert await asked(made, again) == ("answer 1", "SEMANTIC HIT")
        told = dict(again.told)
        assert 0.8 < float(told["x-narthex-cache-similarity"]) <= 1
        assert told["cache-status"].endswith("; detail=semantic")
        assert text_of(await read(await made.engine.handle(streaming))) == "answer 1"
        assert how(streaming) == "SEMANTIC HIT"
        assert provider.asked == [RESET]
        of_calls = [entry for entry in made.entries if entry.operation == "chat"]
        assert [(one.kind, one.way, one.cost_picousd) for one in of_calls[1:]] == [("cache", "semantic", 0)] * 2
        assert [line.cache for line in made.lines] == [None, "semantic", "semantic"]
        # What the house asks for is on the house, and in no log of callers' calls.
        assert {entry.key_id for entry in made.entries if entry.operation == "embed"} == {"local"}
        report = await made.caching.desk.report(None)  # type: ignore[union-attr]
        assert report.semantic is not None
        row = next(row for row in report.semantic.categories if row.category == "howto")
        assert (row.looks, row.hits, row.closed, row.samples) == (3, 2, False, 0)
        assert 'semantic_served_total{category="howto"} 2' in "\n".join(made.caching.lines())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("How do I reset my router in 3 steps?", "number"),
        ("How do I reset my FritzBox router?", "name"),
        ("How do I not reset my router?", "negation"),
        ("What is the weather like today?", "unfit"),
        ("Where is the bar?", "nothing near"),
    ],
)
async def test_another_question_is_asked_and_it_is_told_why(text: str, reason: str) -> None:
    """Of each miss the guard or the rule is known that held the nearest answer back."""
    async with speaking() as (_, made):
        await said(made, call())
        await knows(made, 1)
        assert await asked(made, call(text)) == ("answer 2", "MISS")
        assert why(made) == reason


async def test_it_is_switched_off_by_request_by_rule_and_by_model() -> None:
    """Then nothing is looked for, and no vector is made."""
    rules: list[dict[str, object]] = [{"key": "bob", "semantic": False}]
    async with speaking(keys=[("ann", ANN), ("bob", BOB)], rules=rules) as (_, made):
        await said(made, call(key=ANN))
        await knows(made, 1)
        assert (await asked(made, call(OTHERWISE, key=ANN, x_narthex_cache="on; semantic=off")))[1] == "MISS"
        assert why(made) == ""
        await said(made, call(key=BOB))
        assert (await asked(made, call(OTHERWISE, key=BOB)))[1] == "MISS"
        assert why(made) == ""
        with pytest.raises(InvalidRequest, match="`semantic` is one of on, off"):
            await said(made, call(key=ANN, x_narthex_cache="on; semantic=maybe"))
        looks = sum(row.looks for row in engine_of(made).status())
        assert looks == 1


async def test_directives_hold_for_another_questions_answer_too() -> None:
    """`no-cache`, `max-age` and `only` mean the same there."""
    async with speaking() as (_, made):
        await said(made, call())
        await knows(made, 1)
        assert await asked(made, call(OTHERWISE, x_narthex_cache="only")) == ("answer 1", "SEMANTIC HIT")
        with pytest.raises(NotCached):
            await said(made, call("Where is the bar?", x_narthex_cache="only"))
        assert (await asked(made, call("how should I reset my router?", cache_control="no-cache")))[1] == "REFRESH"
        await knows(made, 2)
        assert (await asked(made, call("how might I reset my router?", cache_control="max-age=0, min-fresh=9999")))[
            1
        ] == "MISS"
        assert why(made) == "too old"


async def test_whatever_voids_the_answer_voids_what_leads_to_it() -> None:
    """The entry, its tag, its model, all of the workspace: what stood for it is asked anew, and its words are gone."""
    async with speaking() as (provider, made):
        desk = made.caching.desk  # type: ignore[union-attr]
        for number, void in enumerate(("key", "tag", "model", "everything"), 1):
            await said(made, call(x_narthex_cache="on; tags=t"))
            await knows(made, 1)
            assert (await asked(made, call(OTHERWISE)))[1] == "SEMANTIC HIT"
            match void:
                case "key":
                    await desk.remove(None, next(iter(made.cache.memory)).entry.key)
                case "tag":
                    made.cache.declare_void(tags=["tag:key:local:t"])
                case "model":
                    made.cache.declare_void(patterns=["model:*:up/m"])
                case _:
                    await desk.clear(None)
            assert (await asked(made, call(OTHERWISE)))[1] == "MISS"
            await soon(lambda: RESET not in [entry.text for entry in engine_of(made).entries])
            made.cache.clear()
            await knows(made, 0)
            assert len(provider.asked) == 2 * number


async def test_who_is_erased_leaves_no_words() -> None:
    """Questions go with the answers, and those of which nobody knows whose they were go too."""
    async with speaking() as (_, made):
        await said(made, call())
        await said(made, call("Where is the bar?"))
        await knows(made, 2)
        made.cache.memory.remove(next(iter(made.cache.memory)).entry.key)
        meaning_of(made).tidy()
        meaning_of(made).tidy()
        await knows(made, 1)
        made.cache.clear("nobody")
        await knows(made, 1)


async def test_end_users_of_a_key_vouch_for_nobody_elses() -> None:
    """Whoever holds a key may name any end user: their questions serve within that key alone, once two asked them."""
    async with speaking() as (_, made):
        await said(made, call(user="one"))
        await knows(made, 1)
        assert (await asked(made, call(OTHERWISE, user="two")))[1] == "MISS"
        assert why(made) == "unadmitted"
        assert (await asked(made, call(user="two")))[1] == "HIT"
        assert (await asked(made, call("how might I reset my router?", user="three")))[1] == "SEMANTIC HIT"
        assert (await asked(made, call("how should I reset my router?")))[1] == "MISS"
        assert why(made) == "nothing near"


async def test_an_embedder_that_is_slow_or_broken_costs_its_budget_and_no_more() -> None:
    """It is a miss, and a line in the log; after some in a row it is left alone."""
    async with speaking(budget_ms=1) as (provider, made):
        provider.slow_s = 30.0
        for number in range(6):
            assert (await asked(made, call(f"How do I reset router number {number}?")))[1] == "MISS"
            assert why(made) == "no vector"
        assert meaning_of(made).means.embedding.is_off


async def test_the_very_same_asked_meanwhile_makes_one_call() -> None:
    """Those who wait for a vector, and those who come behind them."""
    async with speaking() as (provider, made):
        texts = await asyncio.gather(*(said(made, call()) for _ in range(20)))
        assert set(texts) == {"answer 1"}
        assert len(provider.asked) == 1


async def test_what_came_from_elsewhere_is_learned_when_it_is_given() -> None:
    """After a start the questions are learned again from the answers that are still there."""
    async with speaking() as (_, made):
        await said(made, call())
        await knows(made, 1)
        engine_of(made).clear()
        assert (await asked(made, call()))[1] == "HIT"
        await knows(made, 1)
        assert (await asked(made, call(OTHERWISE)))[1] == "SEMANTIC HIT"


# -- samples and judges ------------------------------------------------------------------------------------------------


async def test_samples_close_a_category_that_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    """Each sampled hit is generated too; where too many are wrong, the model is asked until it is reopened."""
    async with speaking(sampled_percent=100, judge_model="up/judge", frozen=True) as (provider, made):
        provider.verdict = False
        await said(made, call())
        await knows(made, 1)
        for number in range(1, 30):
            if (await asked(made, call(RESET + " " * number)))[1] == "MISS":
                break
            await soon(partial(has_samples, made, number))
        assert why(made) == "closed"
        assert howto(made).wrong == howto(made).samples == len(provider.judged)
        assert "category howto is closed" in caplog.text
        assert made.caching is not None
        made.caching.desk.reopen("howto")
        assert (await asked(made, call(OTHERWISE)))[1] == "SEMANTIC HIT"


def has_samples(made: House, count: int) -> bool:
    """Tell whether so many hits were judged."""
    return howto(made).samples == count


def howto(made: House) -> CategoryStatus:
    """Return what is known of questions how to do something."""
    return next(row for row in engine_of(made).status() if row.category == "howto")


@pytest.mark.parametrize("verdict", [True, None])
async def test_a_pair_that_is_nearly_sure_is_judged_beside_the_call(verdict: bool | None) -> None:
    """If it is found to be the same it answers from then on; a verdict that cannot be read is none."""
    async with speaking(error_bound_percent=0.1, judge_model="up/judge") as (provider, made):
        provider.verdict = verdict
        await said(made, call())
        await knows(made, 1)
        assert (await asked(made, call(LESS_ALIKE)))[1] == "MISS"
        assert why(made) == "unsure"
        await soon(lambda: provider.judged and len(engine_of(made).grey) == 0 and len(engine_of(made).entries) == 2)
        assert RESET in provider.judged[0]
        made.cache.forget([bytes.fromhex(made.cache.figures.last_misses[-1].key)])
        again = await asked(made, call(LESS_ALIKE))
        assert again == (("answer 1", "SEMANTIC HIT") if verdict else ("answer 3", "MISS"))


# -- in place of an error ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_similar_answer_stands_in_where_every_model_failed(stream: bool) -> None:
    """Marked in the headers and at the end of a stream; only where that is asked for."""
    async with speaking(similar_on_failure=True, least_similarity=0.5, error_bound_percent=0.1) as (provider, made):
        await said(made, call())
        await knows(made, 1)
        provider.down = DOWN
        asking = call(LESS_ALIKE, stream=stream)
        answer = await made.engine.handle(asking)
        told = dict(asking.told)
        assert told["x-narthex-cache"] == "SEMANTIC HIT"
        assert told["cache-status"].endswith("; detail=similar")
        assert told["x-narthex-fallback"] == "similar"
        assert 0.5 <= float(told["x-narthex-cache-similarity"]) < 1
        if stream:
            told_at_end = [frame.told for frame in await read(answer) if isinstance(frame, Finished) and frame.told]
            assert told_at_end == [{"fallback": "similar", "after": "upstream_error"}]
        assert made.entries[-1].way == "similar"
        assert await fails(made, call("How do I not reset my router?"))
        assert await fails(made, call(LESS_ALIKE, cache_control="no-store"))
        assert await fails(made, call(LESS_ALIKE, x_narthex_cache="refresh"))


async def test_no_similar_answer_stands_in_unless_it_may() -> None:
    """Off by default."""
    async with speaking(error_bound_percent=0.1) as (provider, made):
        await said(made, call())
        await knows(made, 1)
        provider.down = DOWN
        assert await fails(made, call(LESS_ALIKE))


async def fails(made: House, one: Exchange) -> bool:
    """Tell whether a call ends in its provider's error."""
    try:
        await said(made, one)
    except ProviderFailed:
        return True
    return False


# -- attacks -----------------------------------------------------------------------------------------------------------


async def test_what_is_not_to_be_seen_of_a_question_poisons_nothing() -> None:
    """Two hundred attempts to have one's own answer given to others under their words: none succeeds."""
    async with speaking() as (provider, made):
        served = 0
        for attack in range(200):
            victim = f"How do I reset thing number {attack}?"
            hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "say evil")
            evil = (f"{victim}{hidden}", f"hi, {victim} thanks", f"{victim}\u200b", victim.lower())[attack % 4]
            provider.answers[evil] = "evil"
            for words, user, header in ((victim, "a", "on"), (victim, "b", "on"), (evil, "eve", "refresh")):
                await said(made, call(words, user=user, x_narthex_cache=header))
            served += await said(made, call(f"{victim[:-1]} please?", user="c")) == "evil"
        assert served == 0
