"""What a model takes, by its name."""

from __future__ import annotations

import pytest

from narthex.wire.anthropic_messages.generations import Generation, generation_of


@pytest.mark.parametrize(
    ("model", "generation"),
    [
        ("claude-instant-1.2", Generation.BUDGETS),
        ("claude-3-7-sonnet-20250219", Generation.BUDGETS),
        ("claude-opus-4-20250514", Generation.BUDGETS),
        ("claude-sonnet-4@20250514", Generation.BUDGETS),
        ("anthropic.claude-sonnet-4-20250514-v1:0", Generation.BUDGETS),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", Generation.BUDGETS),
        ("claude-haiku-4-5", Generation.BUDGETS),
        ("claude-opus-4-5-20251101", Generation.BUDGETS),
        ("kimi-k2-thinking", Generation.BUDGETS),
        ("claude-opus-4-6", Generation.BUDGETS_AND_EFFORTS),
        ("anthropic/claude-4.6-sonnet", Generation.BUDGETS_AND_EFFORTS),
        ("anthropic/claude-opus-4.6", Generation.BUDGETS_AND_EFFORTS),
        ("claude-opus-4-7", Generation.EFFORTS),
        ("claude-opus-4-10", Generation.EFFORTS),
        ("claude-haiku-5-5", Generation.EFFORTS),
        ("claude-opus-5", Generation.EFFORTS),
        ("claude-mythos-preview", Generation.EFFORTS),
    ],
)
def test_a_name_tells_its_generation(model: str, generation: Generation) -> None:
    """Names of every maker, hoster and age are told apart; what is not known is foreign, or the latest."""
    assert generation_of(model) is generation
