"""What is written at which level stands in one table."""

from __future__ import annotations

import pytest

from narthex.audit.levels import Level, is_written


@pytest.mark.parametrize(
    ("action", "levels"),
    [
        ("key.create", {"minimal", "standard", "detailed"}),
        ("session.sign_in", {"minimal", "standard", "detailed"}),
        ("permission.denied", {"minimal", "standard", "detailed"}),
        ("content.read", {"minimal", "standard", "detailed"}),
        ("key.first_use", {"standard", "detailed"}),
        ("key.new_address", {"detailed"}),
    ],
)
def test_an_action_is_written_from_its_level_on(action: str, levels: set[Level]) -> None:
    """What no table names is written always."""
    every: tuple[Level, ...] = ("minimal", "standard", "detailed")
    assert {level for level in every if is_written(action, level)} == levels
