"""The options of streams."""

from __future__ import annotations

from pydantic import Field

from narthex.config.sections import Section


class StreamSettings(Section):
    """How answers are streamed."""

    simulated_tokens_per_s: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="Pace of streams that are made here from whole answers, in tokens per second; by default at once.",
    )
