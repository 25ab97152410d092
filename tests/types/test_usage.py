"""Tokens counted."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from narthex.types.usage import MAX_AUDIO_MS, MAX_IMAGES, MAX_TOKENS, Usage


@given(st.integers(min_value=0), st.integers(min_value=0))
def test_parts_are_not_counted_twice(input_tokens: int, output_tokens: int) -> None:
    """The total is input and output; cached and reasoning tokens are already in them."""
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=5, reasoning_tokens=7)
    assert usage.total_tokens == input_tokens + output_tokens


_PARTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "images",
    "audio_ms",
)
_counts = st.integers(-5, 20) | st.sampled_from([10**9, 10**9 + 1, 10**30, -(10**30)])


@given(st.lists(_counts, min_size=8, max_size=8), st.booleans())
def test_what_is_plausible_stays_and_nothing_else_is_left(counts: list[int], estimated: bool) -> None:
    """No count is below zero, and the parts fit into their totals."""
    read, written, from_cache, to_cache, for_1h, reasoning, images, _ = counts
    usage = msgspec.convert(dict(zip(_PARTS, counts, strict=True)) | {"estimated": estimated}, Usage)
    made = usage.plausible()
    assert made.estimated == estimated
    assert made.plausible() == made
    assert 0 <= made.images <= MAX_IMAGES
    assert 0 <= made.audio_ms <= MAX_AUDIO_MS
    assert min(made.cache_read_tokens, made.cache_write_tokens, made.reasoning_tokens) >= 0
    assert 0 <= made.cache_write_1h_tokens <= made.cache_write_tokens
    assert made.cache_read_tokens + made.cache_write_tokens <= made.input_tokens <= MAX_TOKENS
    assert made.reasoning_tokens <= made.output_tokens <= MAX_TOKENS
    fits = min(counts) >= 0 and max(counts) <= MAX_TOKENS and images <= MAX_IMAGES
    fits = fits and from_cache + to_cache <= read and for_1h <= to_cache and reasoning <= written
    assert (made == usage) == fits
