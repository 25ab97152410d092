"""What is written down of calls that were answered from the cache: they cost nothing, and what they would have cost."""

from __future__ import annotations

from time import monotonic

from narthex.errors import NarthexError
from narthex.ledger.entries import Entry
from narthex.ledger.money import usd
from narthex.pipeline.billing import Bill, Billing, Ledger
from narthex.pipeline.cached_answers import Hit
from narthex.pipeline.exchange import Exchange
from narthex.types.usage import Usage


class Saving:
    """Writes down what was saved."""

    def __init__(self, billing: Billing, ledger: Ledger) -> None:
        """Take what knows who pays how much, and where that is written down."""
        self._billing = billing
        self._ledger = ledger

    def cost_of(self, exchange: Exchange, usage: Usage) -> int:
        """Return what the answer to a call costs that consumed so much, in picodollars; 0 where that is not known."""
        priced = self._billing.bill_of(exchange).priced
        return 0 if priced is None else priced.price.picousd(usage.plausible())

    def note(self, exchange: Exchange, hit: Hit, error: NarthexError | None) -> None:
        """Write down that an answer was given again; with `error` it was not given to its end."""
        bill = self._billing.bill_of(exchange)
        saved = _worth(exchange, hit, bill) if error is None else 0
        self._ledger.settled(f"{exchange.id}:saved", (_entry(exchange, hit, bill, error, saved),))
        answer = exchange.answer
        if exchange.bill is None and answer is not None and answer.whole:
            exchange.told = (*exchange.told, ("x-narthex-cost", usd(0)))


def _worth(exchange: Exchange, hit: Hit, bill: Bill) -> int:
    if hit.picousd is not None:
        return hit.picousd
    usage = exchange.consumed
    return 0 if usage is None or bill.priced is None else bill.priced.price.picousd(usage.plausible())


def _entry(exchange: Exchange, hit: Hit, bill: Bill, error: NarthexError | None, saved_picousd: int) -> Entry:
    """By position, in the order of the fields, as all entries are made."""
    name = exchange.id
    # Behind the attempts that failed before it was given in their place.
    number = len(exchange.attempts) or (1 if exchange.bill is not None else 0)
    code = "ok" if error is None else error.code
    return Entry(
        *(f"{name}:{number}", bill.at_ms, "cache", "settled" if error is None else "cut", name, number, hit.kind),
        *bill.who,
        *bill.what,
        code,
        *(0, 0, 0, 0, 0, 0),
        False,
        "" if bill.priced is None else bill.priced.id,
        0,
        saved_picousd,
        int((monotonic() - exchange.received_at) * 1_000),
    )
