"""Tokens as this wire counts them, and as we do.

The wire's `input_tokens` leave out what was read from and written to the prompt cache; ours are all that was read.
"""

from __future__ import annotations

from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.schema import CacheCreation, Json, WireUsage


def usage_of(wire: WireUsage) -> Usage:
    """Count as we do; what the provider left out counts as none."""
    read = max(wire.cache_read_input_tokens or 0, 0)
    written, for_1h = _written(wire)
    details = wire.output_tokens_details
    return Usage(
        input_tokens=max(wire.input_tokens or 0, 0) + read + written,
        output_tokens=max(wire.output_tokens or 0, 0),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=for_1h,
        reasoning_tokens=0 if details is None else max(details.thinking_tokens or 0, 0),
    )


def _written(wire: WireUsage) -> tuple[int, int]:
    """Return the tokens that were written to the cache, and those of them that are kept for an hour.

    https://docs.claude.com/en/docs/build-with-claude/prompt-caching#1-hour-cache-duration
    """
    kinds = wire.cache_creation
    if kinds is None:
        return max(wire.cache_creation_input_tokens or 0, 0), 0
    for_1h = max(kinds.ephemeral_1h_input_tokens or 0, 0)
    parts = max(kinds.ephemeral_5m_input_tokens or 0, 0) + for_1h
    # Where both are told the total holds, of which the parts are some.
    written = parts if wire.cache_creation_input_tokens is None else max(wire.cache_creation_input_tokens, 0)
    return written, min(for_1h, written)


def merged(earlier: WireUsage | None, later: WireUsage) -> WireUsage:
    """Return what the end of a stream says of usage, where it is silent what its beginning said.

    The counts are totals so far, not differences: the later one replaces the earlier.
    """
    if earlier is None:
        return later
    return WireUsage(
        input_tokens=_first(later.input_tokens, earlier.input_tokens),
        output_tokens=_first(later.output_tokens, earlier.output_tokens),
        cache_creation_input_tokens=_first(later.cache_creation_input_tokens, earlier.cache_creation_input_tokens),
        cache_read_input_tokens=_first(later.cache_read_input_tokens, earlier.cache_read_input_tokens),
        cache_creation=_kinds(earlier, later),
        output_tokens_details=later.output_tokens_details or earlier.output_tokens_details,
    )


def _kinds(earlier: WireUsage, later: WireUsage) -> CacheCreation | None:
    """Return for how long what was written is kept: as told with the total that counts."""
    is_new = later.cache_creation_input_tokens not in {None, earlier.cache_creation_input_tokens}
    return later.cache_creation if is_new else later.cache_creation or earlier.cache_creation


def written_usage(usage: Usage) -> Json:
    """Write usage as the wire counts."""
    written: Json = {
        "input_tokens": max(usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens, 0),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.cache_write_1h_tokens:
        for_1h = usage.cache_write_1h_tokens
        kinds = {"ephemeral_5m_input_tokens": usage.cache_write_tokens - for_1h, "ephemeral_1h_input_tokens": for_1h}
        written["cache_creation"] = kinds
    if usage.reasoning_tokens:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return written


def _first(later: int | None, earlier: int | None) -> int | None:
    return earlier if later is None else later
