"""The configured virtual models, as routing knows them."""

from __future__ import annotations

from narthex.config.routing_settings import BudgetSettings
from narthex.config.settings import Settings
from narthex.routing.budgets import Budget
from narthex.routing.cascades import AnswerCheck
from narthex.routing.virtual import Member, VirtualModel


def virtual_models(settings: Settings) -> tuple[VirtualModel, ...]:
    """Return the virtual models in the order of the configuration."""
    return tuple(
        VirtualModel(
            name=name,
            members=tuple(Member(**one.model_dump()) for one in given.members),
            strategy=given.strategy,
            fallbacks=given.fallbacks,
            slow_start_s=given.slow_start_s,
            budget=None if given.budget is None else _budget(given.budget),
            check=None if given.check is None else AnswerCheck(**given.check.model_dump()),
        )
        for name, given in settings.virtual.items()
    )


def _budget(given: BudgetSettings) -> Budget:
    return Budget(microusd=max(1, round(given.usd * 1_000_000)), period=given.period, on_empty=given.on_empty)
