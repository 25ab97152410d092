"""The fast lane: model routes answered on the connection itself, everything else handed to the ASGI application.

A subclass of uvicorn's protocol, so that signals, TLS, limits and the graceful stop stay uvicorn's. A request takes the
lane if it is a POST to a model route on a connection with nothing else under way and comes from no browser page; all
others, and whatever is pipelined behind another request, go the ordinary way. Both ways call the same engine.

While the lane serves a request it stands in uvicorn's books as a `cycle` of its own kind: so uvicorn itself queues what
is pipelined behind it, and waits for it when it stops.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from narthex.errors import BodyTooLarge, InvalidRequest, NarthexError, Overloaded, RequestTimeout, without_frames
from narthex.http.access import Access
from narthex.http.cutting import CuttingProtocol
from narthex.http.deadlines import Phase, Sweeper
from narthex.http.heads import KnownHead, fields_of, known_head, without_offer
from narthex.http.heartbeat import Heartbeat
from narthex.http.outflow import Outflow, flow
from narthex.http.representations import Representations
from narthex.http.sockets.door import SocketDoor
from narthex.http.sockets.handshake import wants_socket
from narthex.http.surfaces import SURFACES, Surface
from narthex.http.written import CommonLines, error_answer, stream_head, whole_answer
from narthex.pipeline.exchange import Exchange, new_request_id
from narthex.pipeline.gateway import Engine
from narthex.streams.log import ReaderDropped
from narthex.streams.stream import Stream
from narthex.types.dialects import Dialect

if TYPE_CHECKING:
    from narthex.http.sockets.connection import SocketConnection

logger = logging.getLogger(__name__)

# Looked up several times in every request; a member of an enumeration costs far more than a name.
_HEAD: Final = Phase.HEAD
_BODY: Final = Phase.BODY
_SERVING: Final = Phase.SERVING
_IDLE: Final = Phase.IDLE
_CLOSING: Final = Phase.CLOSING

_LINES: Final = CommonLines()
_MAX_NEW_HEADS: Final = 16
"""Heads learned on one connection: where each is new (a trace ID in it), learning would be in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What all connections share."""

    engine: Engine
    access: Access
    sweeper: Sweeper
    heartbeat: Heartbeat
    representations: Representations
    sockets: SocketDoor
    max_body_bytes: int
    max_header_bytes: int
    max_connections: int


class _Flag:
    """Stands where uvicorn keeps an event that the lane has no use for."""

    def set(self) -> None:
        """Nothing waits."""


class _LaneCycle:
    """A lane request in uvicorn's books."""

    __slots__ = ("disconnected", "keep_alive", "response_complete")

    message_event: ClassVar = _Flag()

    def __init__(self, *, keep_alive: bool = True) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False


class LaneProtocol(CuttingProtocol):
    """One connection of a client."""

    lane: ClassVar[Lane]
    parser: httptools.HttpRequestParser
    _parts: list[bytes]

    # -- connection ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take the connection under watch."""
        super().connection_made(transport)
        self.url = b""
        self.phase, self.since = _HEAD, self.lane.sweeper.now
        self.stalled_since: float | None = None
        self._head_bytes = self._body_bytes = self._new_heads = 0
        self._surface: Surface | None = None
        self._lane_cycle = _LaneCycle()
        self.serving: asyncio.Task[None] | None = None
        self.outflow: Outflow | None = None
        self._known: KnownHead | None = None
        self._offered = self._in_head = False
        if len(self.connections) > self.lane.max_connections:
            self._refuse(Overloaded("too many connections; try again in a moment", retry_after_s=1))

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was being answered: nobody is there to read it."""
        if self.serving is not None:
            self.serving.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came: a request with a head that is known, or bytes for the parser."""
        known = self._known
        if known is not None and self.phase is _IDLE and (body := known.body_of(data)) is not None:
            self._again(known, body)
            return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Parse what came, within the limits."""
        phase = self.phase
        if phase is _IDLE:
            phase = self.phase = _HEAD
            self.since = self.lane.sweeper.now
            self._head_bytes = 0
        begins = phase is _HEAD and not self._head_bytes
        if phase is _HEAD or self._in_head:
            self._head_bytes += len(data)
        elif phase is _CLOSING:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._take_offer(data[offer.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, NarthexError) else InvalidRequest(f"this is not HTTP/1.1: {error}"))
        else:
            if (self._in_head or self.phase is _HEAD) and self._head_bytes > self.lane.max_header_bytes:
                self._refuse(InvalidRequest(f"the request head is larger than {self.lane.max_header_bytes} bytes"))
            elif begins and self.serving is not None:
                self._learn(data)

    def _take_offer(self, rest: bytes, *, looked: bool = False) -> None:
        """Go on as a WebSocket, where that is meant and there is one; have no part in the connection any more then."""
        try:
            if not self._offered:
                raise InvalidRequest("this server is no proxy")
            if not looked and _waits(self, lambda: self._take_offer(rest, looked=True)):
                return
            socket = _open_socket(self, head_bytes=self._head_bytes - len(rest))
        except NarthexError as error:
            self._offered = False
            self._refuse(error)
            return
        if socket is None:
            self._pass_over(rest)
            return
        # The parser holds this, and this the parser.
        self.parser = None  # type: ignore[assignment]  # as uvicorn does when a connection is lost
        if rest:
            socket.data_received(rest)

    def _pass_over(self, rest: bytes) -> None:
        """Read a request that offers another protocol again, without the offer: the parser leaves its body unread."""
        parser = self.parser
        head = without_offer(parser.get_method(), self.url, self.headers, keep_alive=parser.should_keep_alive())
        self._offered = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._parse(head + rest)

    def expire(self, phase: Phase) -> None:
        """End the connection: its time in `phase` is over."""
        if self.transport.is_closing():
            return
        if phase is _SERVING or phase is _CLOSING:
            self.transport.abort()
        elif phase is _IDLE or (phase is _HEAD and not self._head_bytes):
            self.transport.close()
        else:
            self._refuse(RequestTimeout())

    def pause_writing(self) -> None:
        """Take note that the client does not keep up."""
        self.stalled_since = self.lane.sweeper.now
        super().pause_writing()
        if self.outflow is not None:
            self.outflow.pause()

    def resume_writing(self) -> None:
        """Take note that it does again."""
        self.stalled_since = None
        super().resume_writing()
        if self.outflow is not None:
            self.outflow.resume()

    # -- parser ----------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request; what ASGI needs for it is made when it turns out to need it."""
        self.url = b""
        self.headers = []
        self._surface = None
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        if self.phase is not _BODY:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Choose the way."""
        self._in_head = False
        self._offered = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if self._offered:
            return
        self.phase = _BODY
        self.since = self.lane.sweeper.now
        self._head_bytes = 0
        if self.parser.get_http_version() == "1.1" and sum(name == b"host" for name, _ in self.headers) != 1:
            raise InvalidRequest("a request of HTTP/1.1 names one Host")
        surface = SURFACES.get(self.url if b"?" not in self.url else self.url.partition(b"?")[0])
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if (
            surface is None
            or (cycle is not None and not cycle.response_complete)
            or self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
        ):
            self._ordinary()
            return
        headers = fields_of(self.headers)
        if b"origin" in headers or b"upgrade" in headers or surface.dialect is Dialect.ANTHROPIC_COUNT_TOKENS:
            self._ordinary()
        else:
            self._begin(surface, headers)

    def on_body(self, body: bytes) -> None:
        """Collect the body, within its limit."""
        self.since = self.lane.sweeper.now
        if self._surface is None:
            if self.phase is not _CLOSING:
                super().on_body(body)
            return
        self._body_bytes += len(body)
        if self._body_bytes > self.lane.max_body_bytes:
            raise _too_large(self.lane.max_body_bytes)
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Serve a request that is complete."""
        if self._offered:
            return
        surface = self._surface
        if surface is None:
            if self.phase is not _CLOSING:
                self.phase = _SERVING
                super().on_message_complete()
            return
        self._surface = None
        parts = self._parts
        self._parts = []
        self._start(surface, parts[0] if len(parts) == 1 else b"".join(parts), self._lane_headers)

    def on_response_complete(self) -> None:
        """Go on with what is pipelined, or rest."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self.phase is _SERVING:
            self.phase = _HEAD if self._in_head else _IDLE
            self.since = self.lane.sweeper.now

    def _ordinary(self) -> None:
        """Hand the request on to the ASGI application."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers)
        self.expect_100_continue = (b"expect", b"100-continue") in headers
        super().on_headers_complete()

    def _begin(self, surface: Surface, headers: dict[bytes, bytes]) -> None:
        self.lane.access.check(headers)
        length = headers.get(b"content-length")
        if length is not None and int(length) > self.lane.max_body_bytes:
            raise _too_large(self.lane.max_body_bytes)
        if b"expect" in headers and headers[b"expect"].lower() == b"100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._surface, self._lane_headers = surface, headers
        self._parts, self._body_bytes = [], 0
        self._enter(keep_alive=self.parser.should_keep_alive())

    def _enter(self, *, keep_alive: bool) -> None:
        """Stand in uvicorn's books as what is being answered."""
        cycle = self._lane_cycle
        cycle.keep_alive = keep_alive
        cycle.response_complete = False
        self.cycle = cycle  # type: ignore[assignment]  # it has all that uvicorn asks of one

    def _learn(self, data: bytes) -> None:
        """Keep the head of a request that was read as one whole; a client whose heads all differ is left alone."""
        if self._new_heads < _MAX_NEW_HEADS and self._lane_cycle.keep_alive:
            self._new_heads += 1
            self._known = known_head(data, self.url, self._lane_headers)

    def _again(self, known: KnownHead, body: bytes) -> None:
        """Serve a request whose head is known."""
        try:
            self.lane.access.check(known.headers)
            if len(body) > self.lane.max_body_bytes:
                raise _too_large(self.lane.max_body_bytes)
        except NarthexError as error:
            self._refuse(error)
            return
        self._enter(keep_alive=True)
        self._start(known.surface, body, known.headers)

    # -- answers ---------------------------------------------------------------------------------------------------

    def _start(self, surface: Surface, body: bytes, headers: Mapping[bytes, bytes]) -> None:
        self.phase = _SERVING
        exchange = Exchange(surface.dialect, body, headers, surface.operation, peer=self.client)
        self.serving = task = self.loop.create_task(self._serve(exchange, self._lane_cycle))
        self.tasks.add(task)

    async def _serve(self, exchange: Exchange, cycle: _LaneCycle) -> None:
        try:
            try:
                answer = await self.lane.engine.handle(exchange)
                if answer.whole and self.lane.representations.concern(len(answer.body), exchange.headers):
                    await _negotiated(self, exchange, cycle, answer.body)
                elif answer.whole:
                    self.transport.write(whole_answer(exchange, _common(self, cycle), answer.body))
                else:
                    await _stream(self, exchange, cycle, answer)
            except NarthexError as error:
                _tell(self, exchange, cycle, error)
        except asyncio.CancelledError:
            self.transport.close()
            raise
        except Exception:  # the edge of a connection: a fault here ends this connection alone
            logger.exception("request %s could not be answered", exchange.id)
            self.transport.close()
        finally:
            # A callback of the task would do the same, at the price of another turn of the loop per request.
            self.tasks.discard(cast("asyncio.Task[None]", self.serving))
            self.serving = None
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _refuse(self, error: NarthexError) -> None:
        """Answer an error to whatever is being sent, and end the connection."""
        if self.transport.is_closing() or self.phase is _CLOSING:
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete and self._surface is None:
            if self.phase is not _BODY or self.pipeline or getattr(cycle, "response_started", True):
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        dialect = Dialect.ANTHROPIC_MESSAGES if self.url.startswith(b"/v1/messages") else Dialect.OPENAI_CHAT
        common = _common(self, _LaneCycle(keep_alive=False))
        self.transport.write(error_answer(dialect, error, new_request_id(), common))
        self._surface = None
        # The client may still be sending: closing now would reset the connection and take the answer with it.
        self.phase = _CLOSING
        self.since = self.lane.sweeper.now
        if self.transport.can_write_eof():
            self.transport.write_eof()


def _tell(connection: LaneProtocol, exchange: Exchange, cycle: _LaneCycle, error: NarthexError) -> None:
    """Write why there is no answer."""
    common = _common(connection, cycle)
    connection.transport.write(error_answer(exchange.dialect, without_frames(error), exchange.id, common))


async def _negotiated(connection: LaneProtocol, exchange: Exchange, cycle: _LaneCycle, body: bytes) -> None:
    """Write a whole answer in the coding that its caller asks for."""
    written, lines = await connection.lane.representations.answer(body, exchange.headers)
    connection.transport.write(whole_answer(exchange, _common(connection, cycle), written, lines))


async def _stream(connection: LaneProtocol, exchange: Exchange, cycle: _LaneCycle, answer: Stream) -> None:
    """Write frames as they come, to the end of the answer or to the error that it ends with."""
    encoder, lines = connection.lane.representations.events(exchange.headers)
    head = stream_head(exchange, _common(connection, cycle), lines)
    heartbeat = connection.lane.heartbeat
    connection.outflow = outflow = heartbeat.add(flow(exchange, answer, connection.transport.write, head, encoder))
    if connection.stalled_since is not None:  # since the first write, when there was no outflow to tell yet
        outflow.pause()
    try:
        await outflow.written(connection.transport.is_closing)
    except ReaderDropped:
        # Without the end of the answer, so that nobody takes it for whole; the caller may resume.
        connection.transport.close()
    finally:
        heartbeat.discard(outflow)
        connection.outflow = None


def _asks_socket(connection: LaneProtocol) -> bool:
    cycle, parser = cast("RequestResponseCycle | None", connection.cycle), connection.parser
    return (
        connection.lane.sockets.knows(connection.url)
        and wants_socket(parser.get_method(), parser.get_http_version(), connection.headers)
        and (cycle is None or cycle.response_complete)
    )


def _waits(connection: LaneProtocol, then: Callable[[], None]) -> bool:
    """Look first, where a socket is asked for with a key that another process may have made just now."""
    key = connection.lane.sockets.unknown(connection.url, connection.headers) if _asks_socket(connection) else None
    if key is None:
        return False
    connection.phase = _SERVING
    connection.serving = task = connection.loop.create_task(_look(connection, key, then))
    connection.tasks.add(task)
    task.add_done_callback(connection.tasks.discard)
    return True


async def _look(connection: LaneProtocol, key: bytes, then: Callable[[], None]) -> None:
    connection.transport.pause_reading()
    await connection.lane.sockets.keyring.look(key)
    connection.serving = None
    if not connection.transport.is_closing():
        connection.transport.resume_reading()
        connection.phase = _HEAD
        then()


def _open_socket(connection: LaneProtocol, *, head_bytes: int) -> SocketConnection | None:
    """Hand a connection over to the socket that its request asks for; None if it asks for none that there is."""
    lane = connection.lane
    if not _asks_socket(connection):
        return None
    if head_bytes > lane.max_header_bytes:
        raise InvalidRequest(f"the request head is larger than {lane.max_header_bytes} bytes")
    state = connection.server_state
    common = _common(connection, _LaneCycle())
    socket = lane.sockets.open(connection.url, connection.headers, connection.transport, state=state, common=common)
    connection.connections.discard(connection)
    state.total_requests += 1
    return socket


def _common(connection: LaneProtocol, cycle: _LaneCycle) -> bytes:
    """Return the header lines of every answer."""
    return _LINES.of(connection.server_state.default_headers, keep_alive=cycle.keep_alive)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the request body is larger than {limit} bytes, the limit set by `server.max_body_bytes`")
