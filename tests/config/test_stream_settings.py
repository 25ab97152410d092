"""What may be said of streams."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from narthex.config.stream_settings import StreamSettings


def test_by_default_streams_come_as_they_come() -> None:
    """Nothing is throttled or gathered; silence is broken after a quarter of a minute."""
    settings = StreamSettings()
    assert settings.keep_alive_comment_s == 15.0
    assert (settings.max_tokens_per_s, settings.max_bytes_per_s) == (None, None)
    assert (settings.min_chunk_bytes, settings.flush_ms) == (None, None)


@pytest.mark.parametrize(
    "option",
    [
        {"max_tokens_per_s": 0},
        {"max_tokens_per_s": float("nan")},
        {"max_bytes_per_s": 0.5},
        {"min_chunk_bytes": 0},
        {"flush_ms": 60_001},
        {"keep_alive_comment_s": -1},
        {"keep_alive_comment_s": float("inf")},
    ],
)
def test_what_cannot_be_a_pace_is_refused(option: dict[str, float]) -> None:
    """Zero, negative and endless values are no pace."""
    with pytest.raises(ValidationError):
        StreamSettings.model_validate(option)


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
