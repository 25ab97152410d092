"""Has questions answered before they are asked: each is sent as its caller's own call, and its answer is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

import msgspec

from narthex.cache.directives import UnreadableDirective, read
from narthex.cache.store import Cache
from narthex.errors import InvalidRequest, NarthexError
from narthex.pipeline.cache_intake import LARGE_BYTES
from narthex.pipeline.cache_terms import OWN_HEADER, CachePolicy
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Stream, drain
from narthex.tenancy.keys import Caller
from narthex.types.dialects import Dialect

MAX_REQUESTS: Final = 1_000
MAX_PARALLEL: Final = 16
USUAL_PARALLEL: Final = 4
_REFRESH: Final = "refresh"
_PAUSE_S: Final = 0.02
_PAUSES: Final = 50
"""How long it is waited for a large answer to be kept, which is done beside the call."""


class Warmed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of one request."""

    index: int
    """Its place in the list, from 0 on."""
    request_id: str
    status: Literal["kept", "not kept", "failed"]
    key: str | None
    """Of the entry that was made."""
    code: str | None
    """Why there is no answer, as errors have it."""
    message: str | None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent."""

    requests: Sequence[bytes]
    """Each as for `POST /v1/chat/completions`."""
    directives: str = ""
    """What the header says behind `refresh`: `; ttl=600`."""
    parallel: int = USUAL_PARALLEL
    """How many go out at once."""


class Warming:
    """Sends requests."""

    def __init__(
        self, cache: Cache, policy: Callable[[], CachePolicy], handle: Callable[[Exchange], Awaitable[Stream]]
    ) -> None:
        """Take what is filled, what says under which keys, and what takes calls through the whole chain."""
        self._policy = policy
        self._cache = cache
        self._handle = handle

    async def warm(self, caller: Caller, asked: Asked, peer: tuple[str, int] | None = None) -> list[Warmed]:
        """Send requests on behalf of a caller, as if they came one by one; return what became of each."""
        places = asyncio.Semaphore(asked.parallel)
        header = f"{_REFRESH}{asked.directives}".encode()

        async def send(index: int, body: bytes) -> Warmed:
            async with places:
                exchange = Exchange(Dialect.OPENAI_CHAT, body, {OWN_HEADER: header}, caller=caller, peer=peer)
                return await self._send(index, exchange)

        return list(await asyncio.gather(*(send(index, body) for index, body in enumerate(asked.requests))))

    async def _send(self, index: int, exchange: Exchange) -> Warmed:
        try:
            await drain(await self._handle(exchange))
        except NarthexError as error:
            return _told(index, exchange, "failed", error=error)
        key = await self._kept(exchange)
        return _told(index, exchange, "not kept" if key is None else "kept", key=key)

    async def _kept(self, exchange: Exchange) -> bytes | None:
        """Return the key that the answer is kept under; None if it is none to be kept."""
        terms = self._policy().terms(exchange)
        if terms is None:
            return None
        is_large = exchange.answer is not None and exchange.answer.bytes_total > LARGE_BYTES
        for _ in range(_PAUSES if is_large else 2):
            held = self._cache.memory.peek(terms.key)
            if held is not None and held.entry.maker == exchange.id:
                return terms.key
            await asyncio.sleep(_PAUSE_S)
        return None


def checked_directives(text: str) -> str:
    """Return directives as the header has them behind its first word; raises `InvalidRequest` if they cannot be."""
    try:
        read(f"{_REFRESH}{text}".encode(), None)
    except (UnreadableDirective, UnicodeError) as error:
        raise InvalidRequest(f"tags: {error}", param="tags") from error
    return text


def _told(
    index: int,
    exchange: Exchange,
    status: Literal["kept", "not kept", "failed"],
    *,
    key: bytes | None = None,
    error: NarthexError | None = None,
) -> Warmed:
    return Warmed(
        index=index,
        request_id=exchange.id,
        status=status,
        key=None if key is None else key.hex(),
        code=None if error is None else error.code,
        message=None if error is None else error.message,
    )
