"""An engine whose models have prices, calls to them, and limits on these."""

from __future__ import annotations

import msgspec

from narthex.errors import Failure, ProviderError
from narthex.pipeline.exchange import Exchange
from narthex.types.catalog import Price
from narthex.types.limits import Limit, Measure, Period, SubjectKind
from tests.pipeline.doubles import CHAT, Double, House, exchange

PRICES = {
    "a/m": Price(input_microusd_per_mtok=1_000_000, output_microusd_per_mtok=3_000_000),
    "b/m": Price(input_microusd_per_mtok=7_000_000, output_microusd_per_mtok=9_000_000),
}
DOWN = ProviderError("down", provider="a", failure=Failure.CONNECT, retryable=True)


def house(*doubles: Double, limits: tuple[Limit, ...] = (), **more: object) -> House:
    """Return an engine whose models have prices."""
    return House(*doubles, price=PRICES.get, limits=limits, **more)  # type: ignore[arg-type]  # passed on


def limit(measure: Measure, amount: int, **more: object) -> Limit:
    """Return a limit on every call of the default organisation."""
    plain = Limit(
        id="lim_1",
        subject_kind=SubjectKind.ORGANISATION,
        subject="org_default",
        measure=measure,
        amount=amount,
        period=Period.MONTH,
    )
    return msgspec.structs.replace(plain, **more)


def call(**more: object) -> Exchange:
    """Return a call for `a/m`."""
    return exchange({**CHAT, "model": "a/m", **more})
