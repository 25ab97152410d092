"""Calls under an idempotency key, and a provider that streams when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from narthex.pipeline.exchange import Exchange
from narthex.providers.contract import StreamReply
from narthex.streams.stream import Stream
from narthex.testing.wires import openai_frames
from tests.pipeline.doubles import CHAT, exchange, read

STREAM = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
FRAMES = openai_frames("one two three four")
KEY = {b"idempotency-key": b"k"}


def call(body: object = STREAM, **headers: str) -> Exchange:
    """Return a call under the key `k`; underscores in names of headers stand for dashes."""
    more = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return exchange(body, headers={**KEY, **more})


class Tap:
    """A provider's stream from which pieces come when a test says so."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.notes: list[str] = []
        self.reply = StreamReply(
            200,
            {"content-type": "text/event-stream"},
            self._pump,
            lambda: self.notes.append("pause"),
            lambda: self.notes.append("resume"),
            lambda: self.notes.append("hurry"),
        )

    async def _pump(self, feed: Callable[[bytes], None], told: Callable[[], bool] | None = None) -> None:
        try:
            while (piece := await self.pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                feed(piece)
        except asyncio.CancelledError:
            self.notes.append("cancelled")
            raise

    async def give(self, *pieces: bytes | Exception | None) -> None:
        """Let pieces come, and everybody do what follows from it."""
        for piece in pieces:
            self.pieces.put_nowait(piece)
            await turns()

    async def end(self, begun: int = 0) -> None:
        """Let the rest come."""
        await self.give(*FRAMES[begun:], None)


async def turns() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def bytes_of(answer: Stream) -> bytes:
    """Read an answer to its end."""
    return b"".join(frame for frame in await read(answer) if isinstance(frame, bytes))
