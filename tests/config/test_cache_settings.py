"""What may be said of the cache."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from narthex.cache.eviction import POLICIES
from narthex.config.cache_settings import CacheRuleSettings, CacheSettings, SemanticSettings


def test_by_default_what_is_deterministic_is_kept_for_an_hour() -> None:
    """Nothing is given that is stale, and no tool is run again."""
    settings = CacheSettings()
    assert (settings.enabled, settings.mode, settings.ttl_s, settings.shared_by) == (
        True,
        "deterministic",
        3_600.0,
        "workspace",
    )
    assert (settings.stale_while_revalidate_s, settings.stale_if_error_s, settings.errors_s) == (0, 0, 0)
    assert not settings.tool_calls


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_may_be_chosen(policy: str) -> None:
    """The settings know the policies that there are."""
    assert CacheSettings.model_validate({"policy": policy}).policy == policy


@pytest.mark.parametrize(
    "option",
    [
        {"mode": "sometimes"},
        {"policy": "random"},
        {"ttl_s": -1},
        {"ttl_s": float("inf")},
        {"jitter_percent": 51},
        {"max_bytes": 0},
        {"rules": [{"mode": "all", "model": ""}]},
        {"rules": [{"operation": "images"}]},
        {"semantic": {"error_bound_percent": 0}},
        {"semantic": {"sampled_percent": 101}},
        {"semantic": {"index": "redis"}},
        {"semantic": {"index_budget_ms": 0}},
        {"semantic": {"budget_ms": 0}},
        {"semantic": {"sharing": "everybody"}},
    ],
)
def test_what_cannot_be_is_refused(option: dict[str, object]) -> None:
    """A value out of bounds is an error."""
    with pytest.raises(ValidationError):
        CacheSettings.model_validate(option)


def test_a_rule_says_only_what_it_says() -> None:
    """What it leaves out is as it is for all."""
    rule = CacheRuleSettings(model="up/*", ttl_s=60)
    assert rule.model_dump(exclude_none=True) == {"model": "up/*", "ttl_s": 60.0}


def test_questions_in_other_words_are_answered_only_where_it_is_asked_for() -> None:
    """It is off, and then a principal's question serves others only once one of them asked the same."""
    settings = SemanticSettings()
    assert not settings.enabled
    assert settings.sharing == "sighted"
    assert settings.error_bound_percent == 2
