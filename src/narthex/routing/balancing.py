"""The members of a virtual model, in the order in which they may serve: tiers, draining and slow start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Final

from narthex.routing.candidates import Candidate, Why
from narthex.routing.facts import no_prefix
from narthex.routing.strategies import ByTurns, Key, LeastBusy, Ranked, Surroundings, paced, ranking
from narthex.routing.virtual import Member, Strategy, VirtualModel

WARMED_BY_CHANCE: Final[frozenset[Strategy]] = frozenset({"order", "latency", "cost"})
"""Strategies without shares: there, a member that came back serves with a chance that grows."""


Prefix = Callable[[bool], bytes]
"""Returns how a call begins, if anything is to be made of it; see `narthex.routing.facts.Facts`."""


def no_key() -> str:
    """Return that a call belongs to no conversation."""
    return ""


class Balancer:
    """Puts the members of one virtual model in order, for each call anew.

    Members of the first tier that has any available come first, as the strategy says; then those of the next tiers;
    then those that are not available, as a last resort. Draining members are not among them.
    """

    def __init__(self, model: VirtualModel, around: Surroundings) -> None:
        self.model = model
        self._around = around
        self._available = around.live.available
        self.pace = paced(model, around)
        self._leading = ranking(model, around, leading=True)
        # Where the strategy leaves a choice; all others have a reason of their own for who serves first.
        self._near = self._leading if isinstance(self._leading, ByTurns | LeastBusy) else None
        self._spare = ranking(model, around, leading=False)
        self._tiers = _tiers(model.members)
        # Made once: only the first in line is another in each call.
        self._following = self._all("next")
        self._down = self._all("unavailable")
        self._by_chance = model.strategy in WARMED_BY_CHANCE and model.slow_start_s > 0

    def order(
        self, key: Key = no_key, *, prefix: Prefix = no_prefix, fallback: bool = False, peek: bool = False
    ) -> list[Candidate]:
        """Return the members, the one that serves first; empty if all are draining, or the budget is spent.

        Args:
            key: Returns by what the conversation is known, for members that conversations stick to.
            prefix: Returns how the call begins, for members that may have read that.
            fallback: Whether they stand behind others, so that their turn does not count as used.
            peek: Whether this is only to be told: the next call gets the same order.
        """
        available, following = self._available, self._following[fallback]
        found: list[Candidate] = []
        resorts: list[Candidate] = []
        for number, all_members in self._tiers:
            members = all_members if self.pace is None else self.pace.permitted(all_members)
            up = [member for member in members if available(member.model)]
            if up:
                leading = not found and not fallback
                ranked, why, figure = self._ranked(up, key, prefix if leading else None, peek=peek)
                name, via = ranked[0].model, self.model.name
                first = Candidate(name=name, why=why, figure=figure, via=via, tier=number, fallback=fallback)
                found += [first, *[following[member.model] for member in ranked[1:]]]
            if len(up) < len(members):
                resorts += [self._down[fallback][member.model] for member in members if member not in up]
        return found + resorts

    def _ranked(self, members: Sequence[Member], key: Key, prefix: Prefix | None, *, peek: bool) -> Ranked:
        if prefix is not None and self._near is not None and len(members) > 1:
            begun = prefix(self._around.by_prefix)
            if begun:
                return (copy(self._near) if peek else self._near).near(members, begun)
        ranking = self._spare if prefix is None else self._leading
        ranked, why, figure = (copy(ranking) if peek else ranking)(members, key)
        if self._by_chance and len(ranked) > 1 and self._is_too_cold(ranked[0]):
            return [*ranked[1:], ranked[0]], "warming", 0.0
        return ranked, why, figure

    def _is_too_cold(self, member: Member) -> bool:
        warmth = self._around.warmth(member.model, self.model.slow_start_s)
        return warmth < 1 and self._around.random.random() >= warmth

    def _all(self, why: Why) -> tuple[dict[str, Candidate], dict[str, Candidate]]:
        """Return every member as one that did not come first, by name; then the same behind others."""
        name, members = self.model.name, self.model.members
        asked, behind = (
            {one.model: Candidate(name=one.model, why=why, via=name, tier=one.tier, fallback=way) for one in members}
            for way in (False, True)
        )
        return asked, behind


def _tiers(members: Sequence[Member]) -> tuple[tuple[int, tuple[Member, ...]], ...]:
    """Return the members that may get calls, by tier, the first tier first."""
    serving = [member for member in members if not member.draining]
    numbers = sorted({member.tier for member in serving})
    return tuple((number, tuple(member for member in serving if member.tier == number)) for number in numbers)
