"""A connection to Redis or Valkey that comes back by itself, and for which nobody waits.

Whatever is wrong with the server is told once in the log when it begins and once when it is over, and is to be seen in
the status and in the metrics all the time.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.05
"""Longest pause before the first try to come back; it doubles with each further one."""
LONGEST_PAUSE_S: Final = 2.0

State = Literal["connecting", "up", "down"]
Session = Callable[["Redis"], Awaitable[None]]
"""What is done while the connection holds; it calls `RedisLink.connected` once all is well, and ends by an error."""


class StoreUnavailable(Exception):
    """The store cannot be reached, or does not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """Where the server is, and how long it is waited for."""

    url: str = field(repr=False)
    prefix: str = "narthex"
    """Begins every name that is used there."""
    connect_timeout_s: float = 1.0
    timeout_s: float = 1.0
    """How long it may take to answer."""

    @property
    def address(self) -> str:
        """The address without user, password and options."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.path if parts.scheme == 'unix' else parts.netloc.rpartition('@')[2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """How the connection stands."""

    state: State
    address: str
    for_s: float
    """For how long it has stood so."""
    detail: str | None
    """What is wrong; None while nothing is."""
    losses: int
    """How often it was lost."""


def raise_if_cancelled() -> None:
    """End this task if it was cancelled, and something that it called kept that to itself.

    The client does, where an answer comes in the same turn.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class RedisLink:
    """Keeps one session with the server open, for as long as `run` runs."""

    def __init__(
        self,
        settings: LinkSettings,
        *,
        what: str = "redis",
        as_text: bool = True,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            settings: Where the server is.
            what: Begins what is told of it in the log.
            as_text: Whether answers are read as text, and not as bytes.
            clock: Says the seconds.
            chance: Where jitter comes from.
            sleep: Waits before the next try.
        """
        self.settings = settings
        self._what = what
        self._as_text = as_text
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._sleep = sleep
        self._state: State = "connecting"
        self._since_s = clock()
        self._detail: str | None = None
        self._losses = 0
        self._tries = 0
        self.tried = asyncio.Event()
        """Set once it is known whether the server is there."""

    @property
    def up(self) -> bool:
        """Whether the connection holds."""
        return self._state == "up"

    def status(self) -> LinkStatus:
        """Return how the connection stands."""
        return LinkStatus(
            state=self._state,
            address=self.settings.address,
            for_s=self._clock() - self._since_s,
            detail=self._detail,
            losses=self._losses,
        )

    def connected(self) -> None:
        """Take note that all is well."""
        if self._state == "down":
            logger.info("%s: %s is back after %.1f s", self._what, self.settings.address, self._clock() - self._since_s)
        self._become("up", None)

    async def run(self, session: Session, *, ended: Callable[[], None]) -> None:
        """Hold sessions, one after the other, until cancelled.

        Args:
            session: What is done while the connection holds.
            ended: Called each time when it no longer does.
        """
        # Wanted only where it is configured, and not cheap to load.
        from redis import RedisError  # noqa: PLC0415

        while True:
            try:
                async with self._client() as client:
                    # In a task of its own: before 3.13 a group that broke leaves its task marked as cancelled for good.
                    await asyncio.ensure_future(session(client))
            except (RedisError, OSError, TimeoutError, StoreUnavailable) as error:
                self._lost(error)
            except Exception as error:  # the edge of this task: a fault of ours must not end it for good
                logger.exception("%s: the session broke", self._what)
                self._lost(error)
            finally:
                ended()
            # A session whose group broke in the same turn tells of that, and not of its cancellation.
            raise_if_cancelled()
            await self._sleep(self._pause_s())

    def lines(self) -> Iterator[str]:
        """Yield how it stands in Prometheus's text format.

        https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        yield "# HELP narthex_redis_up Whether Redis is connected."
        yield "# TYPE narthex_redis_up gauge"
        yield f"narthex_redis_up {int(self.up)}"
        yield "# HELP narthex_redis_losses_total How often the connection to Redis was lost."
        yield "# TYPE narthex_redis_losses_total counter"
        yield f"narthex_redis_losses_total {self._losses}"

    def _client(self) -> Redis:
        from redis.asyncio import Redis as Client  # noqa: PLC0415 - as above
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415

        settings = self.settings
        client: Redis = Client.from_url(
            settings.url,
            decode_responses=self._as_text,
            socket_connect_timeout=settings.connect_timeout_s,
            socket_timeout=settings.timeout_s,
            client_name="narthex",
            # Trying again is this class's business.
            retry=Retry(NoBackoff(), 0),
        )
        return client

    def _lost(self, error: Exception) -> None:
        detail = str(error) or type(error).__name__
        if self._state != "down":
            self._losses += self._state == "up"
            if self._state == "up" and self._clock() - self._since_s >= LONGEST_PAUSE_S:
                # Not for one that is lost as soon as it is there: that would be tried again without a pause for ever.
                self._tries = 0
            logger.warning(
                "%s: %s: %s; this process keeps to itself what it learns until the server is there",
                self._what,
                self.settings.address,
                detail,
            )
            self._become("down", detail)
        self._detail = detail

    def _become(self, state: State, detail: str | None) -> None:
        self._state, self._detail = state, detail
        self._since_s = self._clock()
        self.tried.set()

    def _pause_s(self) -> float:
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._tries, 16))
        self._tries += 1
        return longest_s * (0.5 + self._chance.random() / 2)
