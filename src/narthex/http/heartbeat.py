"""Signs of life in streams that say nothing for a while, by one sweep over all of them.

Proxies and load balancers cut connections on which nothing comes. A timer per stream or a look at the clock per event
would cost every stream something; going through those in delivery twice a second costs nothing that can be measured.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final, Protocol, TypeVar

from narthex.types.dialects import Dialect
from narthex.wire.sse import comment, encode_event

SWEEP_S: Final = 0.5
COMMENT: Final = comment("keepalive")

_SIGNS: Final[Mapping[Dialect, bytes]] = {
    # What its clients know: https://docs.anthropic.com/en/docs/build-with-claude/streaming#ping-events
    Dialect.ANTHROPIC_MESSAGES: encode_event(b'{"type": "ping"}', event="ping"),
}
_NUMBERED: Final = b": keepalive\n"
"""Without a blank line: behind events with an `id`, OpenAI's SDK takes that for the end of an event without data."""
_NEW: Final = (-1, 0.0)

logger = logging.getLogger(__name__)


def sign_of_life(dialect: Dialect, *, numbered: bool = False) -> bytes:
    """Return what a stream of this dialect, whose events are `numbered` or not, says where it has nothing to say."""
    return _SIGNS.get(dialect, _NUMBERED if numbered else COMMENT)


class Delivery(Protocol):
    """A streamed answer on its way to its caller."""

    @property
    def progress(self) -> int:
        """A figure that is another one whenever something was written since."""
        ...

    def keep_alive(self) -> None:
        """Write a sign of life, if anything can be written now."""
        ...


SomeDelivery = TypeVar("SomeDelivery", bound=Delivery)


class Heartbeat:
    """Looks at all streams in delivery twice a second.

    Attributes:
        interval_s: Silence after which a sign of life is due, in seconds; 0 for never.
    """

    def __init__(self, interval_s: float = 0.0) -> None:
        self.interval_s = interval_s
        self._seen: dict[Delivery, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, delivery: SomeDelivery) -> SomeDelivery:
        """Look at one more, from the next sweep on; return it."""
        self._seen[delivery] = _NEW
        return delivery

    def discard(self, delivery: Delivery) -> None:
        """Look at it no more."""
        self._seen.pop(delivery, None)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            if self.interval_s:
                self.sweep(time.monotonic())

    def sweep(self, now: float) -> None:
        """Have every stream that was silent for too long, at this time in seconds, give a sign of life."""
        interval_s, seen = self.interval_s, self._seen
        for delivery, (progress, since) in tuple(seen.items()):
            if delivery.progress != progress:
                seen[delivery] = (delivery.progress, now)
            elif now - since >= interval_s:
                seen[delivery] = (progress, now)
                _keep_alive(delivery)


def _keep_alive(delivery: Delivery) -> None:
    try:
        delivery.keep_alive()
    except Exception:  # the edge of a connection: a fault at one must not end the watch over all
        logger.exception("a stream could not be kept alive")
