"""A further target of a call needs what its own limits allow, and is passed over where they do not."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.errors import (
    BudgetExceeded,
    Failure,
    LimitExceeded,
    NarthexError,
    ProviderError,
    ProviderFailed,
    ProviderTimeout,
)
from narthex.ledger.limits.further import Wants
from narthex.ledger.limits.matching import Use
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.shared import SharedMeters
from narthex.ledger.limits.uses import LimitUsage, place_of
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.hedging import HedgePolicy
from narthex.providers.contract import Call, Reply
from narthex.resilience.decisions import Policy
from narthex.routing.cascades import AnswerCheck
from narthex.routing.virtual import Member, VirtualModel
from narthex.stores.link import LinkSettings
from narthex.tenancy.keys import LOCAL
from narthex.testing.wires import openai_answer, openai_frames
from narthex.types.catalog import Price
from narthex.types.limits import Limit, Measure, Period, SubjectKind
from tests.pipeline.billed import DOWN, PRICES, call, house, limit
from tests.pipeline.doubles import CHAT, Double, House, exchange, read, streamed, whole
from tests.pipeline.hedged import FIRST, SECOND, Hedged, Held
from tests.stores.servers import running_redis

GOOD = whole(openai_answer("hello"))
FAILED = ProviderFailed(provider="a", failure=Failure.UPSTREAM_ERROR, retryable=True)
CUT = ProviderTimeout(provider="a", failure=Failure.STALL)
MODEL = {"subject_kind": SubjectKind.MODEL}
THRIFTY = VirtualModel(
    name="thrifty",
    members=tuple(Member(model=f"{name}/m") for name in "abc"),
    strategy="cascade",
    check=AnswerCheck(is_json=True),
)


def cap(model: str, amount: int = 0, measure: Measure = Measure.REQUESTS, **more: object) -> Limit:
    """Return a limit on one model, of which nothing is left but for what is given."""
    return limit(measure, amount, id=f"lim_{model}", subject=f"{model}/m", **MODEL, **more)


def nothing_is_held(engine: House) -> bool:
    """Whether all that was reserved is settled."""
    return not any(one.gauge.reserved for one in engine.meters.usage())


async def test_a_fallback_that_its_limit_refuses_is_passed_over() -> None:
    """The next one is asked, as if the one before were not there."""
    doubles = (Double(DOWN, name="a"), Double(name="b"), Double(GOOD, name="c"))
    engine = house(*doubles, limits=(cap("b"), cap("c", 1)))
    engine.fallbacks = ("b/m", "c/m")
    one = call()
    await engine.engine.handle(one)
    assert [tried.target for tried in one.attempts] == ["a/m", "c/m"]
    assert not doubles[1].calls
    assert {one.limit.id: one.gauge.used for one in engine.meters.usage()} == {"lim_b": 0, "lim_c": 1}
    assert nothing_is_held(engine)


async def test_where_no_limit_allows_anybody_the_caller_hears_of_it() -> None:
    """By which limit, whose, and when it refills."""
    engine = house(Double(DOWN, name="a"), Double(name="b"), limits=(cap("b", period=Period.DAY),))
    engine.fallbacks = ("b/m",)
    with pytest.raises(LimitExceeded) as error:
        await engine.engine.handle(call())
    assert error.value.status == 429
    assert error.value.facts is not None
    assert (error.value.facts.id, error.value.facts.subject) == ("lim_b", "b/m")
    assert nothing_is_held(engine)


async def test_a_failure_after_a_refusal_is_told_as_what_it_is() -> None:
    """Who was asked last says why there is no answer."""
    engine = house(Double(DOWN, name="a"), Double(name="b"), Double(DOWN, name="c"), limits=(cap("b"),))
    engine.fallbacks = ("b/m", "c/m")
    with pytest.raises(ProviderError):
        await engine.engine.handle(call())


async def test_a_fallback_without_a_price_is_refused_by_a_budget() -> None:
    """As it would be if it were asked first."""
    engine = house(
        *(Double(DOWN, name="a"), Double(name="x"), Double(GOOD, name="b")), limits=(limit(Measure.COST, 10**9),)
    )
    engine.fallbacks = ("x/m", "b/m")
    one = call()
    await engine.engine.handle(one)
    assert [tried.target for tried in one.attempts] == ["a/m", "b/m"]


def cost_of(model: str, one: Exchange, written: int) -> int:
    """Return what is held for an answer, in microdollars, rounded up."""
    price = PRICES[model]
    read = len(one.body) // 4
    return -(-(read * price.input_microusd_per_mtok + written * price.output_microusd_per_mtok) // 10**6)


@pytest.mark.parametrize(("fits", "answers"), [("a/m", False), ("b/m", True)])
async def test_a_dearer_fallback_needs_more_of_the_same_budget(*, fits: str, answers: bool) -> None:
    """As much as the first attempt held is there for it, which used nothing, and the rest must be free."""
    one = call(max_tokens=100)
    engine = house(
        *(Double(DOWN, name="a"), Double(GOOD, name="b")), limits=(limit(Measure.COST, cost_of(fits, one, 100)),)
    )
    engine.fallbacks = ("b/m",)
    if answers:
        await engine.engine.handle(one)
    else:
        with pytest.raises(BudgetExceeded):
            await engine.engine.handle(one)
    assert nothing_is_held(engine)


async def test_a_retry_needs_nothing_more() -> None:
    """A budget for one answer pays for it."""
    one = call(max_tokens=100)
    engine = house(Double(FAILED, GOOD, name="a"), limits=(limit(Measure.COST, cost_of("a/m", one, 100)), cap("a", 1)))
    engine.recovery.policy = Policy(retries=1)
    await engine.engine.handle(one)
    assert len(one.attempts) == 2


async def test_each_answer_of_a_cascade_is_held_beside_the_others() -> None:
    """A member for which too little is left is passed over; an answer that was paid for is given if nobody is left."""
    doubles = [Double(whole(openai_answer("no json here")), name=name) for name in "abc"]
    one = call(model="thrifty", max_tokens=100)
    amount = cost_of("a/m", one, 100) + cost_of("b/m", one, 100)
    engine = house(*doubles, virtual=[THRIFTY], limits=(limit(Measure.COST, amount), cap("c")))
    await engine.engine.handle(one)
    assert [entry.model for entry in engine.entries] == ["a/m", "b/m"]
    assert dict(one.told)["x-narthex-check"] == "not_json"
    less = house(
        *[Double(whole(openai_answer("no json here")), name=name) for name in "abc"],
        virtual=[THRIFTY],
        limits=(limit(Measure.COST, cost_of("b/m", one, 100)),),
    )
    await less.engine.handle(call(model="thrifty", max_tokens=100))
    assert [entry.model for entry in less.entries] == ["a/m"]
    assert nothing_is_held(engine)
    assert nothing_is_held(less)


async def test_a_second_attempt_beside_the_first_needs_its_own() -> None:
    """Both may be billed; where its limit does not allow it, the first goes on alone."""
    for amount, seconds in ((0, 0), (1, 1)):
        first, second = Held(FIRST), Double(SECOND, name="b")
        engine = Hedged(first, second, policy=HedgePolicy(minimum_calls=1))
        engine.meters.adopt([cap("b", amount)])
        handled = asyncio.ensure_future(engine.engine.handle(exchange(CHAT)))
        await engine.turns()
        assert len(second.calls) == seconds
        first.gate.set()
        await handled
        await engine.settled()
        assert nothing_is_held(engine)


async def test_a_stream_is_not_gone_on_with_by_whom_a_limit_refuses() -> None:
    """It is by the next one, or ends in the error in which it would have ended."""
    frames = openai_frames("one two three four")
    for count, ends_well in ((2, False), (3, True)):
        doubles = [
            Double(streamed(frames[:4], error=CUT), name="a"),
            Double(name="b"),
            Double(streamed(openai_frames(" and the end")), name="c"),
        ]
        engine = house(*doubles[:count], limits=(cap("b"),))
        engine.fallbacks = ("b/m", "c/m")[: count - 1]
        answer = await engine.engine.handle(call(stream=True))
        await read(answer)
        assert (answer.error is None) is ends_well
        assert not doubles[1].calls
        assert nothing_is_held(engine)


async def test_the_limit_of_the_model_that_was_asked_first_counts_what_went_to_it() -> None:
    """And not what others used in its place: as the ledger has it, which is read after a restart."""
    engine = house(
        *(Double(DOWN, name="a"), Double(GOOD, name="b")),
        virtual=[VirtualModel(name="any", members=THRIFTY.members)],
        limits=(cap("a", 10**9, Measure.COST), cap("b", 10**9, Measure.COST)),
    )
    await engine.engine.handle(call(model="any"))
    cost = sum(entry.cost_picousd for entry in engine.entries)
    assert {one.limit.id: one.gauge.used for one in engine.meters.usage()} == {"lim_a": 0, "lim_b": cost}
    assert nothing_is_held(engine)


class Slow:
    """Meters that several processes share, and that take a while."""

    def __init__(self, meters: Meters) -> None:
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self._meters = meters

    async def reserve_further(self, wants: Wants) -> object:
        """Hold it in this process, once it may."""
        self.asked.set()
        await self.go_on.wait()
        return self._meters.reserve_further(wants)


async def test_a_call_that_ends_meanwhile_holds_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it gets when it is settled already is given back."""
    engine = house(Double(GOOD, name="a"), Double(name="b"), limits=(cap("b", 5), limit(Measure.COST, 10**9)))
    one = call()
    await engine.engine.handle(one)
    assert one.bill is not None
    slow = Slow(engine.meters)
    monkeypatch.setattr(engine.billing, "shared", slow)
    asking = asyncio.ensure_future(engine.billing.further(one, engine.catalog.resolve("b/m")))
    await slow.asked.wait()
    slow.go_on.set()
    assert await asking is None
    assert nothing_is_held(engine)


# -- all of it at once ------------------------------------------------------------------------------------------------

ASKED = ("a/m", "b/m", "thrifty", "cheapest")
CHEAPEST = VirtualModel(name="cheapest", members=THRIFTY.members, fallbacks=("d/m",))
WRITTEN = 40
"""Tokens that a call may be answered with."""


class Fickle(Double):
    """A provider that fails, breaks off, or answers well or badly, with as many tokens as it may or fewer."""

    def __init__(self, name: str, chance: Random) -> None:
        super().__init__(name=name)
        self._chance = chance

    async def send(self, call: Call) -> Reply:
        """Do any of it, after any time."""
        chance = self._chance
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        what = chance.random()
        if what < 0.35:
            raise DOWN if what < 0.2 else FAILED
        count = chance.randrange(1, WRITTEN)
        words = " ".join(["w"] * count)
        said = json.dumps({"a": words}) if what < 0.6 else words
        if not call.stream:
            return whole(openai_answer(said))
        frames = openai_frames(said)
        return streamed(frames[: len(frames) // 2], error=CUT) if what > 0.8 else streamed(frames)


def drawn(chance: Random) -> list[Limit]:
    """Return hard limits on models and on all calls, of all that is counted."""
    found: list[Limit] = []
    for model in ("a/m", "b/m", "c/m", "d/m", "*/m", "thrifty", "*"):
        for measure in (Measure.COST, Measure.TOKENS, Measure.REQUESTS, Measure.PARALLEL):
            if chance.random() < 0.2:
                most = {Measure.COST: 5_000, Measure.TOKENS: 1_000, Measure.REQUESTS: 20, Measure.PARALLEL: 20}[measure]
                kind = {"subject_kind": SubjectKind.ORGANISATION, "subject": "org_default"}
                subject = kind if model == "*" else {**MODEL, "subject": model}
                window = chance.choice(["calendar", "rolling"])
                more = {"period": Period.TOTAL} if window == "calendar" else {"period": Period.DAY, "window": window}
                if measure is Measure.PARALLEL:
                    more = {}
                amount = chance.randrange(1, most)
                found.append(limit(measure, amount, id=f"lim_{model}_{measure}", **subject, **more))
    return found


def price_of(model: str) -> Price:
    """Return a price, a different one for each model."""
    factor = 1 + "abcd".index(model[0])
    return Price(input_microusd_per_mtok=10**6 * factor, output_microusd_per_mtok=2 * 10**6 * factor)


def furnished(chance: Random) -> House:
    """Return an engine with providers, virtual models and prices."""
    doubles = [Fickle(name, chance) for name in "abcd"]
    engine = House(*doubles, price=price_of, virtual=[THRIFTY, CHEAPEST])
    engine.recovery.policy = Policy(retries=1)
    return engine


def spent(engine: House, limits: list[Limit]) -> dict[str, int]:
    """Return what the ledger has of each limit."""
    found = {one.id: 0 for one in limits}
    for entry in engine.entries:
        use = Use(LOCAL.account, entry.model, entry.model_asked)
        read, written = entry.input_tokens, entry.output_tokens
        amounts = (entry.requests, read, written, read + written, entry.cost_picousd, 0)
        for one, _ in engine.meters.matching.of(use):
            found[one.id] += amounts[place_of(one)]
    return found


def one_more(one: Limit) -> int:
    """Return the most that is reserved of a limit for one answer, from the dearest model."""
    return {Measure.COST: (60 * 4 + WRITTEN * 8) * 10**6, Measure.TOKENS: 60 + WRITTEN}.get(one.measure, 1)


def check_stand(stands: Iterable[LimitUsage]) -> None:
    """Make sure that nobody has passed a limit by more than one reservation."""
    for one in stands:
        assert one.gauge.used + one.gauge.reserved <= one.limit.units + one_more(one.limit), one


async def called(engine: House, chance: Random) -> None:
    """Make one call of any kind."""
    for _ in range(chance.randrange(20)):
        await asyncio.sleep(0)
    streams = chance.random() < 0.4
    one = call(model=chance.choice(ASKED), max_tokens=WRITTEN, stream=streams, stream_options={"include_usage": True})
    with suppress(NarthexError):
        answer = await engine.engine.handle(one)
        check_stand(engine.meters.usage())
        if chance.random() < 0.2:
            answer.cancel()
        await read(answer)


async def check_many(seed: int, url: str | None = None) -> Counter[str]:
    """Make many calls at once, and hold what limits have counted against the ledger; return what became of them."""
    chance = Random(seed)
    engine, limits = furnished(chance), drawn(chance)
    engine.meters.adopt(limits)
    tasks, shared = TaskKeeper(), None
    if url is not None:
        settings = LinkSettings(url=url, prefix=f"n{seed}", timeout_s=30)
        engine.billing.shared = shared = SharedMeters(settings, engine.meters)
        tasks.spawn(shared.courier.run())
    await asyncio.gather(*(called(engine, chance) for _ in range(25)))
    await engine.settled()
    if shared is not None:
        await shared.courier.flush()
    stands = list(engine.meters.usage()) if shared is None else await shared.usage()
    await tasks.aclose()
    check_stand(stands)
    assert not any(one.gauge.reserved for one in stands)
    ledger = spent(engine, limits)
    assert {one.limit.id: one.gauge.used for one in stands} == {one.limit.id: ledger[one.limit.id] for one in stands}
    return Counter(entry.way for entry in engine.entries)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_nobody_passes_a_limit_by_more_than_one_answer(seed: int) -> None:
    """Whoever is asked after whom, and whatever fails: and at the end each limit has what the ledger has."""
    asyncio.run(check_many(seed))


async def test_these_calls_go_every_way() -> None:
    """Else nothing would be said of them."""
    ways: Counter[str] = Counter()
    for seed in range(8):
        ways += await check_many(seed)
    assert {"first", "retry", "fallback", "cascade", "told"} <= ways.keys()


async def test_nobody_passes_a_limit_that_processes_share(tmp_path: Path) -> None:
    """The same, over Redis."""
    with running_redis(tmp_path) as server:
        for seed in range(3):
            await check_many(seed, server.url)
