"""What is told of predictions: how they come true, and what is likely to be asked next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from narthex.cache.predictive.record import Record
from narthex.config.cache_settings import RUNGS, Rung
from narthex.ledger.money import usd
from narthex.pipeline.predicted_calls import Again
from narthex.pipeline.prefetching import Made, Prefetching
from narthex.tenancy.keys import Caller

MOST: int = 200
"""Principals that are told one by one."""
_MADE = ("embeddings", "generation")


class RungInsight(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the predictions come true on which something is done."""

    rung: Rung
    """What is done."""
    open_bets: int
    won: int
    lost: int
    share: float | None
    """Of the last bets, those that were won; null before any."""
    proved: float
    """The share that is proved by them: it is done where this is above what pays."""
    used: int
    """What was done and of use."""
    wasted: int


class PrincipalInsight(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one principal."""

    workspace_id: str
    key_id: str
    user_id: str
    sessions: int
    contexts: int
    """What was learned of what follows what."""
    rungs: tuple[RungInsight, ...]
    """The cheapest first; none that was never bet on."""


class Insights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How predictions do, since this process began."""

    object: Literal["cache_insights"] = "cache_insights"
    enabled: bool
    everything: bool
    """Whether it is of all workspaces, or of one's own."""
    rungs: tuple[Rung, ...]
    """What is done early."""
    least_probability: float
    budget_usd_per_day: float
    spent_usd: str
    """What all of it has cost."""
    outcomes: dict[str, dict[str, int]]
    """What became of what was to be done, by rung and outcome, of all workspaces; empty for whoever sees one alone."""
    used: int
    """Vectors and answers that were made early and asked for."""
    wasted: int
    """Those that were not in time."""
    principals: tuple[PrincipalInsight, ...]


class Prediction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question that is likely to be asked next."""

    key: str
    probability: float
    needed: float
    """From which probability on it pays to have it answered early."""
    pays: bool
    held: bool
    """Whether there is an answer already."""
    model: str | None
    """`provider/model`; null where it is not known any more how it was asked, or it may not be asked early."""


def insights(prefetching: Prefetching, owner: str | None) -> Insights:
    """Tell how predictions do, of one owner or of all."""
    principals = tuple(_principals(prefetching, owner))
    given, spent = prefetching.settings, prefetching.calls.spent
    made = [one for each in principals for one in each.rungs if one.rung in _MADE]
    return Insights(
        enabled=given.enabled,
        everything=owner is None,
        rungs=tuple(one for one in RUNGS if one in given.rungs),
        least_probability=given.least_probability,
        budget_usd_per_day=given.budget_usd_per_day,
        spent_usd=usd(spent.total() if owner is None else spent[owner]),
        outcomes=_outcomes(prefetching) if owner is None else {},
        used=sum(one.used for one in made),
        wasted=sum(one.wasted for one in made),
        principals=principals[:MOST],
    )


def predictions(prefetching: Prefetching, caller: Caller, session: str) -> list[Prediction]:
    """Tell what a caller is likely to ask next, the likeliest first."""
    return [
        Prediction(
            key=one.intent.hex(),
            probability=round(one.probability, 6),
            needed=round(one.needed, 6),
            pays=one.pays,
            held=prefetching.is_held(one.intent),
            model=_model(None if one.sample is None else one.sample.call),
        )
        for _, one in prefetching.prospects(caller, session)
    ]


async def prefetch(
    prefetching: Prefetching, caller: Caller, session: str, peer: tuple[str, int] | None = None
) -> list[Made]:
    """Have answered what a caller is likely to ask next and what pays, one after the other, proved or not."""
    done = list[Made]()
    for mind, one in prefetching.prospects(caller, session):
        rungs = prefetching.rungs(one) if one.pays else []
        if rungs:
            rung, outcome = await prefetching.climb(mind, one, rungs, caller, peer)
            done.append(Made(key=one.intent.hex(), rung=rung, outcome=outcome))
    return done


def _outcomes(prefetching: Prefetching) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (rung, outcome), count in prefetching.outcomes.items():
        found.setdefault(rung, {})[outcome] = count
    return found


def _model(call: Again | None) -> str | None:
    return None if call is None else call.target


def _principals(prefetching: Prefetching, owner: str | None) -> Iterator[PrincipalInsight]:
    for name, mind in prefetching.minds.all():
        whose, key_id, user_id, *_ = name.split("\0")
        if owner is not None and whose != owner:
            continue
        yield PrincipalInsight(
            workspace_id=whose,
            key_id=key_id,
            user_id=user_id,
            sessions=mind.sessions,
            contexts=len(mind.sequences),
            rungs=tuple(_rung(rung, mind.records[rung]) for rung in RUNGS if rung in mind.records),
        )


def _rung(rung: Rung, record: Record) -> RungInsight:
    return RungInsight(
        rung=rung,
        open_bets=record.open_bets,
        won=record.won,
        lost=record.lost,
        share=record.share,
        proved=record.proved,
        used=record.used,
        wasted=record.wasted,
    )
