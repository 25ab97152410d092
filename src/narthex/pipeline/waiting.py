"""A place at a target: waited for where there is none, and given back with what the call's end says about the load."""

from __future__ import annotations

from time import monotonic

from narthex.errors import Failure, NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.resilience.concurrency import AdaptiveLimit, Permit
from narthex.resilience.decisions import failure_of, rule_of


async def wait_for_place(exchange: Exchange, limit: AdaptiveLimit, *, deadline_s: float, others: bool) -> Permit:
    """Return a place as soon as there is one; the time that it took is taken from what attempts may take.

    Args:
        exchange: Whose priority says how urgent it is.
        limit: That of the target.
        deadline_s: When the whole call must be over.
        others: Whether there is somebody else to go to: then half of the time is left for them.

    Raises:
        RateLimited: As `AdaptiveLimit.acquire` does.
        Overloaded: The same.

    If cancelled, no place is held.
    """
    now_s = monotonic()
    permit = await limit.acquire(exchange.priority, (now_s + deadline_s) / 2 if others else deadline_s)
    exchange.total_s = deadline_s - monotonic()
    return permit


def give_back(place: Permit, error: NarthexError) -> bool:
    """Give a place back after the call has failed; True if that only tells a limit that was met before."""
    if rule_of(error).slows:
        return place.crowded(by_rate=failure_of(error) is Failure.RATE_LIMITED, retry_after_s=error.retry_after_s)
    place.release()
    return False
