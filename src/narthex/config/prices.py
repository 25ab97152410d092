"""The configured prices, and what cannot hold in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from narthex.config.settings import Settings
from narthex.routing.budgets import check_prices
from narthex.routing.virtual import Contradiction, Unknown
from narthex.types.catalog import Price

_MICRO: Final = 1_000_000
_MONEY: Final = ("_usd", "_usd_per_mtok")
"""How the names of amounts of money end."""
EMBEDDED = "local"
"""The provider of the models inside, which cost nothing."""
NOTHING = Price(input_microusd_per_mtok=0, output_microusd_per_mtok=0)


def prices(settings: Settings) -> Mapping[str, Price]:
    """Return what models cost, by `provider/model`, in whole microdollars for a million tokens."""
    return {
        name: Price(
            input_microusd_per_mtok=_micro(given.input_usd_per_mtok),
            output_microusd_per_mtok=_micro(given.output_usd_per_mtok),
            cache_read_microusd_per_mtok=_micro_or_none(given.cache_read_usd_per_mtok),
            cache_write_microusd_per_mtok=_micro_or_none(given.cache_write_usd_per_mtok),
            cache_write_1h_microusd_per_mtok=_micro_or_none(given.cache_write_1h_usd_per_mtok),
            reasoning_microusd_per_mtok=_micro_or_none(given.reasoning_usd_per_mtok),
            request_microusd=_micro(given.request_usd),
            image_microusd=_micro(given.image_usd),
            audio_second_microusd=_micro(given.audio_second_usd),
            batch_discount_percent=given.batch_discount_percent,
        )
        for name, given in settings.prices.items()
    }


def _micro(usd: float) -> int:
    return round(_exact_micro(usd))


def _exact_micro(usd: float) -> Decimal:
    """Return microdollars, of the price as it is written: what that is in binary is no part of it."""
    return Decimal(repr(usd)) * _MICRO


def _micro_or_none(usd: float | None) -> int | None:
    return None if usd is None else _micro(usd)


def price_problems(settings: Settings, *, unknown: Unknown) -> Iterator[Contradiction]:
    """Yield what cannot hold in prices, what would have to be rounded, and which members of paced models have none.

    Args:
        settings: The whole configuration.
        unknown: Why a name leads to no model.
    """
    for name in settings.prices:
        if "/" not in name:
            yield ("prices", name), f'"{name}" is no `provider/model`; prices are not known by aliases'
        elif reason := unknown(name):
            yield ("prices", name), reason
    yield from _too_fine(settings)
    known = prices(settings)

    def price_of(name: str) -> Price | None:
        return known.get(name) or (NOTHING if name.partition("/")[0] == EMBEDDED else None)

    for name, virtual in settings.virtual.items():
        if virtual.strategy == "paced":
            yield from check_prices(("virtual", name), [member.model for member in virtual.members], price_of)


def _too_fine(settings: Settings) -> Iterator[Contradiction]:
    for name, given in settings.prices.items():
        figures: dict[str, float | None] = given.model_dump()
        for field, usd in figures.items():
            if usd is not None and field.endswith(_MONEY) and _exact_micro(usd) % 1:
                why = f"{usd!r} is finer than a millionth of a US dollar, and no price is rounded in silence"
                yield ("prices", name, field), f"{why}: give at most six decimal places"
