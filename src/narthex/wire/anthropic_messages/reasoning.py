"""How much the model may think, as this wire says it.

There are two ways to say it, and no model takes both:

- Claude up to 4.5, and models of other makers behind this wire, take a budget: `thinking: {type: enabled,
  budget_tokens}`. An effort is turned into one by `EFFORT_BUDGETS`.
- Later Claude models decide themselves: `thinking: {type: adaptive}`, guided by `output_config.effort`.

A budget that the caller gave is sent as a budget to either. `max_tokens` covers thinking and answer together: without a
limit of the caller's it is `DEFAULT_MAX_TOKENS` for the answer and the budget on top; under a limit of the caller's the
budget is at most three quarters of it, and below the wire's least budget there is no thinking, named as dropped.

https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
https://docs.anthropic.com/en/docs/build-with-claude/effort
"""

from __future__ import annotations

import re

import msgspec

from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest, ReasoningSettings
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
_TAKES_BUDGET = re.compile(r"claude-(?:instant|[123]\b|(?:opus|sonnet|haiku)-4(?:-[0-5](?!\d)|[-@]20\d{6}|$))")


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
    plan = _plan(settings, limit=limit, takes_budget=_takes_budget(model))
    if plan.thinks and _forces_tool(request):
        # "Thinking may not be enabled when tool_choice forces tool use": the tool is what the caller needs.
        return ReasoningPlan(max_tokens=_or_default(limit), dropped=True)
    if plan.thinks and plan.thinking is not None:
        plan.thinking |= leftover
    return plan


def _plan(settings: ReasoningSettings | None, *, limit: int | None, takes_budget: bool) -> ReasoningPlan:
    if settings is None:
        return ReasoningPlan(max_tokens=_or_default(limit))
    if not settings.enabled or settings.effort == "none":
        effort = _EFFORTS.get(settings.effort or "")
        return ReasoningPlan(max_tokens=_or_default(limit), thinking={"type": "disabled"}, effort=effort)
    if settings.budget_tokens is not None:
        return _with_budget(settings.budget_tokens, limit)
    if not takes_budget:
        return _adaptive(settings.effort, limit)
    budget_tokens = EFFORT_BUDGETS.get(settings.effort or _USUAL_EFFORT)
    if budget_tokens is None:
        return ReasoningPlan(max_tokens=_or_default(limit), dropped=True)
    return _with_budget(budget_tokens, limit)


def _with_budget(budget_tokens: int, limit: int | None) -> ReasoningPlan:
    max_tokens = DEFAULT_MAX_TOKENS + budget_tokens if limit is None else limit
    if budget_tokens >= max_tokens:
        budget_tokens = max_tokens * 3 // 4
        if budget_tokens < MIN_BUDGET_TOKENS:
            return ReasoningPlan(max_tokens=max_tokens, dropped=True)
    return ReasoningPlan(max_tokens=max_tokens, thinking={"type": "enabled", "budget_tokens": budget_tokens})


def _adaptive(effort: str | None, limit: int | None) -> ReasoningPlan:
    room = EFFORT_BUDGETS.get(effort or "high", EFFORT_BUDGETS["max"])
    return ReasoningPlan(
        max_tokens=DEFAULT_MAX_TOKENS + room if limit is None else limit,
        thinking={"type": "adaptive"},
        effort=None if effort is None else _EFFORTS.get(effort, effort),
    )


def _takes_budget(model: str) -> bool:
    return "claude" not in model or _TAKES_BUDGET.search(model) is not None


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
    if limit is None and isinstance(budget_tokens, int):
        return DEFAULT_MAX_TOKENS + budget_tokens
    return _or_default(limit)


def _or_default(limit: int | None) -> int:
    return DEFAULT_MAX_TOKENS if limit is None else limit
