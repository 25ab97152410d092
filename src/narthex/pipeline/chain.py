"""The stages, in order."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Sequence
from typing import cast

from narthex.pipeline.answers import RegisteredAnswers
from narthex.pipeline.cascades import Cascades
from narthex.pipeline.contract import Check, Next, Spawn, Stage
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.recovery import Recovery
from narthex.pipeline.rescue import Mode
from narthex.pipeline.shadows import Shadows
from narthex.pipeline.simulating import Simulation
from narthex.pipeline.stages.admit import Admit, Doorkeeper
from narthex.pipeline.stages.attempt import Attempt
from narthex.pipeline.stages.cascade import Cascade
from narthex.pipeline.stages.detach import Detach
from narthex.pipeline.stages.idempotency import Idempotency
from narthex.pipeline.stages.identify import Identify
from narthex.pipeline.stages.merge import Merge
from narthex.pipeline.stages.own import Own
from narthex.pipeline.stages.pace import SetPace
from narthex.pipeline.stages.permit import Permit
from narthex.pipeline.stages.recall import Recall
from narthex.pipeline.stages.remember import Remember
from narthex.pipeline.stages.reserve import Reserve
from narthex.pipeline.stages.route import Route
from narthex.pipeline.stages.shadow import Shadow
from narthex.pipeline.stages.stand_in import StandIn
from narthex.providers.catalog import Catalog
from narthex.resilience.decisions import Policy
from narthex.resilience.places import Places
from narthex.routing.router import Router
from narthex.tenancy.keys import Keyring


def default_stages(  # noqa: PLR0913 - what each stage needs
    *,
    keyring: Keyring,
    doorkeeper: Doorkeeper,
    idempotency: Idempotency,
    remember: Remember | None = None,
    catalog: Catalog,
    router: Router,
    spawn: Spawn,
    recovery: Recovery,
    rescue: Mode = "continue",
    answers: RegisteredAnswers | None = None,
    shadows: Shadows | None = None,
    cascades: Cascades | None = None,
    simulation: Simulation | None = None,
    own: Own | None = None,
    pace: SetPace | None = None,
    merge: Merge | None = None,
    recall: Recall | None = None,
    reserve: Reserve | None = None,
) -> list[Check | Stage]:
    """Return the way of every call: first in the list, first on the way."""
    return [
        Identify(keyring),
        Admit(doorkeeper),
        SetPace() if pace is None else pace,
        *(() if remember is None else (Detach(),)),
        *(() if own is None else (own,)),
        idempotency,
        *(() if remember is None else (remember,)),
        StandIn(RegisteredAnswers() if answers is None else answers, spawn),
        *(() if merge is None else (merge,)),
        Route(catalog, router),
        Permit(catalog, keyring.denials),
        *(() if recall is None else (recall,)),
        *(() if reserve is None else (reserve,)),
        *(() if shadows is None else (Shadow(shadows),)),
        Cascade(catalog, Cascades() if cascades is None else cascades, recovery),
        Attempt(spawn, recovery, rescue=rescue, simulation=simulation),
    ]


def lone_attempt(spawn: Spawn, places: Places, reserve: Reserve | None = None) -> Next:
    """Return the way of a copy: one attempt at its target, of which no other call hears.

    Args:
        spawn: Keeps the task that reads an answer.
        places: Limit the copies at once to each target.
        reserve: Writes down what goes out.
    """
    alone = Recovery(chain=lambda _exchange: (), policy=Policy(retries=0), places=places)
    return compose([*(() if reserve is None else (reserve,)), Attempt(spawn, alone, rescue="off")])


def compose(stages: Sequence[Check | Stage]) -> Next:
    """Make one callable of a list of stages; the first is the outermost."""
    chain: Next = _unanswered
    checks: list[Check] = []
    for stage in reversed(stages):
        if "call_next" in inspect.signature(type(stage).__call__).parameters:
            chain = _through(cast("Stage", stage), _past(checks, chain))
            checks = []
        else:
            checks.insert(0, cast("Check", stage))
    return _past(checks, chain)


def _through(stage: Stage, rest: Next) -> Next:
    # Bound once: to look it up for each call costs as much as the call.
    run = stage.__call__
    return lambda exchange: run(exchange, rest)


def _past(checks: Sequence[Check], rest: Next) -> Next:
    if not checks:
        return rest
    runs = tuple(check.__call__ for check in checks)

    def enter(exchange: Exchange) -> Awaitable[None]:
        for run in runs:
            run(exchange)
        return rest(exchange)

    return enter


async def _unanswered(exchange: Exchange) -> None:
    message = f"no stage answered {exchange.id}"
    raise RuntimeError(message)
