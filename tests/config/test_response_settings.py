"""What is kept of responses fits into what it is a part of."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from narthex.config.response_settings import ResponseSettings, response_problems


def test_what_is_delivered_holds_together() -> None:
    """Without any setting responses are kept, and nothing contradicts itself."""
    assert ResponseSettings().store
    assert not list(response_problems(ResponseSettings()))


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        (ResponseSettings(max_bytes=65_536, owner_bytes=65_537, response_bytes=4_096), "owner_bytes"),
        (ResponseSettings(owner_bytes=65_536, response_bytes=65_537), "response_bytes"),
    ],
)
def test_a_part_is_no_larger_than_the_whole(settings: ResponseSettings, option: str) -> None:
    """A limit above the one that it lies within can never be reached, and is told by its name."""
    (found,) = response_problems(settings)
    assert found[0] == option
    assert "responses." in found[1]


def test_a_time_has_bounds() -> None:
    """Nothing is kept for no time, or for more than a year."""
    for keep_s in (0, 31_536_001):
        with pytest.raises(ValidationError):
            ResponseSettings(keep_s=keep_s)
