"""The options of streams: which are kept, how much of them, for how long; and how they are made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from narthex.config.sections import Seconds, Section


class StreamSettings(Section):
    """How answers are streamed, and which the server keeps, to be read on, paused, and read by several."""

    keep: Literal["asked", "always"] = Field(
        default="asked", description="Which streamed answers are kept: those that ask for it by a header, or all."
    )
    on_disconnect: Literal["cancel", "detach"] = Field(
        default="cancel",
        description="What becomes of a kept answer when nobody reads it any more, unless its request says: its call is "
        "ended, or it is written to its end.",
    )
    keep_s: Seconds = Field(default=600.0, description="How long a kept answer is held after its end, in seconds.")
    max_bytes: int = Field(
        default=4_194_304, ge=65_536, description="Bytes held of one answer; the oldest events are forgotten first."
    )
    max_total_bytes: int = Field(
        default=268_435_456, ge=65_536, description="Bytes held of all answers; those that ended first are forgotten."
    )
    max_per_owner: int = Field(
        default=1_000,
        ge=1,
        description="Kept answers of one tenant, or of one key alone, that are written at once.",
    )
    reader_lag_bytes: int = Field(
        default=1_048_576, ge=16_384, description="How far a reader of a kept answer may fall behind, in bytes."
    )
    pause_limit_s: Seconds = Field(
        default=120.0, description="How long a stream may be paused before its call is ended, in seconds."
    )
    simulated_tokens_per_s: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="Pace of streams that are made here from whole answers, in tokens per second; by default at once.",
    )
