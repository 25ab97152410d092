"""Listening to a channel, as the two who do it need it; their own tests drive it against a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from narthex.stores.link import StoreUnavailable
from narthex.stores.listening import hear, subscribed

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub


class Said:
    """A subscription on which these things are said, and then nothing any more."""

    def __init__(self, *messages: dict[str, object] | None) -> None:
        self._messages = list(messages)
        self.pings = 0

    async def get_message(self, *, timeout: float) -> dict[str, object] | None:  # noqa: ASYNC109 - the client's word
        """Return the next thing said."""
        del timeout
        return self._messages.pop(0) if self._messages else None

    async def ping(self) -> None:
        """Take a ping."""
        self.pings += 1


async def test_messages_are_handed_on_until_the_connection_is_silent() -> None:
    """A ping that is answered keeps it; one that is not ends it."""
    said = Said({"type": "message", "data": "a"}, None, {"type": "pong"}, {"type": "message", "data": "b"})
    found: list[object] = []
    with pytest.raises(StoreUnavailable, match="PING"):
        await hear(cast("PubSub", said), found.append, timeout_s=1)
    assert found == ["a", "b"]
    assert said.pings == 2


@pytest.mark.parametrize("answer", [None, {"type": "message"}])
async def test_a_subscription_that_is_not_confirmed_is_none(answer: dict[str, object] | None) -> None:
    """Whatever comes in place of the confirmation."""
    await subscribed(cast("PubSub", Said({"type": "subscribe"})), timeout_s=1)
    with pytest.raises(StoreUnavailable, match="SUBSCRIBE"):
        await subscribed(cast("PubSub", Said(answer)), timeout_s=1)
