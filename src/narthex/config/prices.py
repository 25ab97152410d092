"""The configured prices, and what cannot hold in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from narthex.config.settings import Settings
from narthex.routing.budgets import check_prices
from narthex.routing.virtual import Contradiction, Unknown
from narthex.types.catalog import Price

EMBEDDED = "local"
"""The provider of the models inside, which cost nothing."""
NOTHING = Price(input_microusd_per_mtok=0, output_microusd_per_mtok=0)


def prices(settings: Settings) -> Mapping[str, Price]:
    """Return what models cost, by `provider/model`, in whole microdollars for a million tokens."""
    return {
        name: Price(
            input_microusd_per_mtok=round(given.input_usd_per_mtok * 1_000_000),
            output_microusd_per_mtok=round(given.output_usd_per_mtok * 1_000_000),
        )
        for name, given in settings.prices.items()
    }


def price_problems(settings: Settings, *, unknown: Unknown) -> Iterator[Contradiction]:
    """Yield what cannot hold in prices, and which members of paced models have none.

    Args:
        settings: The whole configuration.
        unknown: Why a name leads to no model.
    """
    for name in settings.prices:
        if "/" not in name:
            yield ("prices", name), f'"{name}" is no `provider/model`; prices are not known by aliases'
        elif reason := unknown(name):
            yield ("prices", name), reason
    known = prices(settings)

    def price_of(name: str) -> Price | None:
        return known.get(name) or (NOTHING if name.partition("/")[0] == EMBEDDED else None)

    for name, virtual in settings.virtual.items():
        if virtual.strategy == "paced":
            yield from check_prices(("virtual", name), [member.model for member in virtual.members], price_of)
