"""What a call holds of limits for further targets, and what each limit is charged where several were asked.

A target that is asked after another one, or beside it, needs what it is likely to use itself: of the limits of its own
model all of it, of those that concern the whole call as much as is not held yet. What earlier attempts have used stays
held beside it, and what an attempt held that used nothing is there for the next one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from narthex.errors import NarthexError, PriceUnknown
from narthex.ledger.entries import Entry
from narthex.ledger.limits.further import Held, Wants
from narthex.ledger.limits.matching import Matching, Use
from narthex.ledger.limits.uses import Amounts, place_of
from narthex.pipeline.estimates import prompt_tokens
from narthex.pipeline.exchange import Exchange, Tried
from narthex.providers.catalog import Target
from narthex.types.dialects import Operation
from narthex.types.limits import Limit
from narthex.types.requests import ChatRequest
from narthex.types.usage import MAX_TOKENS, Usage

if TYPE_CHECKING:
    from narthex.ledger.prices import Priced
    from narthex.pipeline.billing import Bill, Billing

_CHAT: Final = Operation.CHAT
_COUNT: Final = Operation.COUNT_TOKENS
"""Compared in every call; a member of an enumeration costs more than a name."""
_CALL_ALONE: Final[Amounts] = (1, 0, 0, 0, 0, 1)

Found = tuple[tuple[Limit, str], ...]
"""Limits, each with the value under which it counts."""


def price_unknown(model: str) -> PriceUnknown:
    """Return the error of a model that has no price, where a budget has to know it."""
    return PriceUnknown(
        f"what {model!r} costs is not known, and a limit of money stands on this call: add its price to [prices] or "
        "with `narthex price add`, or ask for a model that has one",
        param="model",
    )


def needs_of(exchange: Exchange, target: Target, priced: Priced | None, guessed_output_tokens: int, /) -> Amounts:
    """Return what one answer of a target is likely to use."""
    written = 0
    if exchange.operation is _CHAT:
        written = _most_tokens(exchange, target, guessed_output_tokens)
    elif exchange.operation is _COUNT:
        return _CALL_ALONE
    read = prompt_tokens(exchange)
    cost = 0 if priced is None else priced.price.of_tokens(read, written)
    return (1, read, written, read + written, cost, 1)


def _most_tokens(exchange: Exchange, target: Target, guessed: int) -> int:
    """Return the most tokens that an answer may have, as the request or the model has it, or a guess."""
    head, facts = exchange.head, target.facts
    most = None if head is None else head.most_tokens
    if most is None:
        request = exchange.given_request
        most = request.max_output_tokens if isinstance(request, ChatRequest) else None
    limit = None if facts is None else facts.max_output_tokens
    # No answer is longer, whatever a request says.
    return min(guessed if most is None else most, MAX_TOKENS if limit is None else limit)


def own_usage(tried: Tried) -> Usage | None:
    """Return what an attempt consumed for itself; None if that is not known of it alone."""
    if tried.usage is not None:
        return tried.usage
    return Usage(input_tokens=tried.input_tokens, estimated=True) if tried.input_tokens else None


class Further:
    """Holds what a call needs for a further target."""

    def __init__(self, billing: Billing) -> None:
        self._billing = billing

    async def __call__(
        self, exchange: Exchange, target: Target, *, beside: Target | None = None
    ) -> NarthexError | None:
        """Hold what a target needs that is to be asked next; return why it may not be asked, if so.

        Args:
            exchange: The call.
            target: Whom to ask.
            beside: Who is being asked, and may still answer.

        If cancelled, nothing more is held.
        """
        billing, bill = self._billing, exchange.bill
        matching = billing.meters.matching
        if bill is None or not matching.limits or exchange.shadow_of is not None:
            return None
        found = matching.found(billing.use(exchange, bill, target.name))
        is_free = exchange.operation is Operation.COUNT_TOKENS
        has_budget = any(limit.hard and limit.is_money for limit, _ in found)
        if has_budget and not is_free and billing.priced(bill, target.name) is None:
            return price_unknown(target.name)
        wants = self._wants(exchange, bill, found, [target] if beside is None else [target, beside])
        return await self._hold(bill, wants) if wants else None

    async def _hold(self, bill: Bill, wants: Wants) -> NarthexError | None:
        billing = self._billing
        more: Held
        try:
            if billing.shared is None:
                more = billing.meters.reserve_further(wants)
            else:
                more = await billing.shared.reserve_further(wants)
        except NarthexError as error:
            return error
        if bill.closed:
            # It has ended meanwhile, and what it held is settled.
            more.release()
        bill.further = (*bill.further, more)
        return None

    def _wants(self, exchange: Exchange, bill: Bill, found: Found, asked: Sequence[Target]) -> Wants:
        """Return what is to be held beside what is held: with it, there is enough for all that was and is asked."""
        needed: dict[tuple[str, str], int] = defaultdict(int)
        for model, amounts in self._expected(exchange, bill, asked):
            for limit, value in self._billing.meters.matching.found(self._billing.use(exchange, bill, model)):
                needed[limit.id, value] += amounts[place_of(limit)]
        held: dict[tuple[str, str], int] = {}
        for one in bill.holds():
            for limit, value, amount in one.holds():
                held[limit.id, value] = held.get((limit.id, value), 0) + amount
        wants: list[tuple[Limit, str, int]] = []
        for limit, value in found:
            key = (limit.id, value)
            more = needed[key] - held.get(key, 0)
            if more > 0 or key not in held:
                wants.append((limit, value, more))
        return tuple(wants)

    def _expected(self, exchange: Exchange, bill: Bill, asked: Iterable[Target]) -> Iterator[tuple[str, Amounts]]:
        """Yield what is used already, and what is likely to be, each with its model; a call counts once."""
        once = 1
        for target in asked:
            _, *amounts, _ = self._billing.needs(exchange, bill, target)
            read, written, tokens, cost = amounts
            yield target.name, (once, read, written, tokens, cost, once)
            once = 0
        for tried in exchange.attempts:
            own = own_usage(tried)
            if own is not None:
                priced = self._billing.priced(bill, tried.target)
                cost = 0 if priced is None else priced.price.picousd(own)
                yield tried.target, (0, own.input_tokens, own.output_tokens, own.total_tokens, cost, 0)


def settle_each(billing: Billing, exchange: Exchange, bill: Bill, entries: Iterable[Entry]) -> None:
    """Charge each limit what went to the models that it is about, whether or not anything was held of it."""
    matching = billing.meters.matching
    used, limits = _used(billing, exchange, bill, entries, matching)

    def take(limit: Limit, value: str) -> int:
        return used.pop((limit.id, value), 0)

    for held in bill.holds():
        held.settle_each(take)
    meters = billing.meters if billing.shared is None else billing.shared
    meters.charge(tuple((limits[key], key[1], amount) for key, amount in used.items() if amount))


def _used(
    billing: Billing, exchange: Exchange, bill: Bill, entries: Iterable[Entry], matching: Matching
) -> tuple[dict[tuple[str, str], int], Mapping[tuple[str, str], Limit]]:
    used: dict[tuple[str, str], int] = defaultdict(int)
    limits: dict[tuple[str, str], Limit] = {}
    for entry in entries:
        read, written = entry.input_tokens, entry.output_tokens
        amounts: Amounts = (entry.requests, read, written, read + written, entry.cost_picousd, 0)
        use: Use = billing.use(exchange, bill, entry.model)
        for limit, value in matching.found(use):
            used[limit.id, value] += amounts[place_of(limit)]
            limits[limit.id, value] = limit
    return used, limits
