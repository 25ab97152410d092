"""What may be said of streams."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from narthex.config.stream_settings import StreamSettings


def test_made_streams_come_at_once_unless_a_pace_is_set() -> None:
    """Without a setting there is no pace; one that is no pace is refused."""
    assert StreamSettings().simulated_tokens_per_s is None
    assert StreamSettings(simulated_tokens_per_s=40).simulated_tokens_per_s == 40
    for wrong in (0, -1, 1e9):
        with pytest.raises(ValidationError):
            StreamSettings(simulated_tokens_per_s=wrong)


@pytest.mark.parametrize(
    "wrong", [{"keep": "never"}, {"on_disconnect": "shrug"}, {"max_bytes": 1}, {"keep_s": 0}, {"max_per_owner": 0}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    """Each with its own bounds."""
    with pytest.raises(ValidationError):
        StreamSettings.model_validate(wrong)
