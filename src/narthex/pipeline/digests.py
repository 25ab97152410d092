"""What tells one request from another, without keeping others waiting for it."""

from __future__ import annotations

import asyncio
from typing import Final

from narthex.resilience.idempotency import digest_of

LARGE_BYTES: Final = 1_048_576
"""Size from which on a body is digested in a thread: a millisecond or so."""


async def digested(where: str, body: bytes) -> bytes:
    """Return the digest of where a request went and what it said; see `digest_of`."""
    if len(body) >= LARGE_BYTES:
        return await asyncio.to_thread(digest_of, where, body)
    return digest_of(where, body)
