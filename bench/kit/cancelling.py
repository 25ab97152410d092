"""How long a provider goes on after its stream was cancelled, while other streams run beside it."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import urlsplit

from narthex.testing import running_gateway
from narthex.testing.acts import Answer, streamed
from narthex.testing.upstream import ReceivedRequest, ScriptedUpstream
from narthex.testing.wires import openai_frames

_GAP_S = 0.05
_EVENTS = 4_000
_BETWEEN_S = 0.01
_PATIENCE_S = 30.0


class _Endless(ScriptedUpstream):
    """A provider that writes on until its caller leaves, and notes when that was."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        frames = openai_frames(" ".join(["word"] * _EVENTS))
        self._endless = streamed(frames, delay_s=_GAP_S)
        self.left_at: dict[str, float] = {}

    def answered(self, request: ReceivedRequest, *, sent_bytes: int, is_left: bool) -> None:
        """Note when a caller left."""
        if is_left:
            self.left_at[str(request.json()["user"])] = time.monotonic()

    def _answer(self, _request: ReceivedRequest) -> Answer:
        return self._endless


def cancel_ms(count: int) -> list[float]:
    """Cancel so many streams of 20 events a second, one after the other, and return how long each took to be left.

    The time is that from before the request to cancel is sent until the provider sees its connection closed, in
    milliseconds, in order of size.
    """
    with _Endless() as upstream:
        providers = {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]}}
        with running_gateway({"providers": providers}) as gateway:
            asked_at = asyncio.run(_cancel_all(gateway.url, [f"stream-{number:05d}" for number in range(count)]))
            until = time.monotonic() + _PATIENCE_S
            while len(upstream.left_at) < count and time.monotonic() < until:
                time.sleep(0.01)
        missing = count - len(upstream.left_at)
        if missing:
            raise RuntimeError(f"{missing} of {count} streams went on for {_PATIENCE_S:g} s after they were cancelled")
        return sorted((upstream.left_at[name] - at) * 1_000 for name, at in asked_at.items())


async def _cancel_all(url: str, names: list[str]) -> dict[str, float]:
    """Begin the streams, cancel one after the other, and return when that was asked for."""
    port = urlsplit(url).port or 80
    readers = [await _begin(port, name) for name in names]
    drains = [asyncio.ensure_future(reader.read()) for reader, _ in readers]
    asked_at: dict[str, float] = {}
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for name in names:
        asked_at[name] = time.monotonic()
        head = f"POST /v1/streams/{name}/cancel HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n"
        writer.write(head.encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{name} could not be cancelled: {answer!r}")
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        await asyncio.sleep(_BETWEEN_S)
    for opened in (writer, *(writer for _, writer in readers)):
        opened.close()
    await asyncio.gather(*drains, return_exceptions=True)
    return asked_at


async def _begin(port: int, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a stream and wait for its first event."""
    asked = {"model": "up/m", "stream": True, "user": name, "messages": [{"role": "user", "content": "Hi"}]}
    body = json.dumps(asked).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nx-narthex-stream-id: {name}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await reader.readuntil(b"data: ")
    return reader, writer
