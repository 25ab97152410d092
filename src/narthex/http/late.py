"""The ASGI application, made after the server has begun to listen.

Importing the web framework takes longer than everything else at start together. Model calls and probes need none of it:
they are served at once, and what comes for another route meanwhile waits the moment that is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class LateApp:
    """An application that is made in a thread, once, when it is first needed or when `prepare` is called."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._making: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on as soon as there is an application."""
        app = await self.prepare()
        await app(scope, receive, send)

    async def prepare(self) -> ASGIApp:
        """Make the application, or wait until it is made."""
        if self._making is None:
            self._making = asyncio.ensure_future(asyncio.to_thread(self._make))
        # One who leaves must not take the application away from the others.
        return await asyncio.shield(self._making)
