"""Who is left for a call that is too long for a model's window."""

from __future__ import annotations

from collections.abc import Collection

from narthex.routing.candidates import Candidate
from narthex.routing.plan import Plan
from narthex.routing.strategies import FactsOf


def larger(plan: Plan, needed_tokens: int, facts_of: FactsOf, *, tried: Collection[str] = ()) -> tuple[Candidate, ...]:
    """Return the candidates that can hold the call, those first of which it is known, each kind in the plan's order.

    Args:
        plan: Whose candidates.
        needed_tokens: What the window must hold, prompt and answer together. Where only the failure is known, one more
            than the window of the model that failed.
        facts_of: What is known of a model.
        tried: Models that need not be asked again.

    Candidates whose window is known to be too small are left out: they would fail in the same way.
    """
    fitting: list[Candidate] = []
    unknown: list[Candidate] = []
    for candidate in plan.candidates:
        facts = facts_of(candidate.name)
        window = facts.context_tokens if facts is not None else None
        if candidate.name in tried:
            continue
        if window is None:
            unknown.append(candidate)
        elif window >= needed_tokens:
            fitting.append(candidate)
    return (*fitting, *unknown)
