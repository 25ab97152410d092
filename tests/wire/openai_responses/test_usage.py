"""Tokens as the wire counts them."""

from __future__ import annotations

import msgspec
from hypothesis import given

from narthex.types.usage import Usage
from narthex.wire.openai_responses.schema import UsageBody
from narthex.wire.openai_responses.usage import usage_of, written_usage
from tests.wire.anthropic_messages.strategies import usages


@given(usages())
def test_counts_survive_both_directions(usage: Usage) -> None:
    """Written and read again, every figure is the same, and the total is their sum."""
    written = written_usage(usage)
    assert usage_of(msgspec.convert(written, UsageBody)) == usage
    assert written["total_tokens"] == usage.input_tokens + usage.output_tokens


def test_what_is_left_out_or_senseless_counts_as_none() -> None:
    """No report is none at all."""
    assert usage_of(None) is None
    assert usage_of(UsageBody(input_tokens=-4, output_tokens=2)) == Usage(output_tokens=2)
