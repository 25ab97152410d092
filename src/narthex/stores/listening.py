"""Listening to a channel of Redis or Valkey, over a connection that is known to hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from narthex.stores.link import StoreUnavailable, raise_if_cancelled

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

PING_S: Final = 2.0
"""How often a quiet connection is tried."""


async def subscribed(readings: PubSub, *, timeout_s: float) -> None:
    """Wait until a subscription that was asked for holds.

    Raises:
        StoreUnavailable: It does not in this time.
    """
    message = await readings.get_message(timeout=timeout_s)
    if message is None or message["type"] != "subscribe":
        raise StoreUnavailable("no answer to SUBSCRIBE")


async def hear(readings: PubSub, heard: Callable[[object], None], *, timeout_s: float) -> None:
    """Hand on what is said on the channel until cancelled; a connection that says nothing to a ping is none.

    Args:
        readings: Subscribed.
        heard: Takes what is said.
        timeout_s: How long the answer to a ping is waited for.

    Raises:
        StoreUnavailable: There was none in this time.
    """
    is_pinged = False
    while True:
        raise_if_cancelled()
        message = await readings.get_message(timeout=timeout_s if is_pinged else PING_S)
        if message is None and is_pinged:
            raise StoreUnavailable("no answer to PING")
        is_pinged = message is None
        if message is None:
            await readings.ping()
        elif message["type"] == "message":
            heard(message["data"])
