"""Tokens as this wire counts them, and as we do: both count all that was read, the cached ones included."""

from __future__ import annotations

from narthex.types.usage import Usage
from narthex.wire.openai_responses.schema import Json, UsageBody, UsageDetails

_NONE = UsageDetails()


def usage_of(body: UsageBody | None) -> Usage | None:
    """Return what a provider reports; what it left out counts as none."""
    if body is None:
        return None
    read, written = body.input_tokens_details or _NONE, body.output_tokens_details or _NONE
    return Usage(
        input_tokens=max(body.input_tokens or 0, 0),
        output_tokens=max(body.output_tokens or 0, 0),
        cache_read_tokens=max(read.cached_tokens or 0, 0),
        cache_write_tokens=max(read.cache_write_tokens or 0, 0),
        reasoning_tokens=max(written.reasoning_tokens or 0, 0),
    )


def written_usage(usage: Usage) -> Json:
    """Write usage as the wire counts."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
