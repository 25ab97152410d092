"""Calls held back by what their target still allows, and what its answers tell of that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic

from narthex.errors import RateLimited
from narthex.pipeline.estimates import BYTES_PER_TOKEN
from narthex.pipeline.exchange import Exchange
from narthex.providers.catalog import Target
from narthex.providers.contract import StreamReply, WholeReply
from narthex.providers.remote_keys import KeyedProvider
from narthex.resilience.allowances import SHORT_S, Allowance, Allowances
from narthex.wire.rate_limits import are_told, read_limits

AGAIN_S = 0.1
"""How often it is looked again: answers that come meanwhile may tell of more."""


def tokens_of(exchange: Exchange) -> int:
    """Return how many tokens a call is likely to count for, at the least."""
    return len(exchange.body) // BYTES_PER_TOKEN


async def hold_back(
    exchange: Exchange,
    allowance: Allowance,
    *,
    deadline_s: float,
    others: Iterable[str],
    known: Allowances,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> RateLimited | None:
    """Wait until a target allows a call; return why it must not wait, if so.

    Args:
        exchange: The call.
        allowance: What its target allows.
        deadline_s: Until when it may wait, by the monotonic clock.
        others: Whoever else it may go to.
        known: What these allow.
        sleep: Waits.
    """
    tokens, now_s = tokens_of(exchange), monotonic()
    wait_s = allowance.wait_s(tokens, now_s)
    if wait_s > 0:
        allowance.held += 1
    while wait_s > 0:
        free = wait_s > SHORT_S and any(_is_free(known.known.get(name), tokens, now_s) for name in others)
        if free or now_s + wait_s >= deadline_s:
            allowance.held -= 1
            allowance.passed_on += 1
            return RateLimited(
                "the provider tells in its answers that it takes no more calls of this model now", retry_after_s=wait_s
            )
        await sleep(min(wait_s, AGAIN_S))
        now_s = monotonic()
        wait_s = allowance.wait_s(tokens, now_s)
    return None


def heard(allowances: Allowances, target: Target, reply: WholeReply | StreamReply) -> None:
    """Take note of what an answer tells; of a provider with several keys these are told apart by their own books."""
    if allowances.follows and are_told(reply.headers) and not isinstance(target.provider, KeyedProvider):
        told = read_limits(reply.headers, wall=time.time())
        allowances.hear(target.name, told, refused=reply.status == 429)


def _is_free(allowance: Allowance | None, tokens: int, now_s: float) -> bool:
    return allowance is None or allowance.wait_s(tokens, now_s) <= 0
