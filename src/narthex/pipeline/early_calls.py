"""Calls that nobody has made yet, sent in the name of who is likely to: within a budget, and where there is room."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from narthex.config.cache_settings import PredictiveSettings
from narthex.errors import Cancelled, NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.predicted_calls import Again
from narthex.streams.stream import Stream
from narthex.tenancy.keys import Caller
from narthex.types.limits import Limit, Measure, Period, SubjectKind

logger = logging.getLogger(__name__)

TAG: Final = "narthex-prefetch"
"""Marks these calls in the ledger, with the workspace; the budget of a day is a limit on it."""
PAUSE_S: Final = 30.0
"""How long a model is left alone with them after one has failed."""
_MOST_LEFT_ALONE: Final = 1_000


class NotSent(Exception):
    """A call was not made; its word says why."""

    def __init__(self, outcome: Literal["changed", "refused"]) -> None:
        super().__init__(outcome)
        self.outcome: Literal["changed", "refused"] = outcome


def budget_limit(settings: PredictiveSettings) -> tuple[Limit, ...]:
    """Return the limit that holds these calls to their budget: each workspace's, each day; none where they are off."""
    if not settings.enabled:
        return ()
    return (
        Limit(
            id=f"cap:{TAG}",
            subject_kind=SubjectKind.TAG,
            subject=f"{TAG}=*",
            measure=Measure.COST,
            amount=round(settings.budget_usd_per_day * 1_000_000),
            period=Period.DAY,
        ),
    )


class EarlyCalls:
    """Sends them.

    Attributes:
        handle: Takes a call through the whole chain; the engine's.
        available: Tells whether a model has room to spare.
        parallel: How many are under way at most.
        spent: What they cost, in picodollars, by whose they are.
    """

    handle: Callable[[Exchange], Awaitable[Stream]]

    def __init__(self, *, parallel: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Send nothing yet.

        Args:
            parallel: How many are under way at most.
            clock: Tells seconds.
        """
        self.available: Callable[[str], bool] = lambda _name: True
        self.parallel = parallel
        self.spent: Counter[str] = Counter()
        self._clock = clock
        self._under_way = 0
        self._left_alone: dict[str, float] = {}

    def has_room(self, target: str) -> bool:
        """Tell whether one may go to a model now: it is in nobody's way there, and none has failed a moment ago."""
        if self._under_way >= self.parallel or not self.available(target):
            return False
        return self._clock() >= self._left_alone.get(target, 0.0)

    async def send(self, again: Again, key: bytes, caller: Caller, peer: tuple[str, int] | None) -> Exchange:
        """Make a call and read its answer to the end.

        Args:
            again: The call.
            key: Under which its answer is wanted in the cache, or what else tells it from others.
            caller: Who is likely to make it, and pays for it.
            peer: From where.

        Raises:
            NotSent: It was `refused`, or has failed; or it would be another one by now (`changed`).
        """
        exchange = _exchange(again, key, caller, peer)
        self._under_way += 1
        try:
            answer = await self.handle(exchange)
            reader = answer.reader()
            while await reader.wait():
                reader.take()
            if answer.error is not None:
                raise answer.error
        except Cancelled as error:
            raise NotSent("changed") from error
        except NarthexError as error:
            logger.info("a call could not be made before it is asked for: %s", error)
            if len(self._left_alone) > _MOST_LEFT_ALONE:
                self._left_alone.clear()
            self._left_alone[again.target] = self._clock() + PAUSE_S
            raise NotSent("refused") from error
        finally:
            self._under_way -= 1
        return exchange


def _exchange(again: Again, key: bytes, caller: Caller, peer: tuple[str, int] | None) -> Exchange:
    said = again.headers.get(b"x-narthex-tags")
    tag = f"{TAG}={caller.account.workspace_id}".encode()
    tags = tag if not said else b"%b, %b" % (said, tag)
    headers = {**again.headers, b"x-narthex-tags": tags, b"x-narthex-priority": b"low"}
    exchange = Exchange(again.dialect, again.body, headers, again.operation, caller=caller, peer=peer)
    exchange.prefetches = key
    return exchange
