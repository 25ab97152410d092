"""The stages, in order."""

from __future__ import annotations

from collections.abc import Sequence

from narthex.pipeline.contract import Next, Stage
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.admit import Admit, Doorkeeper
from narthex.pipeline.stages.attempt import Attempt, Spawn
from narthex.pipeline.stages.identify import Identify
from narthex.pipeline.stages.route import Route
from narthex.providers.catalog import Catalog
from narthex.tenancy.keys import Keyring


def default_stages(*, keyring: Keyring, doorkeeper: Doorkeeper, catalog: Catalog, spawn: Spawn) -> list[Stage]:
    """Return the way of every call: first in the list, first on the way."""
    return [
        Identify(keyring),
        Admit(doorkeeper),
        Route(catalog),
        Attempt(spawn),
    ]


def compose(stages: Sequence[Stage]) -> Next:
    """Make one callable of a list of stages; the first is the outermost."""
    chain: Next = _unanswered
    for stage in reversed(stages):
        chain = _bind(stage, chain)
    return chain


def _bind(stage: Stage, rest: Next) -> Next:
    def enter(exchange: Exchange) -> object:
        return stage(exchange, rest)

    return enter  # type: ignore[return-value]  # the coroutine is the stage's own: one frame less per stage


async def _unanswered(exchange: Exchange) -> None:
    message = f"no stage answered {exchange.id}"
    raise RuntimeError(message)
