"""Which events say something."""

from __future__ import annotations

import pytest

from narthex.types.answers import FinishReason
from narthex.types.events import (
    Ended,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
    is_content,
)
from narthex.types.usage import Usage


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Started(id="a", model="m", created_at=1), False),
        (TextDelta(text="a"), True),
        (TextDelta(text=""), False),
        (RefusalDelta(text="no"), True),
        (RefusalDelta(text=""), False),
        (ReasoningDelta(text="hm"), True),
        (ReasoningDelta(signature="s"), True),
        (ReasoningDelta(redacted="r"), True),
        (ReasoningDelta(), False),
        (ToolCallStarted(id="t", name="n"), True),
        (ToolCallDelta(arguments=""), True),
        (Finished(reason=FinishReason.STOP), True),
        (UsageReported(usage=Usage()), False),
        (Failed(message="no"), False),
        (Ended(), True),
    ],
)
def test_only_what_a_model_says_is_content(event: Event, expected: bool) -> None:
    """A beginning, figures and empty pieces bring an answer no further."""
    assert is_content(event) is expected
