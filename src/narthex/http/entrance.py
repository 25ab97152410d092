"""What every request passes that does not take the fast lane: a request ID, the door's rules, the key, the size limit.

Pure ASGI, one class: the answer of every failure has the shape of its surface, whatever went wrong where.
"""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from narthex.errors import BodyTooLarge, CrossSiteRequest, InternalError, NarthexError, RouteNotFound
from narthex.http.access import Access
from narthex.http.cookies import check_same_site, guest_of
from narthex.http.cutting import AnswerCut
from narthex.http.guards import route_word
from narthex.http.heads import fields_of
from narthex.http.probes import PROBES, probe
from narthex.http.services import Services
from narthex.http.surfaces import dialect_of, error_body, error_headers
from narthex.pipeline.exchange import new_request_id
from narthex.streams.log import ReaderDropped
from narthex.tenancy.keys import Caller
from narthex.types.dialects import Dialect

logger = logging.getLogger(__name__)

_KEYED = ("/v1/", "/api/", "/metrics")
"""Paths that need a key where there are keys; the rest is health, documents and the dashboard's files."""

_SIGN_IN = "/api/auth/"
"""Paths on which one gets in: they need no key, and see to their callers themselves."""

_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"*, authorization"),
    (b"access-control-max-age", b"600"),
)


class Entrance:
    """The ordinary door."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services
        self._access = services.access
        self._keyring = services.keyring
        self._max_body_bytes = services.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer why not.

        Raises:
            AnswerCut: The answer has begun, and cannot go on.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, receive, send, self._access, self._max_body_bytes)
        try:
            self._access.check(visit.headers)
            _check_path(scope["path"])
            if await self._answered(scope, visit):
                return
            if scope["path"].startswith(_KEYED):
                await self._identify(scope, visit.headers)
            await self._app(scope, visit.receive, visit.send)
        except NarthexError as error:
            await visit.refuse(error)
        except ReaderDropped as dropped:
            raise AnswerCut from dropped
        except Exception:  # the edge of the server: a fault here ends this request alone
            logger.exception("request %s broke", visit.request_id)
            await visit.refuse(InternalError())

    async def _identify(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Find out on whose behalf a request is made: of a key, of a session, or of the local user."""
        presented = headers.get(b"authorization") or headers.get(b"x-api-key")
        if scope["path"].startswith(_SIGN_IN):
            scope["narthex.guest"] = guest_of(self._services.reception, scope, headers)
            return
        guest = None if presented or b"cookie" not in headers else guest_of(self._services.reception, scope, headers)
        if guest is not None:
            self._check_site(scope, headers, guest.caller)
            scope["narthex.guest"] = guest
        keyring, route, peer = self._keyring, route_word(scope["path"]), scope["client"]
        if guest is None:
            await keyring.look(presented)
            caller = keyring.admit(presented, route, peer, request_id=scope["narthex.request_id"])
        else:
            caller = keyring.let_in(guest.caller, route, peer, request_id=scope["narthex.request_id"])
        scope["narthex.caller"] = caller

    def _check_site(self, scope: Scope, headers: dict[bytes, bytes], caller: Caller) -> None:
        try:
            check_same_site(scope, headers)
        except CrossSiteRequest as error:
            target = f"{scope['method']} {scope['path']}"[:200]
            denial = caller.denial({"why": error.code}, scope["client"], target=target)
            self._keyring.denials.note(denial)
            raise

    async def _answered(self, scope: Scope, visit: _Visit) -> bool:
        """Answer what needs no route and no key: probes, and questions of browsers."""
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in visit.headers:
            await visit.answer(204, b"", [*_PREFLIGHT])
            return True
        if scope["path"] in PROBES and scope["method"] == "GET":
            status, body = probe(scope["path"], self._services)
            await visit.answer(status, body, [(b"content-type", b"application/json")])
            return True
        return False


def _check_path(path: str) -> None:
    # The regular expression of a route ends in `$`, which matches before a last line feed too.
    # No database has a text with a zero in it.
    if path.endswith("\n") or "\0" in path:
        raise RouteNotFound


class _Visit:
    """One request on its way through the door."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, access: Access, max_body_bytes: int) -> None:
        self.headers: dict[bytes, bytes] = fields_of(scope["headers"])
        self._dialect = dialect_of(scope["path"], self.headers)
        scope["narthex.request_id"] = new_request_id()
        scope["narthex.dialect"] = self._dialect
        self._scope = scope
        self._receive = receive
        self._send = send
        self._access = access
        self._left = max_body_bytes
        self._limit = max_body_bytes
        self._started = self._ended = False

    @property
    def request_id(self) -> str:
        """The request ID; a route that begins a call of its own puts that call's in its place."""
        request_id: str = self._scope["narthex.request_id"]
        return request_id

    async def receive(self) -> Message:
        """Receive within the size limit."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                limit = self._limit
                raise BodyTooLarge(
                    f"the request body is larger than {limit} bytes, the limit set by `server.max_body_bytes`"
                )
        return message

    async def send(self, message: Message) -> None:
        """Send with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self._started = True
            headers = list(message.get("headers", ()))
            request_id = next((value for name, value in headers if name == b"x-request-id"), None)
            if request_id is None:
                request_id = self.request_id.encode()
                headers.append((b"x-request-id", request_id))
            if self._dialect is Dialect.ANTHROPIC_MESSAGES:
                headers.append((b"request-id", request_id))
            message = {**message, "headers": [*headers, *self._access.cors(self.headers)]}
        elif message["type"] == "http.response.body":
            self._ended = not message.get("more_body", False)
        await self._send(message)

    async def refuse(self, error: NarthexError) -> None:
        """Answer an error; if an answer has begun already, only cut it.

        Raises:
            AnswerCut: It has.
        """
        if self._ended:
            # The framework tells of a fault once more when it has answered for it.
            return
        if self._started:
            raise AnswerCut
        body = error_body(self._dialect, error, self.request_id)
        await self.answer(error.status, body, [(b"content-type", b"application/json"), *error_headers(error)])

    async def answer(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Answer whole."""
        if status != 204:
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
