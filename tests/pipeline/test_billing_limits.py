"""What calls hold of limits before they go out, and what is counted when they have ended."""

from __future__ import annotations

import pytest

from narthex.errors import (
    BudgetExceeded,
    LedgerUnavailable,
    LimitExceeded,
    NarthexError,
    PriceUnknown,
)
from narthex.ledger.entries import Opened
from narthex.ledger.limits.meters import Reservation
from narthex.pipeline.stages.reserve import Reserve
from narthex.testing.wires import openai_answer
from narthex.types.catalog import Price
from narthex.types.dialects import Dialect, Operation
from narthex.types.limits import Measure, SubjectKind
from narthex.types.usage import MAX_TOKENS
from tests.pipeline.billed import DOWN, PRICES, call, house, limit
from tests.pipeline.doubles import OPENAI, Double, House, exchange, whole


async def test_what_cannot_be_noted_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the reason is."""
    engine = house(Double(whole(openai_answer("hello")), name="a"), limits=(limit(Measure.REQUESTS, 1),))
    billing = engine.stage(Reserve)._billing

    def broken(*_: object) -> None:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr(billing._ledger, "opened", broken)
        with pytest.raises(NarthexError):
            await engine.engine.handle(call())
    await engine.engine.handle(call())


async def test_a_limit_refuses_before_anything_goes_out() -> None:
    """And leaves no entry, as there was no attempt."""
    double = Double(whole(openai_answer("one")), whole(openai_answer("two")), name="a")
    engine = house(double, limits=(limit(Measure.REQUESTS, 1),))
    await engine.engine.handle(call())
    with pytest.raises(LimitExceeded):
        await engine.engine.handle(call())
    assert len(double.calls) == 1
    assert len(engine.entries) == 1


async def test_the_limit_of_a_model_counts_what_came_to_it_by_a_fallback() -> None:
    """Once, and a limit that concerns both counts it once too: as the ledger has it, which is read after a restart."""
    model = {"subject_kind": SubjectKind.MODEL}
    engine = house(
        *(Double(DOWN, name="a"), Double(whole(openai_answer("hello")), name="b")),
        limits=(
            *(limit(Measure.COST, 10**9, subject="b/m", **model), limit(Measure.COST, 10**9, id="lim_2")),
            limit(Measure.REQUESTS, 10**9, id="lim_3", subject="*/m", **model),
            limit(Measure.REQUESTS, 10**9, id="lim_4", subject="b/*", **model),
        ),
    )
    engine.fallbacks = ("b/m",)
    await engine.engine.handle(call())
    cost = sum(entry.cost_picousd for entry in engine.entries)
    stands = {one.limit.id: one.gauge.used for one in engine.meters.usage()}
    assert stands == {"lim_1": cost, "lim_2": cost, "lim_3": 1, "lim_4": 1}
    assert cost


async def test_what_was_held_and_not_used_is_given_back() -> None:
    """A budget holds an estimate while a call is under way, and what it cost afterwards."""
    engine = house(
        Double(whole(openai_answer("one")), whole(openai_answer("two")), name="a"),
        limits=(limit(Measure.COST, 4_000),),
    )
    for _ in range(2):
        await engine.engine.handle(call(max_tokens=1_000))
    (stands,) = engine.meters.usage()
    assert stands.gauge.reserved == 0
    assert stands.gauge.used == sum(entry.cost_picousd for entry in engine.entries) > 0
    with pytest.raises(BudgetExceeded):
        await engine.engine.handle(call(max_tokens=2_000))


async def test_a_budget_refuses_what_has_no_price() -> None:
    """It could not be kept; the message names the remedy, and nothing stays held."""
    engine = House(Double(whole(openai_answer("one")), name="a"), limits=(limit(Measure.COST, 1_000),))
    with pytest.raises(PriceUnknown, match=r"\[prices\]"):
        await engine.engine.handle(call())
    (stands,) = engine.meters.usage()
    assert (stands.gauge.used, stands.gauge.reserved) == (0, 0)


async def test_counting_tokens_holds_nothing_and_costs_nothing() -> None:
    """A budget that is spent does not refuse it, nor one where nobody knows a price; nor does it cost when killed."""
    body = {"model": "a/m", "messages": [{"role": "user", "content": "hi " * 1_000}]}
    for price in (PRICES.get, lambda _model: None):
        limits = (limit(Measure.COST, 1), limit(Measure.INPUT_TOKENS, 5, id="lim_2"))
        engine = House(Double(dialects=OPENAI, name="a"), limits=limits, price=price)
        one = exchange(body, dialect=Dialect.ANTHROPIC_COUNT_TOKENS, operation=Operation.COUNT_TOKENS)
        await engine.engine.handle(one)
        (begun,), (entry,) = engine.pages.calls.values(), engine.entries
        assert (begun.input_tokens, begun.cost_picousd) == (0, 0)
        assert (entry.status, entry.input_tokens, entry.cost_picousd) == ("settled", 0, 0)
        assert [(one.gauge.used, one.gauge.reserved) for one in engine.meters.usage()] == [(0, 0), (0, 0)]


async def test_no_answer_is_longer_than_can_be_counted() -> None:
    """Whatever number a request brings: a limit that only tells counts with it, and nothing breaks."""
    engine = house(
        Double(whole(openai_answer("one")), name="a"), limits=(limit(Measure.OUTPUT_TOKENS, 10, hard=False),)
    )
    one = call(max_tokens=10**300)
    await engine.engine.handle(one)
    assert one.bill is not None
    assert isinstance(one.bill.held, Reservation)
    assert one.bill.held._held[2] == MAX_TOKENS


async def test_what_cannot_be_written_down_does_not_go_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """And holds nothing."""
    double = Double(whole(openai_answer("one")), name="a")
    engine = house(double, limits=(limit(Measure.COST, 100_000),))

    def full(_call: Opened, _price: Price | None) -> None:
        raise LedgerUnavailable

    monkeypatch.setattr(engine.pages, "opened", full)
    with pytest.raises(LedgerUnavailable):
        await engine.engine.handle(call())
    assert not double.calls
    (stands,) = engine.meters.usage()
    assert stands.gauge.reserved == 0
