"""Tokens as the wire counts them, and as we do."""

from __future__ import annotations

import msgspec
from hypothesis import given

from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.schema import CacheCreation, OutputDetails, WireUsage
from narthex.wire.anthropic_messages.usage import merged, usage_of, written_usage
from tests.wire.anthropic_messages.strategies import usages


def test_our_input_includes_what_the_cache_gave_and_took() -> None:
    """The wire leaves cache reads and writes out of its input tokens; we count all that was read."""
    wire = WireUsage(input_tokens=10, output_tokens=5, cache_read_input_tokens=100, cache_creation_input_tokens=20)
    assert usage_of(wire) == Usage(input_tokens=130, output_tokens=5, cache_read_tokens=100, cache_write_tokens=20)


def test_what_is_kept_for_an_hour_is_told_apart() -> None:
    """Within the total, which holds where both are told; whoever tells the parts alone has told their sum."""
    kinds = CacheCreation(ephemeral_5m_input_tokens=20, ephemeral_1h_input_tokens=30)
    for total, written, for_1h in ((50, 50, 30), (None, 50, 30), (10, 10, 10), (0, 0, 0)):
        found = usage_of(WireUsage(cache_creation_input_tokens=total, cache_creation=kinds))
        assert (found.cache_write_tokens, found.cache_write_1h_tokens) == (written, for_1h)
    odd = CacheCreation(ephemeral_5m_input_tokens=None, ephemeral_1h_input_tokens=-7)
    assert usage_of(WireUsage(cache_creation_input_tokens=9, cache_creation=odd)).cache_write_1h_tokens == 0
    beginning = WireUsage(cache_creation_input_tokens=50, cache_creation=kinds)
    for end, for_1h in (
        (WireUsage(output_tokens=1), 30),
        (WireUsage(cache_creation_input_tokens=50), 30),
        (WireUsage(cache_creation_input_tokens=7), 0),
        (WireUsage(cache_creation=CacheCreation(ephemeral_1h_input_tokens=50)), 50),
    ):
        assert usage_of(merged(beginning, end)).cache_write_1h_tokens == for_1h


def test_what_is_left_out_or_senseless_counts_as_none() -> None:
    """Fields may be missing or null; a negative count is none."""
    assert usage_of(WireUsage()) == Usage()
    assert usage_of(WireUsage(input_tokens=-5, output_tokens=2, cache_read_input_tokens=-1)) == Usage(output_tokens=2)


@given(usages(for_long=True))
def test_counts_survive_both_directions(usage: Usage) -> None:
    """Written and read again, every figure is the same."""
    assert usage_of(msgspec.convert(written_usage(usage), WireUsage)) == usage


def test_parts_beyond_their_total_leave_no_negative_count() -> None:
    """Some providers count cached tokens beside the input instead of in it."""
    assert written_usage(Usage(input_tokens=5, cache_read_tokens=9))["input_tokens"] == 0


def test_the_end_of_a_stream_replaces_what_its_beginning_said() -> None:
    """Counts are totals so far; where the end is silent the beginning stands."""
    beginning = WireUsage(input_tokens=10, output_tokens=1, cache_read_input_tokens=7, cache_creation_input_tokens=0)
    end = WireUsage(
        output_tokens=50, cache_read_input_tokens=0, output_tokens_details=OutputDetails(thinking_tokens=20)
    )
    assert usage_of(merged(beginning, end)) == Usage(input_tokens=10, output_tokens=50, reasoning_tokens=20)
    assert merged(None, end) == end
