"""What a provider says that was used or billed, by day and model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from narthex.errors import InvalidRequest
from narthex.ledger.money import PICO_PER_USD
from narthex.ledger.periods import DAY_MS, moment_of

MEASURES: Final = ("cost_picousd", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
"""What may be told, by the names of the ledger: parts of the input are included in it."""
_MOST: Final = Decimal(10) ** 9


class Line(NamedTuple):
    """What was used of one model on one day; several may be about the same."""

    provider: str
    """As the ledger calls it; empty where the statement does not tell."""
    day: int
    """Its beginning in UTC, in milliseconds of Unix time."""
    model: str
    """As the provider calls it; empty where the statement does not tell models apart."""
    amounts: Mapping[str, int]
    """Those of `MEASURES` that are told."""


class Statement(NamedTuple):
    """A statement, as it was read."""

    form: str
    lines: tuple[Line, ...]
    days: frozenset[int]
    """Which days it is about: those without a line too, on which it says that nothing was used."""


def day_of(said: object) -> int:
    """Return the day in which a moment lies, given as text or in seconds of Unix time.

    Raises:
        InvalidRequest: It is no moment.
    """
    return moment_of(str(said).strip().removesuffix(" UTC"), param="statement") // DAY_MS * DAY_MS


def money_of(amount: object, currency: object, *, per_usd: int = 1) -> int:
    """Return an amount in picodollars.

    Args:
        amount: As it is written.
        currency: Its currency; dollars if it is empty.
        per_usd: How many of its units make a dollar.

    Raises:
        InvalidRequest: It is no amount, or not in US dollars: no rate of exchange is known here.
    """
    if str(currency or "USD").upper() != "USD":
        raise InvalidRequest(f"the statement is in {currency!r}: only US dollars can be held against the ledger")
    try:
        value = Decimal(str(amount).strip().lstrip("$"))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value) > _MOST:
        raise InvalidRequest(f"the statement has {str(amount)[:50]!r} where an amount of money is expected")
    return int((value * PICO_PER_USD / per_usd).to_integral_value())


def count_of(said: object) -> int:
    """Return a number of tokens.

    Raises:
        InvalidRequest: It is none.
    """
    try:
        value = Decimal(str(said).strip().replace(",", "") or "0")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value != value.to_integral_value() or not 0 <= value <= 10**15:
        raise InvalidRequest(f"the statement has {str(said)[:50]!r} where a number of tokens is expected")
    return int(value)


def summed(lines: Iterator[Line] | tuple[Line, ...]) -> Mapping[tuple[str, int, str], dict[str, int]]:
    """Return what is told of each model on each day, all lines about it together."""
    found: dict[tuple[str, int, str], dict[str, int]] = {}
    for provider, day, model, amounts in lines:
        known = found.setdefault((provider, day, model), {})
        for name, amount in amounts.items():
            known[name] = known.get(name, 0) + amount
    return found
