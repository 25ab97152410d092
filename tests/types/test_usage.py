"""Tokens counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.types.usage import Usage


@given(st.integers(min_value=0), st.integers(min_value=0))
def test_parts_are_not_counted_twice(input_tokens: int, output_tokens: int) -> None:
    """The total is input and output; cached and reasoning tokens are already in them."""
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=5, reasoning_tokens=7)
    assert usage.total_tokens == input_tokens + output_tokens
