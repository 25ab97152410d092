"""A model that may serve a call, and why it stands where it stands."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Why = Literal[
    "asked",
    "default",
    "ruled",
    "fallback",
    "first",
    "turn",
    "drawn",
    "least_busy",
    "quickest",
    "unmeasured",
    "cheapest",
    "unpriced",
    "sticky",
    "prefix",
    "warming",
    "on_pace",
    "ahead_of_pace",
    "spent",
    "next",
    "unavailable",
]
"""What put a candidate where it stands."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A model that may serve the call."""

    name: str
    """`provider/model`."""
    why: Why
    figure: float = 0.0
    """What was measured, where the reason is a measurement."""
    via: str = ""
    """The virtual model it is a member of; empty if it was named itself."""
    tier: int = 1
    fallback: bool = False
    """Whether it serves only if those that were asked for could not."""

    @property
    def reason(self) -> str:
        """Why it stands where it stands, in one short sentence without a full stop."""
        said = _SAID[self.why].format(figure=self.figure, dollars=self.figure / 1_000_000)
        tier = f" in tier {self.tier}" if self.tier > 1 else ""
        member = f"{said}{tier} of {self.via}" if self.via else said
        return f"fallback: {member}" if self.fallback and self.why != "fallback" else member


_SAID: Final[dict[Why, str]] = {
    "asked": "it was asked for",
    "default": "it is the default model",
    "ruled": "the rule names it",
    "fallback": "fallback, if those before it cannot serve",
    "first": "first in order",
    "turn": "its turn, by weight {figure:g}",
    "drawn": "drawn by weight {figure:g}",
    "least_busy": "least busy, with {figure:g} calls in flight",
    "quickest": "quicker of two, with {figure:.3g} s to the first token",
    "unmeasured": "not measured yet",
    "cheapest": "cheapest, at ${dollars:g} for a million tokens",
    "unpriced": "no price is known",
    "sticky": "stays with its conversation",
    "prefix": "chosen by how the call begins",
    "warming": "stands in for one that is warming up",
    "on_pace": "best, with spending ${dollars:.6g} below the pace",
    "ahead_of_pace": "cheaper, with spending ${dollars:.6g} ahead of the pace",
    "spent": "cheapest, after the whole budget",
    "next": "next in line",
    "unavailable": "not available now, kept as the last resort",
}
