"""A second attempt is made when the first is late, to whom that may help, and no oftener than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from narthex.config.settings import HedgingSettings
from narthex.errors import (
    InvalidRequest,
    ProviderError,
)
from narthex.pipeline.hedging import MAX_TRACKED, HedgePolicy
from narthex.resilience.breakers import BreakerState
from narthex.resilience.decisions import Policy
from narthex.resilience.latency import HedgeBudget
from narthex.testing.wires import openai_embeddings, openai_frames
from narthex.types.dialects import Dialect, Operation
from tests.pipeline.doubles import CHAT, Double, exchange, read, streamed, whole
from tests.pipeline.hedged import FIRST, GONE, SECOND, STREAM, USUAL_S, Hedged, Held, story

# -- when --------------------------------------------------------------------------------------------------------------


async def test_nothing_is_late_while_too_little_is_known() -> None:
    """Before so many answers were seen no second model is asked, however long the first takes."""
    running = Hedged(Double(*[FIRST] * 21), known=False)
    for _ in range(20):
        await running.engine.handle(exchange(CHAT))
        assert running.late.waits == []
    await running.engine.handle(exchange(CHAT))
    assert len(running.late.waits) == 1


async def test_no_call_is_late_before_the_least_time() -> None:
    """A model that answers in a millisecond is not hedged after two."""
    running = Hedged(Double(FIRST), known=False, policy=HedgePolicy(least_s=0.25))
    for _ in range(20):
        running.observe(0.001)
    await running.engine.handle(exchange(CHAT))
    assert running.late.waits == [0.25]


async def test_whole_answers_and_streams_are_timed_apart() -> None:
    """A first frame comes sooner than a whole answer: neither tells when the other is late."""
    running = Hedged(Double(FIRST, streamed(openai_frames("Hello."))), known=False)
    asked = exchange(STREAM)
    asked.read_head()
    for _ in range(20):
        running.hedger.observe(asked, running.catalog.resolve("up/m"), 3.0)
    await running.engine.handle(exchange(CHAT))
    assert running.late.waits == []
    await read(await running.engine.handle(exchange(STREAM)))
    assert running.late.waits == [pytest.approx(3.0, rel=0.06)]


async def test_what_was_let_go_still_counts_as_late() -> None:
    """Were the times of losers left out, ever quicker answers would pass for late."""
    running = Hedged(Held(), Double(*[SECOND] * 400, name="b"), known=False, policy=HedgePolicy(quantile=0.5))
    # As timers may be, and as rounding makes of a time that is added to a clock and taken off again.
    running.late.early_s = 1e-6
    for seconds in (0.4, 0.6) * 10:
        running.observe(seconds)
    for _ in range(400):
        await running.engine.handle(exchange(CHAT))
    assert running.late.waits[-1] >= running.late.waits[0] * 0.99


async def test_quick_failures_say_nothing_of_the_time() -> None:
    """A model that refuses at once does not make its answers look late."""
    running = Hedged(Double(*[GONE] * 50), known=True)
    running.recovery.policy = Policy(retries=0)
    for _ in range(4):
        with pytest.raises(ProviderError):
            await running.engine.handle(exchange(CHAT))
    assert running.late.waits[-1] == running.late.waits[0]


async def test_balancing_hears_of_a_slow_model() -> None:
    """How long the loser took at least is known to who shares calls out by latency."""
    running = Hedged(Held(), Double(SECOND, name="b"))
    await running.engine.handle(exchange(CHAT))
    assert running.figures.latency_s("up/m") == pytest.approx(USUAL_S, rel=0.1)


# -- whom, and how often -----------------------------------------------------------------------------------------------


async def test_a_spent_budget_refuses() -> None:
    """Then the first attempt is waited for as ever, and the refusal is counted."""
    up, other = Held(FIRST), Double(SECOND, name="b")
    running = Hedged(up, other)
    running.hedger.budget = HedgeBudget(0.05)
    made = exchange(CHAT)
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    up.gate.set()
    assert b"From the first." in (await call).body
    assert (made.attempts, other.calls, running.hedger.counters.refused) == ((), [], 1)


async def test_a_twentieth_of_the_calls_is_hedged_at_most() -> None:
    """Where every call is late, the load on the second model stays at its part."""
    up, other = Held(*[FIRST] * 400), Double(*[SECOND] * 400, name="b")
    running = Hedged(up, other)
    running.hedger.budget = HedgeBudget(0.05)

    def late_then_let_go(_seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        up.gate.clear()
        asyncio.get_running_loop().call_soon(call)
        return asyncio.get_running_loop().call_later(0.001, up.gate.set)

    running.hedger.later = late_then_let_go
    for _ in range(400):
        await running.engine.handle(exchange(CHAT))
    assert 18 <= len(other.calls) <= 20
    assert running.hedger.counters.begun == len(other.calls)


async def test_who_is_left_alone_is_not_asked() -> None:
    """A model whose breaker is open is passed over; where nobody is left nothing is spent."""
    up, other, third = Held(FIRST), Double(name="b"), Double(SECOND, name="c")
    running = Hedged(up, other, third)
    running.recovery.board.force("b/m", BreakerState.FORCED_OPEN)
    made = exchange(CHAT)
    await running.engine.handle(made)
    assert story(made)[1] == ("c/m", "hedge", None)
    running.recovery.board.force("c/m", BreakerState.FORCED_OPEN)
    call = asyncio.ensure_future(running.engine.handle(exchange(CHAT)))
    await running.turns()
    up.gate.set()
    assert (await call).whole
    assert (running.hedger.budget.hedged, running.hedger.counters.refused) == (1, 0)


async def test_a_target_is_never_its_own_hedge() -> None:
    """Where the chain names only the model itself nobody is asked."""
    up = Held(FIRST)
    running = Hedged(up)
    running.fallbacks = ("up/m",)
    call = asyncio.ensure_future(running.engine.handle(exchange(CHAT)))
    await running.turns()
    up.gate.set()
    assert (await call).whole
    assert len(up.calls) == 1


async def test_a_second_attempt_has_the_time_that_is_left() -> None:
    """Both attempts share the time of the call; where none is left no second one begins."""
    other = Double(SECOND, name="b")
    running = Hedged(Held(), other)
    await running.engine.handle(exchange(CHAT, headers={b"x-narthex-timeout": b"7"}))
    assert 0 < other.calls[0].timeouts.total_s < 7
    up = Held(FIRST)
    running = Hedged(up, other)
    made = exchange(CHAT, headers={b"x-narthex-timeout": b"0.000001"})
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    up.gate.set()
    await call
    assert len(other.calls) == 1


@pytest.mark.parametrize(
    ("header", "asked_only", "hedged"),
    [(None, False, True), (None, True, False), (b"on", True, True), (b"OFF", False, False), (b" on ", False, True)],
)
async def test_callers_have_a_say(header: bytes | None, asked_only: bool, hedged: bool) -> None:
    """A caller may spare itself a second attempt, or be the only one to get it."""
    up = Held(FIRST)
    running = Hedged(up, Double(SECOND, name="b"), policy=HedgePolicy(asked_only=asked_only))
    running.hedger.budget = HedgeBudget(1.0)
    made = exchange(CHAT, headers={} if header is None else {b"x-narthex-hedge": header})
    call = asyncio.ensure_future(running.engine.handle(made))
    await running.turns()
    up.gate.set()
    await call
    assert (running.hedger.counters.begun == 1) is hedged


async def test_a_header_that_says_neither_is_refused() -> None:
    """The caller hears what it may say."""
    up = Double(FIRST)
    running = Hedged(up)
    with pytest.raises(InvalidRequest, match="neither `on` nor `off`") as raised:
        await running.engine.handle(exchange(CHAT, headers={b"x-narthex-hedge": b"maybe"}))
    assert (raised.value.param, up.calls) == ("x-narthex-hedge", [])


async def test_embeddings_are_hedged_and_counts_are_not() -> None:
    """Vectors may come from whom the configuration names; counting is quick, and nothing is gained."""
    vectors = whole(openai_embeddings([[1.0]]))
    running = Hedged(Held(), Double(vectors, name="b"))
    asked = {"model": "up/m", "input": "Hi"}
    made = exchange(asked, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED)
    await running.engine.handle(made)
    assert story(made)[1] == ("b/m", "hedge", None)
    counted = exchange(CHAT, dialect=Dialect.ANTHROPIC_COUNT_TOKENS, operation=Operation.COUNT_TOKENS)
    for _ in range(30):
        running.hedger.observe(counted, running.catalog.resolve("up/m"), 0.1)
    waits = len(running.late.waits)
    await running.engine.handle(counted)
    assert len(running.late.waits) == waits


async def test_settings_are_followed_at_once() -> None:
    """What is known of models is kept, but for a change of what is to be known; a budget that stays is not refilled."""
    hedger = Hedged(Double()).hedger
    budget = hedger.budget
    assert hedger.by(HedgingSettings()) is None
    assert hedger.by(HedgingSettings(enabled=True, least_s=0.2, asked_only=True)) is hedger
    assert (hedger.policy, hedger.budget) == (HedgePolicy(least_s=0.2, asked_only=True), budget)
    assert len(hedger._times) == 3
    hedger.by(HedgingSettings(enabled=True, percent=7))
    assert (hedger.budget is budget, len(hedger._times)) == (False, 3)
    hedger.by(HedgingSettings(enabled=True, percent=7, quantile=90))
    assert (len(hedger._times), hedger.policy) == (0, HedgePolicy(ratio=0.07, quantile=0.9))


@pytest.mark.parametrize("tools", [[{"type": "web_search_20250305"}], [{"type": "function"}]])
async def test_what_a_provider_does_by_itself_is_not_done_twice(tools: list[object]) -> None:
    """A call whose provider acts for it is left with the first; tools that the caller runs are only asked for."""
    up = Held(FIRST)
    running = Hedged(up, Double(SECOND, name="b"))
    call = asyncio.ensure_future(running.engine.handle(exchange({**CHAT, "tools": tools})))
    await running.turns()
    up.gate.set()
    await call
    assert running.hedger.counters.begun == (0 if tools[0] != {"type": "function"} else 1)


async def test_what_is_known_has_a_bound() -> None:
    """However many names are asked for, the times of so many are kept, the newest."""
    hedger = Hedged(Double()).hedger
    running = Hedged(Double())
    for number in range(MAX_TRACKED + 10):
        hedger.observe(exchange(CHAT), running.catalog.resolve(f"up/{number}"), 0.1)
    assert len(hedger._times) == MAX_TRACKED
    assert ("up/0", Operation.CHAT, False) not in hedger._times
