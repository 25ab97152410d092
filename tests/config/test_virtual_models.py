"""Configured virtual models reach routing as they were written."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from narthex.config.settings import Settings
from narthex.config.virtual_models import virtual_models
from narthex.routing.budgets import Budget
from narthex.routing.cascades import AnswerCheck
from narthex.routing.virtual import Member, VirtualModel


def test_every_field_is_taken_over() -> None:
    """Plain names are members of weight 1; nothing that was written is lost."""
    given = {
        "members": ["a/m", {"model": "b/m", "weight": 2, "tier": 2, "draining": True}],
        "strategy": "least_busy",
        "fallbacks": ["c/m"],
        "slow_start_s": 5,
    }
    (model,) = virtual_models(Settings.model_validate({"virtual": {"quick": given}}))
    assert model == VirtualModel(
        name="quick",
        members=(Member(model="a/m"), Member(model="b/m", weight=2, tier=2, draining=True)),
        strategy="least_busy",
        fallbacks=("c/m",),
        slow_start_s=5,
    )


def test_a_check_is_taken_over() -> None:
    """Every part of it, and what is not written as it is by itself."""
    schema = {"type": "object"}
    given = {
        "members": ["a/m", "b/m"],
        "strategy": "cascade",
        "check": {"json_schema": schema, "must_match": "a", "min_characters": 2, "tool_calls": "valid"},
    }
    (model,) = virtual_models(Settings.model_validate({"virtual": {"thrifty": given}}))
    assert model.check == AnswerCheck(json_schema=schema, must_match="a", min_characters=2, tool_calls="valid")


def test_a_budget_is_taken_over() -> None:
    """In whole microdollars, of which there is at least one."""
    for usd, microusd in ((10, 10_000_000), (0.1, 100_000), (1e-9, 1)):
        budget = {"usd": usd, "period": "month", "on_empty": "refuse"}
        given = {"members": ["a/m", "b/m"], "strategy": "paced", "budget": budget}
        (model,) = virtual_models(Settings.model_validate({"virtual": {"careful": given}}))
        assert model.budget == Budget(microusd=microusd, period="month", on_empty="refuse")


def test_defaults_are_those_of_routing() -> None:
    """What is not written is what routing takes by itself."""
    (model,) = virtual_models(Settings.model_validate({"virtual": {"quick": {"members": ["a/m"]}}}))
    assert model == VirtualModel(name="quick", members=(Member(model="a/m"),))


@pytest.mark.parametrize("members", ["a/m", [1], [{"weight": 1}], None])
def test_members_of_another_shape_are_refused(members: object) -> None:
    """A list of names or tables, nothing else."""
    with pytest.raises(ValidationError):
        Settings.model_validate({"virtual": {"quick": {"members": members}}})
