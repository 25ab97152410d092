"""A small provider on a real socket that does exactly what a test says, and remembers what it was sent.

    with ScriptedUpstream() as upstream:
        upstream.play(whole(b"not JSON"))           # once, then the usual answers again
        ...
        assert upstream.requests[0].json()["model"] == "gpt-test"

It runs on an event loop in a thread of its own: a blocked loop under test does not block it, and tests that know no
event loop can use it. Unless told otherwise it answers like a healthy provider: OpenAI's chat completions,
embeddings and models, Anthropic's messages, token counts and models.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, cast

import httptools

from narthex.testing.acts import Act, Answer, Close, EndSending, Hold, Reset, Send, Stall, Wait, streamed, whole
from narthex.testing.wires import (
    anthropic_answer,
    anthropic_frames,
    anthropic_models,
    as_json,
    openai_answer,
    openai_embeddings,
    openai_error,
    openai_frames,
    openai_models,
)

_START_TIMEOUT_S: Final = 10.0
_LOOKS_EVERY_S: Final = 0.005
"""Whether a `Hold` is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """A request as it came over the wire."""

    method: str
    target: str
    """Path and query, as sent."""
    headers: Mapping[str, str]
    """Names in lower case; the last of several with one name."""
    body: bytes
    connection: int
    """Number of the connection it came on, from 1."""
    at: float
    """When its last byte came, in seconds of the monotonic clock."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def json(self) -> dict[str, object]:
        """Return the body as a JSON object."""
        return cast("dict[str, object]", json.loads(self.body))


Responder = Callable[[ReceivedRequest], Answer]
"""Says what is done about a request."""


class ScriptedUpstream:
    """A provider for tests on a free loopback port."""

    def __init__(
        self,
        responder: Responder | None = None,
        *,
        reply: str = "Hello from upstream.",
        models: tuple[str, ...] = ("gpt-test", "claude-test"),
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Prepare, without listening yet.

        Args:
            responder: What to answer where nothing was put up with `play`; by default as a healthy provider.
            reply: What the healthy provider says.
            models: What it lists.
            tls: Server side of TLS, if it shall speak that.
            host: Address to bind.
            port: Port to bind; 0 takes a free one.
        """
        self.responder = responder or HealthyProvider(reply, models)
        self.requests: list[ReceivedRequest] = []
        self.opened = 0
        """Connections accepted so far."""
        self.closed = 0
        """Of these, closed again by either side."""
        self.abandoned = 0
        """Answers whose client left before they were complete."""
        self.host = host
        self.port = port
        self._tls = tls
        self._queue: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{'localhost' if self._tls else host}:{self.port}"

    def play(self, *answers: Answer) -> None:
        """Put up answers for the next requests, one each, in order."""
        self._queue.extend(answers)

    def always(self, answer: Answer) -> None:
        """Give this answer to every request from now on."""
        self.responder = lambda _request: answer

    def answer_to(self, request: ReceivedRequest) -> Answer:
        """Note a request and return what is done about it."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        return self._queue.popleft() if self._queue else self.responder(request)

    def answered(self, request: ReceivedRequest, *, sent_bytes: int, is_left: bool) -> None:
        """Hear how an answer ended: what was written of it, and whether the client left before its end."""

    def note(self, *, opened: int = 0, closed: int = 0, abandoned: int = 0) -> None:
        """Count what happened to connections."""
        with self._changed:
            self.opened += opened
            self.closed += closed
            self.abandoned += abandoned
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> float:
        """Block until `condition` holds, asked again after each event; return the seconds of the monotonic clock.

        Raises:
            TimeoutError: It does not hold within `timeout_s`.
        """
        with self._changed:
            if not self._changed.wait_for(condition, timeout_s):
                raise TimeoutError(f"not within {timeout_s:g} s")
        return time.monotonic()

    async def requested(self, count: int = 1, timeout_s: float = 30.0) -> float:
        """Wait until so many requests have come."""
        return await asyncio.to_thread(self.wait_for, lambda: len(self.requests) >= count, timeout_s)

    async def disconnected(self, timeout_s: float = 30.0, *, answers: int = 1) -> float:
        """Wait until clients have left so many answers before their end; return when, by the monotonic clock.

        Raises:
            TimeoutError: They have not within `timeout_s`.
        """
        return await asyncio.to_thread(self.wait_for, lambda: self.abandoned >= answers, timeout_s)

    async def all_closed(self, timeout_s: float = 30.0) -> float:
        """Wait until no connection is open."""
        return await asyncio.to_thread(self.wait_for, lambda: self.closed >= self.opened, timeout_s)

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: The address is taken, or is not one of this machine.
            TimeoutError: The thread did not come up.
        """
        listener = bound_socket(self.host, self.port)
        listener.listen(1_024)
        self.port = listener.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, ready)), name="scripted-upstream", daemon=True
        )
        self._thread.start()
        if not ready.wait(_START_TIMEOUT_S):
            raise TimeoutError("the scripted upstream did not start")

    def stop(self) -> None:
        """Break all connections off and stop listening."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()
        self._loop = self._stop = self._thread = None

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        connections: set[_Connection] = set()
        server = await self._loop.create_server(lambda: _Connection(self, connections), sock=listener, ssl=self._tls)
        ready.set()
        await self._stop.wait()
        server.close()
        for connection in list(connections):
            connection.abort()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        # One more turn, in which the loop closes the sockets.
        await asyncio.sleep(0)

    def __enter__(self) -> Self:
        """Listen."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    async def __aenter__(self) -> Self:
        """Listen."""
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await asyncio.to_thread(self.stop)


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that has an address, and does not listen yet.

    Raises:
        OSError: The address is taken, or is not one of this machine.
    """
    # The protocol is named because asyncio turns off the collecting of small writes only where it is.
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound


class _Connection(asyncio.Protocol):
    """One connection: reads requests, and acts on them one after the other."""

    def __init__(self, upstream: ScriptedUpstream, connections: set[_Connection]) -> None:
        self._upstream = upstream
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._gone = asyncio.Event()
        self._waiting: deque[ReceivedRequest] = deque()
        self._player: asyncio.Task[None] | None = None
        self._number = 0
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._writable.set()
        self._upstream.note(opened=1)
        self._number = self._upstream.opened

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone, and whether an answer was left."""
        self._connections.discard(self)
        self._gone.set()
        self._writable.set()
        self._upstream.note(closed=1)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._write(whole(openai_error(f"not HTTP: {error}"), status=400))
            self.abort()

    def pause_writing(self) -> None:
        """Wait: the client does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on: the client reads again."""
        self._writable.set()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._target, self._headers, self._body = b"", {}, bytearray()

    def on_url(self, url: bytes) -> None:
        """Take more of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Allow the body, if the client asked whether it may send it."""
        if self._headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take more of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Act on the request, after those before it."""
        self._waiting.append(
            ReceivedRequest(
                method=self._parser.get_method().decode(),
                target=self._target.decode("latin-1"),
                headers=dict(self._headers),
                body=bytes(self._body),
                connection=self._number,
                at=time.monotonic(),
            )
        )
        if self._player is None:
            self._player = asyncio.get_running_loop().create_task(self._play_all())
            self._upstream.tasks.add(self._player)
            self._player.add_done_callback(self._upstream.tasks.discard)

    async def _play_all(self) -> None:
        while self._waiting and not self._gone.is_set():
            request = self._waiting.popleft()
            if not await self._play(request):
                return
            if request.headers.get("connection", "").lower() == "close":
                await self._act(Close())
        self._player = None

    async def _play(self, request: ReceivedRequest) -> bool:
        """Act on one request; return whether the connection still stands."""
        sent_bytes, stands, act = 0, True, None
        try:
            for act in self._upstream.answer_to(request):
                stands = await self._act(act)
                sent_bytes += len(act.data) if isinstance(act, Send) else 0
                if not stands:
                    break
        finally:
            is_left = not stands and not isinstance(act, Close | Reset)
            self._upstream.answered(request, sent_bytes=sent_bytes, is_left=is_left)
        if is_left:
            self._upstream.note(abandoned=1)
        return stands

    async def _act(self, act: Act) -> bool:
        """Do one act; return whether the connection still stands."""
        assert self._transport is not None
        match act:
            case Send():
                self._transport.write(act.data)
                await self._writable.wait()
            case Wait():
                await self._pause(act.seconds)
            case Hold():
                while not (act.until() or self._gone.is_set()):
                    await self._pause(_LOOKS_EVERY_S)
            case Stall():
                await self._gone.wait()
            case EndSending():
                self._transport.write_eof()
            case Close():
                if self._transport.can_write_eof():
                    # The end is on its way before anybody is told that this connection is closed.
                    self._transport.write_eof()
                self._transport.close()
                await self._gone.wait()
            case Reset():
                self._reset()
                await self._gone.wait()
        return not self._gone.is_set()

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            # A turn of the loop: what was written leaves by itself, before the next piece.
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), seconds)

    def _reset(self) -> None:
        assert self._transport is not None
        plain = self._transport.get_extra_info("socket")
        # With a linger time of zero the system sends a reset in place of an orderly end.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _write(self, answer: Answer) -> None:
        assert self._transport is not None
        for act in answer:
            if isinstance(act, Send):
                self._transport.write(act.data)

    def abort(self) -> None:
        """Break off."""
        if self._transport is not None:
            self._transport.abort()


@dataclass(frozen=True, slots=True)
class HealthyProvider:
    """Answers like a provider that is well: OpenAI's wire, and Anthropic's where the path or a header says so."""

    reply: str
    models: tuple[str, ...]

    def __call__(self, request: ReceivedRequest) -> Answer:
        """Answer by path."""
        match request.method, request.path.rpartition("/v1/")[2]:
            case "POST", "chat/completions":
                return self._chat(request.json())
            case "POST", "embeddings":
                return self._embeddings(request.json())
            case "POST", "messages":
                return self._messages(request.json())
            case "POST", "messages/count_tokens":
                return whole(as_json({"input_tokens": 9}))
            case "GET", "models" if "anthropic-version" in request.headers:
                return whole(anthropic_models(*self.models))
            case "GET", "models":
                return whole(openai_models(*self.models))
            case _:
                return whole(openai_error("no such route", code="not_found"), status=404)

    def _chat(self, asked: Mapping[str, object]) -> Answer:
        model = str(asked.get("model"))
        if not asked.get("stream"):
            return whole(openai_answer(self.reply, model=model))
        options = asked.get("stream_options")
        usage = isinstance(options, Mapping) and bool(options.get("include_usage"))
        return streamed(openai_frames(self.reply, model=model, usage=usage))

    def _messages(self, asked: Mapping[str, object]) -> Answer:
        model = str(asked.get("model"))
        if asked.get("stream"):
            return streamed(anthropic_frames(self.reply, model=model))
        return whole(anthropic_answer(self.reply, model=model))

    def _embeddings(self, asked: Mapping[str, object]) -> Answer:
        given = asked.get("input")
        inputs = given if isinstance(given, list) else [given]
        vectors = [(1.0, float(len(str(item)) % 7), 0.5) for item in inputs]
        return whole(openai_embeddings(vectors, model=str(asked.get("model"))))
