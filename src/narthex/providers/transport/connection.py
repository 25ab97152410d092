"""One connection to a provider: a request out, a response in, whole or streamed.

A connection carries one exchange at a time and goes back to its pool only after a response that was read to a clean
end. Anything doubtful (bytes after the end, a broken framing, a cut) closes it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Final, Protocol, cast

import httptools

from narthex.providers.contract import WholeReply
from narthex.providers.transport.headers import Headers

MAX_HEAD_BYTES: Final = 65_536
MAX_BODY_BYTES: Final = 134_217_728
"""Largest whole answer that is collected in memory."""

_HEAD_TOO_LARGE: Final = f"the response head is larger than {MAX_HEAD_BYTES} bytes"
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
"""Headers that say where a body ends; without them it ends with the connection."""
CLOSING_S: Final = 1.0
"""How long a response may take to end after the answer in it has ended."""


class ConnectionFailed(Exception):
    """The connection broke.

    Attributes:
        untouched: Not one byte of the response had come.
    """

    def __init__(self, message: str, *, untouched: bool = False) -> None:
        super().__init__(message)
        self.untouched = untouched


class PhaseTimeout(Exception):
    """The provider took too long in one phase of the call.

    Attributes:
        phase: `first_token`, `idle` or `total`.
    """

    def __init__(self, phase: str, limit_s: float) -> None:
        super().__init__(f"nothing within {limit_s:g} s ({phase})")
        self.phase = phase
        self.limit_s = limit_s


class ResponseUnreadable(Exception):
    """The response is not HTTP, or over the limits."""


class Owner(Protocol):
    """Who keeps connections."""

    def give_back(self, connection: Connection) -> None:
        """Take a connection back that is ready for the next request."""
        ...

    def forget(self, connection: Connection) -> None:
        """Take note that a connection is closed."""
        ...


class Connection(asyncio.Protocol):
    """One connection, used for one exchange after the other.

    Attributes:
        status: Of the current response, until it is complete.
        idle_since: When it was given back, in the loop's time.
    """

    __slots__ = (
        "_body_size",
        "_complete",
        "_deadline",
        "_done",
        "_head",
        "_head_size",
        "_idle_s",
        "_keep",
        "_loop",
        "_owner",
        "_parser",
        "_parts",
        "_phase",
        "_phase_s",
        "_raw_headers",
        "_sink",
        "_streaming",
        "_total_deadline",
        "_total_s",
        "_touched",
        "_transport",
        "busy",
        "idle_since",
        "paused",
        "status",
    )

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self.busy = False
        self.idle_since = 0.0
        self.paused = False
        self._done: asyncio.Future[WholeReply] | None = None
        self._head: asyncio.Future[None] | None = None

    # -- one exchange ----------------------------------------------------------------------------------------------

    def send(self, request: bytes, *, streaming: bool, first_s: float, idle_s: float, total_s: float) -> None:
        """Send a request; then await `head()` and `body()` or `pump()`.

        Args:
            request: Head and body, ready for the wire.
            streaming: Whether the body is wanted piece by piece.
            first_s: Time to the first byte of the body, in seconds.
            idle_s: Time between two pieces of the body, in seconds.
            total_s: Time for all of it, in seconds.
        """
        transport = self._transport
        assert transport is not None
        self.busy = True
        self.status = 0
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._body_size = self._head_size = 0
        self._streaming = streaming
        self._sink: Callable[[bytes], None] | None = None
        self._complete = self._touched = self._keep = False
        now = self._loop.time()
        self._phase, self._phase_s = "first_token", first_s
        self._idle_s, self._total_s = idle_s, total_s
        self._total_deadline = now + total_s
        self._deadline = now + first_s
        self._done = self._loop.create_future()
        self._head = self._loop.create_future() if streaming else None
        transport.write(request)

    async def whole(self) -> WholeReply:
        """Return a response that is not streamed, taken out of the connection before that may carry another.

        Raises:
            ConnectionFailed: It broke before the end.
            PhaseTimeout: It took too long.
            ResponseUnreadable: What came is not HTTP, or too large.

        If cancelled, the connection is closed.
        """
        assert self._done is not None
        try:
            return await self._done
        except BaseException:
            self.abort()
            raise

    async def head(self) -> None:
        """Wait for status and headers of a streamed response; raises as `whole` does."""
        assert self._head is not None
        try:
            await self._head
        except BaseException:
            self.abort()
            raise

    async def pump(self, feed: Callable[[bytes], None]) -> None:
        """Hand every piece of a streamed body to `feed`, to its clean end; raises as `whole` does."""
        assert self._done is not None
        self._sink = feed
        try:
            if self._parts:
                self._flush()
            if self._complete and self.busy:
                self._settle(b"")
            await self._done
        except BaseException:
            self.abort()
            raise

    def pause(self) -> None:
        """Stop reading; the time between two pieces does not run meanwhile."""
        if not self.paused and self._transport is not None and not self._transport.is_closing():
            self.paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.paused and self._transport is not None:
            self.paused = False
            self._deadline = self._loop.time() + self._phase_s
            if not self._transport.is_closing():
                self._transport.resume_reading()

    @property
    def headers(self) -> Headers:
        """Of the current response, names in lower case; until it is complete."""
        return Headers(self._raw_headers)

    def hurry(self) -> None:
        """Wait no more than a moment for the end of the response: the end of the answer is here."""
        self._idle_s = CLOSING_S
        self._deadline = self._loop.time() + CLOSING_S

    def abort(self) -> None:
        """Close at once, whatever is going on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()
        self._fail(ConnectionFailed("closed by this side"))

    @property
    def usable(self) -> bool:
        """Whether it can carry another exchange."""
        return self._transport is not None and not self._transport.is_closing()

    def check(self, now: float) -> None:
        """Fail the exchange if a limit of time is passed; called from the pool's sweep."""
        if now >= self._total_deadline:
            self._fail(PhaseTimeout("total", self._total_s))
        elif now >= self._deadline and not self.paused:
            self._fail(PhaseTimeout(self._phase, self._phase_s))
        else:
            return
        self.abort()

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports have all of it, without being of the class.
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came; what comes without being asked for closes the connection."""
        if not self.busy:
            self.abort()
            return
        self._touched = True
        if not self.status:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break_off(error)
            return
        if not self.status and self._head_size > MAX_HEAD_BYTES:
            self._break_off(ResponseUnreadable(_HEAD_TOO_LARGE))
            return
        self._deliver()

    def _break_off(self, error: Exception) -> None:
        if self._complete:
            # Something follows the end of the response: nobody asked for it, and nobody will be given it.
            self._keep = False
            self._deliver()
            return
        # An exception raised in a callback arrives wrapped: it is ours, and says more.
        own = error if isinstance(error, ResponseUnreadable) else error.__context__
        self._fail(own if isinstance(own, ResponseUnreadable) else ResponseUnreadable(str(error) or "not HTTP/1.1"))
        self.abort()

    def _deliver(self) -> None:
        if self._streaming and self._parts and self._sink is not None:
            self._flush()
        if self._complete:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange: an unframed body ends so by design, anything else is a cut."""
        self._owner.forget(self)
        if not self.busy:
            return
        if exc is None and self.status and not self._complete and not _FRAMING & self.headers.keys():
            self._complete = True
            self._finish()
            return
        message = "the provider closed the connection" if exc is None else str(exc) or type(exc).__name__
        self._fail(ConnectionFailed(message, untouched=not self._touched))

    # -- httptools -------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse a second response to one request."""
        if self._complete:
            raise ResponseUnreadable("something follows the end of the response")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the status; interim responses are passed over."""
        status = self._parser.get_status_code()
        if status < 200:
            self._raw_headers = []
            return
        if self._head_size > MAX_HEAD_BYTES and sum(map(len, itertools.chain(*self._raw_headers))) > MAX_HEAD_BYTES:
            raise ResponseUnreadable(_HEAD_TOO_LARGE)
        self.status = status
        if self._head is not None and not self._head.done():
            self._head.set_result(None)

    def on_body(self, body: bytes) -> None:
        """Collect a piece of the body."""
        self._parts.append(body)
        if self._streaming:
            self._phase, self._phase_s = "idle", self._idle_s
            self._deadline = self._loop.time() + self._idle_s
            return
        self._body_size += len(body)
        if self._body_size > MAX_BODY_BYTES:
            raise ResponseUnreadable(f"the response is larger than {MAX_BODY_BYTES} bytes")

    def on_message_complete(self) -> None:
        """Take note of the end of the response."""
        if self.status:
            self._complete = True
            self._keep = self._parser.should_keep_alive()

    # -- endings ---------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        sink = self._sink
        assert sink is not None
        try:
            sink(data)
        except Exception as error:  # noqa: BLE001 - the feed's exception belongs to whoever awaits `pump`
            self._fail(error)
            self.abort()

    def _finish(self) -> None:
        if self._streaming and self._sink is None:
            # The body is here before anyone has asked for it: `pump` hands it on, and only then is it settled.
            return
        parts = self._parts
        body = b"" if self._streaming else parts[0] if len(parts) == 1 else b"".join(parts)
        self._settle(body)

    def _settle(self, body: bytes) -> None:
        done = self._done
        keep = self._keep and self.usable
        self.busy = False
        if self.paused:
            self.resume()
        if done is not None and not done.done():
            done.set_result(WholeReply(self.status, Headers(self._raw_headers), body))
        if keep:
            self._owner.give_back(self)
        elif self._transport is not None:
            self._transport.close()

    def _fail(self, error: BaseException) -> None:
        self.busy = False
        for future in (self._head, self._done):
            if future is not None and not future.done():
                future.set_exception(error)
                # Whoever waits for the other future, or for none, must not leave a warning behind.
                future.exception()


async def collect(connection: Connection, limit_bytes: int) -> WholeReply:
    """Return a streamed response whole after all, up to `limit_bytes`; raises as `Connection.whole` does."""
    status, headers = connection.status, connection.headers
    parts: list[bytes] = []
    size = 0

    def feed(data: bytes) -> None:
        nonlocal size
        size += len(data)
        if size > limit_bytes:
            raise ResponseUnreadable(f"the response is larger than {limit_bytes} bytes")
        parts.append(data)

    await connection.pump(feed)
    return WholeReply(status, headers, b"".join(parts))
