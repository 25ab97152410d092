"""How much the model may think."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest, ReasoningSettings, Tool, ToolChoice
from narthex.wire.anthropic_messages.reasoning import (
    DEFAULT_MAX_TOKENS,
    EFFORT_BUDGETS,
    MIN_BUDGET_TOKENS,
    ReasoningPlan,
    plan_reasoning,
)

OLD, NEW = "claude-sonnet-4-5-20250929", "claude-opus-4-7"


def plan(settings: ReasoningSettings | None, *, model: str = OLD, limit: int | None = None) -> ReasoningPlan:
    """Plan for a request with these settings."""
    messages = (Message(role="user", parts=(Text(text="hi"),)),)
    asked = ChatRequest(model="asked", messages=messages, reasoning=settings, max_output_tokens=limit)
    return plan_reasoning(asked, model)


@pytest.mark.parametrize(
    ("model", "thinking", "effort"),
    [
        (OLD, {"type": "enabled", "budget_tokens": EFFORT_BUDGETS["xhigh"]}, None),
        ("kimi-k2-thinking", {"type": "enabled", "budget_tokens": EFFORT_BUDGETS["xhigh"]}, None),
        ("claude-opus-4-6", {"type": "adaptive"}, "high"),
        (NEW, {"type": "adaptive"}, "xhigh"),
    ],
)
def test_an_effort_is_said_as_the_model_takes_it(model: str, thinking: object, effort: str | None) -> None:
    """Older and foreign models get a budget, later ones of this vendor decide themselves under an effort."""
    planned = plan(ReasoningSettings(effort="xhigh"), model=model)
    assert (planned.thinking, planned.effort) == (thinking, effort)


@pytest.mark.parametrize(
    ("budget_tokens", "effort"), [(1024, "low"), (2049, "medium"), (16384, "high"), (90_000, "max")]
)
def test_a_budget_is_said_as_the_model_takes_it(budget_tokens: int, effort: str) -> None:
    """A budget is sent as one, but to the latest models as the effort that holds it."""
    settings = ReasoningSettings(budget_tokens=budget_tokens)
    for model in (OLD, "claude-opus-4-6"):
        assert plan(settings, model=model).thinking == {"type": "enabled", "budget_tokens": budget_tokens}
    planned = plan(settings, model=NEW)
    assert (planned.thinking, planned.effort) == ({"type": "adaptive"}, effort)


def test_models_that_think_by_default_have_room_to() -> None:
    """Where nobody said anything, the latest models think all the same, within `max_tokens`."""
    assert plan(None, model=NEW).max_tokens == DEFAULT_MAX_TOKENS + EFFORT_BUDGETS["high"]
    assert plan(None, model=OLD).max_tokens == DEFAULT_MAX_TOKENS
    assert plan(None, model=NEW, limit=50).max_tokens == 50


@pytest.mark.parametrize("effort", EFFORT_BUDGETS)
def test_the_default_limit_leaves_room_for_thought(effort: str) -> None:
    """Where the caller gave no limit, the answer has its default beside the budget, within every model's limit."""
    planned = plan(ReasoningSettings(effort=effort))
    assert planned.max_tokens == DEFAULT_MAX_TOKENS + EFFORT_BUDGETS[effort] <= 32_000


@given(
    st.integers(1, 40_000), st.one_of(st.sampled_from(sorted(EFFORT_BUDGETS)), st.integers(MIN_BUDGET_TOKENS, 64_000))
)
def test_a_budget_is_always_below_the_limit(limit: int, wish: str | int) -> None:
    """The caller's limit stands; a budget that does not fit shrinks, and one too small to be legal is dropped."""
    wished = ReasoningSettings(effort=wish) if isinstance(wish, str) else ReasoningSettings(budget_tokens=wish)
    planned = plan(wished, limit=limit)
    assert planned.max_tokens == limit
    if planned.dropped:
        assert planned.thinking is None
        assert limit * 3 // 4 < MIN_BUDGET_TOKENS
    else:
        assert planned.thinking is not None
        budget = planned.thinking["budget_tokens"]
        assert isinstance(budget, int)
        assert MIN_BUDGET_TOKENS <= budget < limit


def test_no_thinking_is_said_too() -> None:
    """Switched off, by either word, is sent as disabled; not given is not sent."""
    assert plan(ReasoningSettings(enabled=False)).thinking == {"type": "disabled"}
    assert plan(ReasoningSettings(effort="none")).thinking == {"type": "disabled"}
    assert plan(None).thinking is None
    assert not plan(ReasoningSettings(enabled=False)).thinks


def test_thinking_without_a_measure_gets_a_usual_one() -> None:
    """Enabled without effort or budget is medium for a budget, and the model's own choice else."""
    assert plan(ReasoningSettings()).thinking == {"type": "enabled", "budget_tokens": EFFORT_BUDGETS["medium"]}
    assert plan(ReasoningSettings(), model=NEW).thinking == {"type": "adaptive"}


def test_a_word_of_the_providers_own_goes_out_or_is_dropped() -> None:
    """An effort that has no budget can only be understood by a model that takes efforts."""
    assert plan(ReasoningSettings(effort="ultra"), model=NEW).effort == "ultra"
    assert plan(ReasoningSettings(effort="ultra")).dropped
    assert plan(ReasoningSettings(effort="minimal"), model=NEW).effort == "low"


def test_a_forced_tool_comes_before_thinking() -> None:
    """The wire refuses both together: the tool is kept, the thinking named as dropped."""
    asked = ChatRequest(
        model="asked",
        messages=(Message(role="user", parts=(Text(text="hi"),)),),
        reasoning=ReasoningSettings(effort="low"),
        tools=(Tool(name="f"),),
        tool_choice=ToolChoice(mode="required"),
    )
    planned = plan_reasoning(asked, OLD)
    assert planned.dropped
    assert planned.thinking is None


def test_a_client_of_this_dialect_is_taken_at_its_word() -> None:
    """An effort without thinking, a display, a kind of thinking that is new: all go out as they came."""

    def own(settings: ReasoningSettings | None, extra: dict[str, object]) -> ReasoningPlan:
        messages = (Message(role="user", parts=(Text(text="hi"),)),)
        dialect = Dialect.ANTHROPIC_MESSAGES
        asked = ChatRequest(model="a", messages=messages, reasoning=settings, extra=extra, extra_dialect=dialect)
        return plan_reasoning(asked, NEW)

    alone = own(ReasoningSettings(effort="low"), {})
    assert (alone.thinking, alone.effort) == (None, "low")
    shown = own(ReasoningSettings(adaptive=True), {"thinking": {"display": "omitted"}})
    assert shown.thinking == {"type": "adaptive", "display": "omitted"}
    new = own(ReasoningSettings(effort="low"), {"thinking": {"type": "between_tools"}})
    assert (new.thinking, new.effort) == ({"type": "between_tools"}, "low")
    budget = own(None, {"thinking": {"type": "new", "budget_tokens": 9000}})
    assert budget.max_tokens == DEFAULT_MAX_TOKENS + 9000
