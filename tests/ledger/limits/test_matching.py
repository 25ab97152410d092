"""Which limits concern a call."""

from __future__ import annotations

from typing import Any

import pytest

from narthex.ledger.limits.matching import Matching, Use, pattern_of
from tests.ledger.limits.making import ACCOUNT, limit


def values(use: Use | None = None, **given: Any) -> list[str]:
    """Return under which values a limit counts a call; empty if it does not concern it."""
    return [value for _, value in Matching([limit(**given)]).of(use or Use(ACCOUNT))]


@pytest.mark.parametrize(
    ("kind", "name"),
    [("organisation", "org_1"), ("workspace", "ws_1"), ("member", "usr_1"), ("key", "key_1"), ("tag", "team=red")],
)
def test_the_account_is_looked_at(kind: str, name: str) -> None:
    """Everybody who pays is limited by name, and each separately by `*`."""
    other = f"{name}0"
    each = "team=*" if kind == "tag" else "*"
    assert values(subject_kind=kind, subject=name) == [""]
    assert values(subject_kind=kind, subject=other) == []
    assert values(subject_kind=kind, subject=each) == [name.rpartition("=")[2]]


def test_models_are_looked_at_by_pattern() -> None:
    """By the name asked for, or the one that serves; a pattern counts all that fit it together."""
    use = Use(ACCOUNT, model="openai/gpt-4o", model_asked="fast")
    for subject in ("openai/*", "fast", "*4o", "openai/gpt-4o", "o*/g*o"):
        assert values(use, subject_kind="model", subject=subject) == [""], subject
    assert values(use, subject_kind="model", subject="gpt-4o") == []
    assert values(use, subject_kind="model", subject="*") == ["openai/gpt-4o"]


def test_a_pattern_knows_no_other_signs() -> None:
    """Dots and brackets in names stand for themselves."""
    assert pattern_of("llama-3.3")("llama-3.3")
    assert not pattern_of("llama-3.3")("llama-3x3")


def test_end_users_and_tags_of_calls() -> None:
    """One end user by name, or each separately; a tag of the key holds against one that the call says."""
    use = Use(ACCOUNT, end_user="ann", tags=(("team", "blue"), ("job", "nightly")))
    assert values(use, subject_kind="end_user", subject="ann") == [""]
    assert values(use, subject_kind="end_user", subject="*") == ["ann"]
    assert values(Use(ACCOUNT), subject_kind="end_user", subject="*") == []
    assert values(use, subject_kind="tag", subject="job=nightly") == [""]
    assert values(use, subject_kind="tag", subject="team=blue") == []
    assert values(use, subject_kind="tag", subject="team=*") == ["red"]


def test_a_limit_is_its_organisations_and_workspaces() -> None:
    """What belongs to another organisation or workspace concerns nobody else."""
    assert values(organisation_id="org_1", workspace_id="ws_1") == [""]
    assert values(organisation_id="org_2") == []
    assert values(organisation_id="org_1", workspace_id="ws_2") == []


def test_limits_of_what_is_kept_concern_no_call() -> None:
    """They are asked for apart; what is switched off concerns nothing."""
    kept = limit(measure="documents", period="total", subject_kind="workspace", subject="ws_1")
    matching = Matching([kept, limit(enabled=False)])
    assert list(matching.of(Use(ACCOUNT))) == []
    assert list(matching.levels_of(ACCOUNT)) == [kept]
