"""How much the model may think, as this wire says it.

There are two ways to say it: a budget, `thinking: {type: enabled, budget_tokens}`, or the model's own choice,
`thinking: {type: adaptive}`, guided by `output_config.effort`. Which one a model takes is told by its generation:

- An effort goes to a model of budgets as the budget that `EFFORT_BUDGETS` gives it.
- A budget goes to a model of efforts as the least effort whose budget holds it.
- A model that takes both gets what the caller said.

`max_tokens` covers thinking and answer together: without a limit of the caller's it is `DEFAULT_MAX_TOKENS` for the
answer and room to think on top; under a limit of the caller's a budget is at most three quarters of it, and below the
wire's least budget there is no thinking, named as dropped.

https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
https://docs.anthropic.com/en/docs/build-with-claude/effort
"""

from __future__ import annotations

import msgspec

from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest, ReasoningSettings
from narthex.wire.anthropic_messages.generations import Generation, generation_of
from narthex.wire.anthropic_messages.schema import Json

DEFAULT_MAX_TOKENS = 4096
"""Sent where the caller gave no limit, because this wire requires one."""

MIN_BUDGET_TOKENS = 1024
"""The least budget that the wire accepts."""

EFFORT_BUDGETS = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 24576,
    "max": 27648,
}
"""Thinking tokens for an effort; the largest leaves room for the default answer below the lowest limit, 32,000."""

_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
"""The wire's words for an effort; a word that is not here goes out as it came."""
_USUAL_EFFORT = "medium"


class ReasoningPlan(msgspec.Struct, kw_only=True):
    """What to send about thinking."""

    max_tokens: int
    thinking: Json | None = None
    effort: str | None = None
    dropped: bool = False
    """Whether the caller's wish could not be carried."""

    @property
    def thinks(self) -> bool:
        """Whether the model is asked to think, which forbids other settings."""
        return self.thinking is not None and self.thinking.get("type") != "disabled"


def plan_reasoning(request: ChatRequest, model: str) -> ReasoningPlan:
    """Decide what to send about thinking, and the `max_tokens` that leaves room for it."""
    limit = request.max_output_tokens
    leftover = _leftover(request)
    settings = request.reasoning
    if "type" in leftover:
        effort = None if settings is None else settings.effort
        return ReasoningPlan(max_tokens=_room_for(leftover, limit), thinking=leftover, effort=effort)
    if settings is not None and _is_effort_alone(request, settings):
        return ReasoningPlan(max_tokens=_or_default(limit), effort=settings.effort)
    plan = _plan(settings, limit=limit, generation=generation_of(model))
    if plan.thinks and _forces_tool(request):
        # "Thinking may not be enabled when tool_choice forces tool use": the tool is what the caller needs.
        return ReasoningPlan(max_tokens=_or_default(limit), dropped=True)
    if plan.thinks and plan.thinking is not None:
        plan.thinking |= leftover
    return plan


def _plan(settings: ReasoningSettings | None, *, limit: int | None, generation: Generation) -> ReasoningPlan:
    if settings is None:
        # The latest models think by default, so they need the room in any case.
        room = EFFORT_BUDGETS["high"] if generation is Generation.EFFORTS else 0
        return ReasoningPlan(max_tokens=_or_default(limit, room))
    if not settings.enabled or settings.effort == "none":
        effort = _EFFORTS.get(settings.effort or "")
        return ReasoningPlan(max_tokens=_or_default(limit), thinking={"type": "disabled"}, effort=effort)
    if settings.budget_tokens is not None:
        return _for_budget(settings.budget_tokens, limit, generation)
    return _for_effort(settings.effort, limit, generation)


def _for_budget(budget_tokens: int, limit: int | None, generation: Generation) -> ReasoningPlan:
    if generation is not Generation.EFFORTS:
        return _with_budget(budget_tokens, limit)
    effort = next((word for word, budget in EFFORT_BUDGETS.items() if budget_tokens <= budget), "max")
    return _adaptive(effort, limit, generation)


def _for_effort(effort: str | None, limit: int | None, generation: Generation) -> ReasoningPlan:
    if generation is not Generation.BUDGETS:
        return _adaptive(effort, limit, generation)
    budget_tokens = EFFORT_BUDGETS.get(effort or _USUAL_EFFORT)
    if budget_tokens is None:
        return ReasoningPlan(max_tokens=_or_default(limit), dropped=True)
    return _with_budget(budget_tokens, limit)


def _with_budget(budget_tokens: int, limit: int | None) -> ReasoningPlan:
    max_tokens = _or_default(limit, budget_tokens)
    if budget_tokens >= max_tokens:
        budget_tokens = max_tokens * 3 // 4
        if budget_tokens < MIN_BUDGET_TOKENS:
            return ReasoningPlan(max_tokens=max_tokens, dropped=True)
    return ReasoningPlan(max_tokens=max_tokens, thinking={"type": "enabled", "budget_tokens": budget_tokens})


def _adaptive(effort: str | None, limit: int | None, generation: Generation) -> ReasoningPlan:
    room = EFFORT_BUDGETS.get(effort or "high", EFFORT_BUDGETS["max"])
    word = None if effort is None else _EFFORTS.get(effort, effort)
    if word == "xhigh" and generation is Generation.BUDGETS_AND_EFFORTS:
        word = "high"  # `xhigh` is younger than these models
    return ReasoningPlan(max_tokens=_or_default(limit, room), thinking={"type": "adaptive"}, effort=word)


def _is_effort_alone(request: ChatRequest, settings: ReasoningSettings) -> bool:
    """Tell whether the caller, speaking this wire, gave an effort and left thinking to the model's default."""
    own = request.extra_dialect is Dialect.ANTHROPIC_MESSAGES
    return own and settings.enabled and settings.effort is not None and not settings.adaptive


def _leftover(request: ChatRequest) -> Json:
    leftover = request.extra.get("thinking") if request.extra_dialect is Dialect.ANTHROPIC_MESSAGES else None
    return dict(leftover) if isinstance(leftover, dict) else {}


def _forces_tool(request: ChatRequest) -> bool:
    choice = request.tool_choice
    return choice is not None and choice.mode in ("required", "named") and bool(request.tools)


def _room_for(thinking: Json, limit: int | None) -> int:
    budget_tokens = thinking.get("budget_tokens")
    return _or_default(limit, budget_tokens if isinstance(budget_tokens, int) else 0)


def _or_default(limit: int | None, room: int = 0) -> int:
    return DEFAULT_MAX_TOKENS + room if limit is None else limit
