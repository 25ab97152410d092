"""Tokens counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.types.usage import MAX_TOKENS, Usage


@given(st.integers(min_value=0), st.integers(min_value=0))
def test_parts_are_not_counted_twice(input_tokens: int, output_tokens: int) -> None:
    """The total is input and output; cached and reasoning tokens are already in them."""
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=5, reasoning_tokens=7)
    assert usage.total_tokens == input_tokens + output_tokens


_counts = st.integers(-5, 20) | st.sampled_from([10**9, 10**9 + 1, 10**30, -(10**30)])


@given(st.lists(_counts, min_size=5, max_size=5), st.booleans())
def test_what_is_plausible_stays_and_nothing_else_is_left(counts: list[int], estimated: bool) -> None:
    """No count is below zero, and the parts fit into their totals."""
    read, written, from_cache, to_cache, reasoning = counts
    usage = Usage(
        input_tokens=read,
        output_tokens=written,
        cache_read_tokens=from_cache,
        cache_write_tokens=to_cache,
        reasoning_tokens=reasoning,
        estimated=estimated,
    )
    made = usage.plausible()
    assert made.estimated == estimated
    assert made.plausible() is made
    assert min(made.cache_read_tokens, made.cache_write_tokens, made.reasoning_tokens) >= 0
    assert made.cache_read_tokens + made.cache_write_tokens <= made.input_tokens <= MAX_TOKENS
    assert made.reasoning_tokens <= made.output_tokens <= MAX_TOKENS
    fits = min(counts) >= 0 and max(counts) <= MAX_TOKENS and from_cache + to_cache <= read and reasoning <= written
    assert (made is usage) == fits
