"""The ordinary door in this process: a house behind it, and clients that see every message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from narthex.app import Gateway
from narthex.http.app import build_app
from narthex.http.cutting import AnswerCut
from narthex.http.services import Services
from tests.gateways import settings_for

Json = dict[str, object]

ADDRESS = "http://127.0.0.1:8484"
DEMO: Json = {"kind": "scripted", "script": {"models": ["m"], "reply": "You said: {prompt}"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A gateway, its services, and a client at its ordinary door."""

    gateway: Gateway
    services: Services
    client: httpx.AsyncClient

    def altered(self, **changes: object) -> httpx.AsyncClient:
        """Return a client of an application with some of its services changed."""
        return client_of(build_app(replace(self.services, **changes)))  # type: ignore[arg-type]  # a test's own

    def logged(self) -> list[Json]:
        """Return the request log; complete once the gateway has been left."""
        text = (self.services.data_dir / "logs" / "requests.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@asynccontextmanager
async def house(data_dir: Path, **changes: object) -> AsyncIterator[House]:
    """Open a gateway whose one model `demo/m` repeats the prompt, with these settings changed."""
    settings = {"providers": {"demo": DEMO}, "default_model": "demo/m", **changes}
    async with Gateway(settings_for(data_dir, **settings)) as gateway:
        services = gateway.services(lambda: ADDRESS)
        async with client_of(build_app(services)) as client:
            yield House(gateway=gateway, services=services, client=client)


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    """Return a client that calls an application directly."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS)


@dataclass(slots=True)
class Seen:
    """What an application sent about one request, message by message."""

    messages: list[Message] = field(default_factory=list)
    cut: bool = False
    """Whether the application asked for the connection to be closed."""

    @property
    def started(self) -> list[Message]:
        """The beginnings of answers: one, if all is well."""
        return [message for message in self.messages if message["type"] == "http.response.start"]

    @property
    def status(self) -> int:
        """The status of the only answer."""
        (start,) = self.started
        return cast("int", start["status"])

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the only answer."""
        (start,) = self.started
        return {name.decode(): value.decode() for name, value in start["headers"]}

    @property
    def body(self) -> bytes:
        """Everything that was sent of its body."""
        return b"".join(message.get("body", b"") for message in self.messages if message["type"].endswith(".body"))

    @property
    def complete(self) -> bool:
        """Whether the body was sent to its end."""
        return not self.messages[-1].get("more_body", False) and self.messages[-1]["type"] == "http.response.body"

    def json(self) -> Json:
        """Return the body as JSON."""
        return cast("Json", json.loads(self.body))

    def error(self) -> Json:
        """Return the error in the body."""
        return cast("Json", self.json()["error"])


async def visit(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: Sequence[bytes] = (b"",),
    watch: Callable[[Seen], Awaitable[None]] | None = None,
) -> Seen:
    """Call an application as a server does.

    Args:
        app: The application.
        method: Of the request.
        path: Of the request.
        headers: Beside the host, which is this machine unless it is given.
        body: Its pieces; without any the client leaves before it has sent one.
        watch: Called after each message with what was seen so far; if it raises `Left`, the client is gone.
    """
    seen = Seen()
    gone = asyncio.Event()
    pieces = list(body)

    async def receive() -> Message:
        if pieces:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}
        if body:
            await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        seen.messages.append(message)
        if watch is not None and not gone.is_set():
            try:
                await watch(seen)
            except Left:
                gone.set()

    try:
        await app(scope_of(method, path, {"host": "127.0.0.1", **(headers or {})}), receive, send)
    except AnswerCut:
        seen.cut = True
    return seen


class Left(Exception):
    """The client has left."""


def scope_of(method: str, path: str, headers: Mapping[str, str]) -> Scope:
    """Return what a server tells of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8484),
    }


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200 with the body that was sent: an application for those who look at the door alone."""
    del scope
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
