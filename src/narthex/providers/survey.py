"""Asks the providers which models they serve, and keeps the catalog up to date."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Final

from narthex.errors import NarthexError
from narthex.providers.catalog import Catalog
from narthex.providers.contract import Provider

FRESH_S: Final = 30.0
"""How long an answer is good."""
PATIENCE_S: Final = 1.5
"""How long a caller waits for the first answers; what comes later is there for the next."""

logger = logging.getLogger(__name__)


class Survey:
    """Asks all providers at once, seldom, and never twice at the same time."""

    def __init__(
        self, catalog: Catalog, spawn: Callable[[Coroutine[object, object, None]], asyncio.Task[None]]
    ) -> None:
        self._catalog = catalog
        self._spawn = spawn
        self._asked_at = float("-inf")
        self._running: asyncio.Task[None] | None = None
        self._complete = False

    def expire(self) -> None:
        """Ask again at the next opportunity, whatever is known."""
        self._asked_at = float("-inf")

    async def refresh(self) -> None:
        """Ask if that was not done lately; wait only for the very first answers, and not long."""
        now = time.monotonic()
        if self._running is None and now - self._asked_at > FRESH_S:
            self._asked_at = now
            self._running = self._spawn(self._ask_all())
        if self._running is not None and not self._complete:
            await asyncio.wait({self._running}, timeout=PATIENCE_S)

    async def _ask_all(self) -> None:
        try:
            await asyncio.gather(*(self._ask(provider) for provider in self._catalog.providers))
            self._complete = True
        finally:
            self._running = None

    async def _ask(self, provider: Provider) -> None:
        try:
            models = await provider.list_models()
        except NarthexError as error:
            logger.info("provider %s could not be asked for its models: %s", provider.name, error.message)
            return
        if provider not in self._catalog.providers:
            # Another took its name, or nobody, while it was asked.
            return
        # A list that stands in the configuration stays the whole list.
        closed = self._catalog.closed(provider.name) or (bool(models) and provider.kind not in {"openai", "anthropic"})
        self._catalog.learn(provider.name, models, closed=closed)
