"""Nothing goes out that nobody pays for."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from narthex.errors import LimitExceeded, LimitsUnreachable
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.reserve import Reserve
from narthex.tenancy.keys import Caller
from narthex.types.accounts import Account
from narthex.types.limits import Limit, Measure, Period, SubjectKind
from tests.pipeline.doubles import CHAT, Double, House, exchange

NOTHING = Limit(
    id="lim_1",
    subject_kind=SubjectKind.ORGANISATION,
    subject="org_default",
    measure=Measure.REQUESTS,
    amount=0,
    period=Period.DAY,
)


async def onward(exchange: Exchange) -> None:
    """Take what goes out."""
    assert exchange.bill is not None


async def test_a_call_has_a_bill_before_it_goes_out() -> None:
    """And stands in the ledger."""
    house = House(Double(name="a"))
    call = exchange({**CHAT, "model": "a/m"})
    call.read_head()
    call.target = house.catalog.resolve("a/m")
    await Reserve(house.billing)(call, onward)
    assert list(house.pages.calls) == [call.id]


async def test_copies_are_charged_and_not_limited() -> None:
    """No caller waits for one, so none is refused."""
    house = House(Double(name="a"), limits=[NOTHING])
    call = exchange({**CHAT, "model": "a/m"})
    call.target = house.catalog.resolve("a/m")
    call.shadow_of = "req_1"
    await Reserve(house.billing, limited=False)(call, onward)
    assert call.bill is not None
    assert call.bill.kind == "shadow"
    with pytest.raises(LimitExceeded):
        await Reserve(house.billing)(call, onward)


async def test_limits_wait_until_it_is_known_what_was_used_of_them() -> None:
    """A budget does not begin anew with the process; who has none waits for nothing."""
    house = House(Double(name="a"), limits=[NOTHING])
    house.billing.ready.clear()
    call = exchange({**CHAT, "model": "a/m"})
    call.target = house.catalog.resolve("a/m")
    waiting = asyncio.ensure_future(Reserve(house.billing)(call, onward))
    await asyncio.sleep(0)
    assert not waiting.done()
    house.billing.ready.set()
    with pytest.raises(LimitExceeded):
        await waiting


async def test_who_has_limits_is_refused_where_it_cannot_be_known_what_was_used() -> None:
    """And holds nothing; others go on."""
    house = House(Double(name="a"), limits=[msgspec.structs.replace(NOTHING, amount=5)])
    house.billing.broken = LimitsUnreachable()
    call = exchange({**CHAT, "model": "a/m"})
    call.target = house.catalog.resolve("a/m")
    with pytest.raises(LimitsUnreachable):
        await Reserve(house.billing)(call, onward)
    (stands,) = house.meters.usage()
    assert (stands.gauge.used, stands.gauge.reserved) == (0, 0)
    other = exchange({**CHAT, "model": "a/m"})
    other.target = call.target
    other.caller = Caller(name="other", account=Account(organisation_id="org_other"))
    await Reserve(house.billing)(other, onward)
