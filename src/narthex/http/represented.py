"""Answers of the ASGI application on their way out: not sent again, encoded, and told how long they hold.

What is encoded: answers to `GET` and `HEAD` that are text, answers of models, and streams of events, each as it comes.
Never what shows secrets, so that nothing can be guessed from how well it compresses next to what somebody else put
there (http://breachattack.com); nor what is encoded or negotiated already.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from narthex.compression.contents import Encoder, encoder
from narthex.http.caching import NO_STORE, etag_of, is_known, is_secret, stays_fresh, weak
from narthex.http.heads import fields_of
from narthex.http.representations import ASIDE_BYTES, Representations, encoded, is_textual
from narthex.http.surfaces import SURFACES

_HEADED: Final = ("/api/", "/v1/models", "/openapi.json", "/metrics", "/docs")
"""Under these `HEAD` is what `GET` is, without the body."""
_MODEL_PATHS: Final = frozenset({path.decode() for path in SURFACES} | {"/api/generate"})
_OURS: Final = ("/api/", "/v1/")
_WITH_TAG: Final = ("/api/", "/v1/models", "/openapi.json")
_OPEN: Final = ("/api/cache/", "/api/ledger/", "/api/audit/", "/api/route", "/api/prices", "/api/limits", "/api/roles")
"""Under these no answer to whatever method shows a secret."""
_NOT_WITH_304: Final = frozenset({b"content-length", b"content-type", b"content-encoding"})
_UNTOUCHED: Final = frozenset({204, 206, 304})


class Represented:
    """The application, whose answers go out as their clients ask."""

    def __init__(self, app: ASGIApp, representations: Representations) -> None:
        self._app = app
        self._representations = representations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._representations)
        if scope["method"] == "HEAD" and scope["path"].startswith(_HEADED):
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, answer.send)


class _Answer:
    """One answer."""

    def __init__(self, scope: Scope, send: Send, representations: Representations) -> None:
        self._scope = scope
        self._asked: dict[bytes, bytes] = fields_of(scope["headers"])
        self._method: str = scope["method"]
        self._path: str = scope["path"]
        self._send = send
        self._by = representations
        self._start: Message | None = None
        self._encoder: Encoder | None = None
        self._is_of_events = False
        self._is_over = False

    async def send(self, message: Message) -> None:
        """Take what the application sends."""
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._start is not None:
            start, self._start = self._start, None
            if message.get("more_body", False):
                await self._first(start, message)
            else:
                await self._whole(start, message.get("body", b""))
        elif self._encoder is not None:
            await self._piece(self._encoder, message)
        elif not self._is_over:
            await self._send(message)

    async def _begin(self, start: Message) -> None:
        headers = dict(start.get("headers", ()))
        own = headers.get(b"cache-control")
        said = self._by.rules.of(
            self._path, self._method, start["status"], None if own is None else own.decode("latin-1")
        )
        if self._path in _MODEL_PATHS and own is None:
            said = None
        if said is not None:
            _put(start, b"cache-control", said.encode())
            if stays_fresh(said) and self._path.startswith(_OURS):
                start["headers"].append((b"vary", b"authorization, cookie, x-api-key"))
        if headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            self._is_of_events = True
            coding = self._by.events_coding(self._asked)
            if coding is not None:
                self._encode_in(start, encoder(coding, hasty=True), coding)
            await self._send(start)
        elif b"accept-encoding" in headers.get(b"vary", b"").lower():
            await self._send(start)
        else:
            self._start = start

    def _encode_in(self, start: Message, encoder: Encoder, coding: str) -> None:
        self._encoder = encoder
        start["headers"].append((b"vary", b"accept-encoding"))
        _encoded(start, coding)
        start["headers"] = [pair for pair in start["headers"] if pair[0] != b"content-length"]

    # -- whole -----------------------------------------------------------------------------------------------------

    async def _whole(self, start: Message, body: bytes) -> None:
        etag = self._tag(start, body)
        known = self._asked.get(b"if-none-match")
        if etag is not None and known is not None and is_known(known.decode("latin-1"), etag):
            kept = [pair for pair in start["headers"] if pair[0] not in _NOT_WITH_304]
            await self._out({**start, "status": 304, "headers": kept}, b"")
            return
        if self._may_encode(start, len(body)):
            coding = self._by.coding(self._asked.get(b"accept-encoding"), len(body))
            if coding is not None:
                body = await encoded(body, coding, hasty=self._path in _MODEL_PATHS)
                _encoded(start, coding)
                _put(start, b"content-length", b"%d" % len(body))
            if coding is not None or len(body) >= self._by.threshold_bytes:
                start["headers"].append((b"vary", b"accept-encoding"))
        await self._out(start, body)

    def _tag(self, start: Message, body: bytes) -> str | None:
        """Return the tag of an answer that has one, and put it into its head."""
        headers = dict(start["headers"])
        if (
            start["status"] != 200
            or self._method not in {"GET", "HEAD"}
            or not self._path.startswith(_WITH_TAG)
            or NO_STORE.encode() in headers.get(b"cache-control", b"")
        ):
            return None
        own = headers.get(b"etag")
        etag = etag_of(body, None if own is None else own.decode("latin-1"))
        _put(start, b"etag", etag.encode())
        return etag

    async def _out(self, start: Message, body: bytes) -> None:
        await self._send(start)
        await self._send({"type": "http.response.body", "body": b"" if self._method == "HEAD" else body})

    # -- in pieces -------------------------------------------------------------------------------------------------

    async def _first(self, start: Message, message: Message) -> None:
        if self._method == "HEAD":
            self._is_over = True
            await self._out(start, b"")
            return
        if self._may_encode(start, float("inf")):
            coding = self._by.coding(self._asked.get(b"accept-encoding"), float("inf"))
            if coding is None:
                start["headers"].append((b"vary", b"accept-encoding"))
            else:
                self._encode_in(start, encoder(coding), coding)
        await self._send(start)
        if self._encoder is None:
            await self._send(message)
        else:
            await self._piece(self._encoder, message)

    async def _piece(self, encoder: Encoder, message: Message) -> None:
        data = message.get("body", b"")
        write = encoder.sent if self._is_of_events and data else encoder.piece
        piece = await asyncio.to_thread(write, data) if len(data) > ASIDE_BYTES else write(data)
        more = message.get("more_body", False)
        if not more:
            piece += encoder.end()
        if piece or not more:
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    def _may_encode(self, start: Message, size: float) -> bool:
        headers = dict(start["headers"])
        if self._path in _MODEL_PATHS:
            may = self._by.concern(size, self._asked)
        else:
            may = not is_secret(self._path) and (self._method in {"GET", "HEAD"} or self._path.startswith(_OPEN))
        return (
            may
            and start["status"] < 300
            and start["status"] not in _UNTOUCHED
            and not headers.keys() & {b"content-encoding", b"content-range", b"set-cookie"}
            and is_textual(headers.get(b"content-type", b"").decode("latin-1"))
            and b"no-transform" not in headers.get(b"cache-control", b"") + self._asked.get(b"cache-control", b"")
        )


def _encoded(start: Message, coding: str) -> None:
    """Say in the head of an answer that it is in a coding."""
    _put(start, b"content-encoding", coding.encode())
    etag = dict(start["headers"]).get(b"etag")
    if etag is not None:
        _put(start, b"etag", weak(etag.decode("latin-1")).encode())


def _put(start: Message, name: bytes, value: bytes) -> None:
    start["headers"] = [*(pair for pair in start.get("headers", ()) if pair[0] != name), (name, value)]
