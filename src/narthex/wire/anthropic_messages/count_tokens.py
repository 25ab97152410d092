"""The count of a request's tokens, whole both ways.

https://docs.anthropic.com/en/api/messages-count-tokens
"""

from __future__ import annotations

import msgspec

from narthex.wire.contract import MalformedBody


class TokenCount(msgspec.Struct):
    """The answer to a request for the count."""

    input_tokens: int


_COUNT = msgspec.json.Decoder(TokenCount)


def encode_count(input_tokens: int) -> bytes:
    """Write the answer for a client."""
    return msgspec.json.encode(TokenCount(input_tokens))


def decode_count(body: bytes) -> int:
    """Read a provider's answer.

    Raises:
        MalformedBody: Not such an answer, or a count below zero.
    """
    try:
        count = _COUNT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(f"not a count of tokens: {error}") from error
    if count.input_tokens < 0:
        raise MalformedBody("not a count of tokens: it is negative")
    return count.input_tokens
