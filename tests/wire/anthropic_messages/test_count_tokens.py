"""The count of a request's tokens."""

from __future__ import annotations

import anthropic.types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.wire.anthropic_messages import decode_count, encode_count
from narthex.wire.contract import MalformedBody


@given(st.integers(0, 10**9))
def test_a_count_is_written_and_read(count: int) -> None:
    """The same figure comes back, and the vendor's SDK reads it."""
    assert decode_count(encode_count(count)) == count
    assert anthropic.types.MessageTokensCount.model_validate_json(encode_count(count)).input_tokens == count


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"input_tokens": "3"}', b'{"input_tokens": -1}', b"[" * 90_000, b"\xff"]
)
def test_what_is_no_count_is_refused(body: bytes) -> None:
    """Nonsense is not a count of anything."""
    with pytest.raises(MalformedBody):
        decode_count(body)
