"""The options of streams: which are kept, how much of them, for how long; how they are made, and delivered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from narthex.config.sections import Seconds, Section

MAX_TOKENS_PER_S = 1_000_000.0
MAX_BYTES_PER_S = 1_000_000_000
MAX_CHUNK_BYTES = 1_048_576
MAX_FLUSH_MS = 60_000

TokensPerS = Annotated[float, Field(gt=0, le=MAX_TOKENS_PER_S, allow_inf_nan=False)]
"""Tokens per second, estimated."""
BytesPerS = Annotated[int, Field(ge=1, le=MAX_BYTES_PER_S)]
"""Bytes per second."""


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
    max_recordings: int = Field(
        default=100,
        ge=0,
        description="Recordings of one tenant, or of one key alone; the oldest are deleted first. With 0 nothing is "
        "recorded.",
    )
    max_recording_bytes: int = Field(
        default=16_777_216, ge=65_536, description="Bytes of one recording; it ends there, and says so."
    )
    max_recordings_bytes: int = Field(
        default=1_073_741_824, ge=65_536, description="Bytes of all recordings; the oldest are deleted first."
    )
    simulated_tokens_per_s: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="Pace of streams that are made here from whole answers, in tokens per second; by default at once.",
    )
    max_tokens_per_s: TokensPerS | None = Field(
        default=None,
        description="Tokens per second, estimated, of a stream whose request does not say; by default as they come.",
    )
    max_bytes_per_s: BytesPerS | None = Field(
        default=None, description="Bytes per second of a stream whose request does not say; by default as they come."
    )
    min_chunk_bytes: int | None = Field(
        default=None,
        ge=1,
        le=MAX_CHUNK_BYTES,
        description="Size to which the events of a stream are gathered, in bytes; by default not at all.",
    )
    flush_ms: int | None = Field(
        default=None,
        ge=1,
        le=MAX_FLUSH_MS,
        description="Longest time that events are gathered for, in milliseconds; with `min_chunk_bytes` alone 1000.",
    )
    keep_alive_comment_s: float = Field(
        default=15.0,
        ge=0,
        le=86_400,
        description="Silence of a stream after which a sign of life is sent, in seconds; 0 for none.",
    )
