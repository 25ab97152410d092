"""The whole decision on a call: who serves it, who is next in line, who gets a copy, and why."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from narthex.routing.candidates import Candidate

_PLAIN = "/:@._-*+~"
"""Characters of names that a header carries as they are, beside letters and digits."""
MAX_HEADER_BYTES: Final = 1_024


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Who may serve a call."""

    asked: str
    """The model in the caller's words; empty for the default model."""
    candidates: tuple[Candidate, ...]
    """Who serves first, and who is next in line; none if every member is draining."""
    target: str
    """The model or virtual model that the call was sent to."""
    rule: str = ""
    """The rule that sent it there; empty if no rule was about it."""
    percentage: float = 100.0
    """The part of the calls that the rule sends there."""
    shadow: str | None = None
    """The model, or virtual model, that gets a copy."""
    strategy: str = ""
    """How the virtual model shares its calls."""

    @property
    def direct(self) -> bool:
        """Whether there was nothing to decide: one model, asked for by its name."""
        return len(self.candidates) == 1 and not (self.rule or self.strategy or self.shadow)

    def explain(self) -> str:
        """Return the decision as text, a line for each part of it."""
        lines = [f"asked for: {self.asked or 'the default model'}"]
        if self.rule:
            part = f" ({self.percentage:g} % of its calls)" if self.percentage < 100 else ""
            lines.append(f"rule {self.rule}: {self.target}{part}")
        elif self.target != self.asked:
            lines.append(f"stands for: {self.target}")
        if self.strategy:
            lines.append(f"strategy: {self.strategy}")
        lines += [f"{place}. {one.name}: {one.reason}" for place, one in enumerate(self.candidates, 1)]
        if not self.candidates:
            why = f"every member of {self.target} is draining, or its budget is spent"
            lines.append(f"nobody serves it: {why}, and there is no fallback")
        if self.shadow:
            lines.append(f"copy to: {self.shadow}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """Return the decision as a JSON object."""
        return {
            "asked": self.asked,
            "target": self.target,
            "rule": self.rule or None,
            "percentage": self.percentage,
            "strategy": self.strategy or None,
            "shadow": self.shadow,
            "candidates": [
                {"model": one.name, "reason": one.reason, "via": one.via or None, "fallback": one.fallback}
                for one in self.candidates
            ],
        }

    def header(self) -> str:
        """Return the decision in the short form of `x-narthex-route`: `rule=night; via=fast; by=weighted; to=a/b,c/d`.

        Names are percent-encoded, so that nothing in them can end the header or the item.
        """
        items = [("rule", self.rule), ("via", self.target if self.strategy else ""), ("by", self.strategy)]
        if self.strategy == "paced" and self.candidates:
            items.append(("why", self.candidates[0].why))
        head = "".join(f"{item}={quote(value, safe=_PLAIN)}; " for item, value in items if value)
        names = ",".join(quote(one.name, safe=_PLAIN) for one in self.candidates)
        copy = f"; copy={quote(self.shadow, safe=_PLAIN)}" if self.shadow else ""
        return f"{head}to={names}{copy}"[:MAX_HEADER_BYTES]
