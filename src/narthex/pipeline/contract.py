"""What a stage is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

from narthex.pipeline.exchange import Exchange

Next = Callable[[Exchange], Awaitable[None]]
"""The rest of the chain."""
Spawn = Callable[[Coroutine[object, object, None]], asyncio.Task[None]]
"""Starts a task that somebody keeps, and ends when it ends."""


class Check(Protocol):
    """A stage that never waits and never answers: it looks at the exchange, notes what it finds, or refuses.

    A chain of plain calls costs a fraction of a chain of coroutines, and most duties need no more.
    """

    def __call__(self, exchange: Exchange) -> None:
        """Do the duty.

        Raises:
            NarthexError: The call ends here, with this error as its answer.
        """
        ...


class Stage(Protocol):
    """One duty on the way of a call.

    A stage may change the exchange, set its `answer` and return without calling on, or watch the answer that the rest
    of the chain has set. It is blind to its neighbours and keeps no state of an exchange but on the exchange.
    """

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Do the duty and, unless the call is answered, `await call_next(exchange)`.

        Raises:
            NarthexError: The call ends here, with this error as its answer.
        """
        ...
