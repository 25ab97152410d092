"""Amounts of money: whole picodollars inside, exact outside."""

from __future__ import annotations

from typing import Final

PICO_PER_MICRO: Final = 1_000_000
PICO_PER_USD: Final = 1_000_000_000_000


def usd(picousd: int) -> str:
    """Return an amount in US dollars as an exact decimal, without an exponent: `0.000123`, `-2.5`, `0`."""
    if 0 < picousd < PICO_PER_USD:
        # What nearly every call costs, at a third of the price of what is below.
        return "0." + str(picousd).rjust(12, "0").rstrip("0")
    if not picousd:
        return "0"
    whole, rest = divmod(abs(picousd), PICO_PER_USD)
    sign = "-" if picousd < 0 else ""
    return f"{sign}{whole}.{rest:012d}".rstrip("0").rstrip(".")


def microusd(picousd: int) -> int:
    """Return an amount in whole millionths of a US dollar; halves are rounded away from zero."""
    rounded = (abs(picousd) + PICO_PER_MICRO // 2) // PICO_PER_MICRO
    return -rounded if picousd < 0 else rounded
