"""Calls are as urgent as their word says."""

from __future__ import annotations

from typing import get_args

from narthex.types.priorities import PRIORITIES, Priority, PriorityWord


def test_each_priority_has_its_word() -> None:
    """The words of headers and settings are those of the priorities, from the lowest to the highest."""
    assert tuple(PRIORITIES) == get_args(PriorityWord) == ("low", "normal", "high")
    assert [priority.word for priority in sorted(PRIORITIES.values())] == ["low", "normal", "high"]
    assert PRIORITIES["high"] is Priority.HIGH
