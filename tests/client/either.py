"""Both clients behind one face, so that one suite holds them to the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Unpack, cast

from narthex.client import AsyncClient, Client
from narthex.client.blocking import EventStream
from narthex.client.nonblocking import AsyncEventStream
from narthex.client.values import ClientOptions


class Either:
    """A client of one of both kinds, used from an event loop; the blocking one works in threads."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = client

    async def call(self, method: str, *arguments: object, **options: object) -> object:
        """Call a method and return what it returns."""
        function = cast("Callable[..., object]", getattr(self.client, method))
        if isinstance(self.client, Client):
            return await asyncio.to_thread(function, *arguments, **options)
        return await cast("Awaitable[object]", function(*arguments, **options))

    async def open(self, method: str, *arguments: object, **options: object) -> Stream:
        """Call a method that streams."""
        found = await self.call(method, *arguments, stream=True, **options)
        return Stream(cast("EventStream[object] | AsyncEventStream[object]", found))

    async def events(self, method: str, *arguments: object, **options: object) -> Sequence[object]:
        """Return all events of a streamed answer."""
        stream = await self.open(method, *arguments, **options)
        return [event async for event in stream]


def _next(stream: EventStream[object]) -> object | None:
    return next(stream, None)


class Stream:
    """A streamed answer of either client."""

    def __init__(self, stream: EventStream[object] | AsyncEventStream[object]) -> None:
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[object]:
        """Iterate over the events."""
        while (event := await self.next()) is not None:
            yield event

    async def next(self) -> object | None:
        """Return the next event, or None behind the last."""
        if isinstance(self.stream, EventStream):
            return await asyncio.to_thread(_next, self.stream)
        return await anext(self.stream, None)

    async def read_into(self, seen: list[object]) -> None:
        """Read to the end; what comes before a failure is in `seen`."""
        while (event := await self.next()) is not None:
            seen.append(event)

    async def close(self) -> None:
        """Leave the answer."""
        if isinstance(self.stream, EventStream):
            self.stream.close()
        else:
            await self.stream.aclose()


@asynccontextmanager
async def either(kind: str, url: str, **options: Unpack[ClientOptions]) -> AsyncGenerator[Either, None]:
    """Open a client of the kind `blocking` or `nonblocking`."""
    if kind == "blocking":
        with Client(url, **options) as blocking:
            yield Either(blocking)
    else:
        async with AsyncClient(url, **options) as nonblocking:
            yield Either(nonblocking)
