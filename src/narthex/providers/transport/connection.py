"""One connection to a provider: a request out, a response in, whole or streamed.

A connection carries one exchange at a time and goes back to its pool only after a response that was read to a clean
end. Anything doubtful (bytes after the end, a broken framing, a cut) closes it.
"""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import Final, Protocol, cast

import httptools

from narthex.providers.contract import Feed, Timeouts, Told, WholeReply
from narthex.providers.expiry import Phase
from narthex.providers.transport.headers import Headers
from narthex.providers.transport.patience import Patience, Progress

MAX_HEAD_BYTES: Final = 65_536
MAX_BODY_BYTES: Final = 134_217_728
"""Largest whole answer that is collected in memory."""

_HEAD_TOO_LARGE: Final = f"the response head is larger than {MAX_HEAD_BYTES} bytes"
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
"""Headers that say where a body ends; without them it ends with the connection."""


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
        phase: What was waited for.
        limit_s: How long that was allowed to take, in seconds.
    """

    def __init__(self, phase: Phase, limit_s: float) -> None:
        super().__init__(f"nothing within {limit_s:g} s ({phase.value})")
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
        begun: When the last exchange began, in the loop's time.
        status: Of the current response, until it is complete.
        idle_since: When it was given back, in the loop's time.
    """

    __slots__ = (
        *(
            "_complete",
            "_discarded",
            "_done",
            "_head",
            "_hurried_at",
            "_keep",
            "_limits",
            "_loop",
            "_owner",
            "_parser",
            "_parts",
        ),
        *("_patience", "_raw_headers", "_since", "_sink", "_size", "_streaming", "_told", "_transport", "begun"),
        *("busy", "idle_since", "on_body", "on_header", "paused", "status"),
    )

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self.busy = self.paused = self._discarded = False
        self.begun = self.idle_since = self._hurried_at = 0.0
        self.status = 0
        self._head: asyncio.Future[None] | None = None
        self._patience: Patience | None = None
        self._done: asyncio.Future[WholeReply] | None = None
        self._raw_headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._sink: Feed | None = None
        self._told: Told | None = None
        # The parser's callbacks for a header and a piece of the body: not a line of Python for each.
        self.on_header = self._raw_headers.__setitem__
        self.on_body = self._parts.append

    # -- one exchange ----------------------------------------------------------------------------------------------

    def send(self, request: bytes, limits: Timeouts, *, streaming: bool = False) -> asyncio.Future[WholeReply]:
        """Send a request and return the future of the whole reply; if `streaming`, await `head()` and `pump()` instead.

        Whoever waits for the future and is cancelled, or gives up, must `leave()` it: the response may still come.

        Args:
            request: Head and body, ready for the wire.
            limits: Times from now on; that to connect is over.
            streaming: Whether the body is wanted piece by piece.

        The future raises:
            ConnectionFailed: It broke before the end.
            PhaseTimeout: It took too long.
            ResponseUnreadable: What came is not HTTP, or too large.
        """
        transport = self._transport
        assert transport is not None
        loop = self._loop
        self.busy = True
        self.status = self._size = 0
        self._raw_headers.clear()
        self._parts.clear()
        self._complete, self._limits, self._patience = False, limits, None
        self.begun = self._since = loop.time()
        self._done = done = loop.create_future()
        self._streaming = streaming
        if streaming:
            self._told, self._hurried_at, self._head = None, 0.0, loop.create_future()
        transport.write(request)
        return done

    async def head(self) -> None:
        """Wait for status and headers of a streamed response; raises as the future of `send` does.

        If cancelled, the connection is closed.
        """
        assert self._head is not None
        try:
            await self._head
        except BaseException:
            self.abort()
            raise

    async def pump(self, feed: Feed, told: Told | None = None) -> None:
        """Hand every piece of a streamed body to `feed`, to its clean end; see `Pump`, raises as `head` does."""
        done = self._done
        assert done is not None
        self._sink, self._told = feed, told
        try:
            if self._parts:
                self._flush()
            if self._complete and self.busy:
                self._settle(b"")
            await done
        except BaseException:
            self.leave(done)
            raise

    def leave(self, done: asyncio.Future[WholeReply]) -> None:
        """Give an exchange up, by its future.

        If its response is here already, the connection may carry another exchange by now, and is left alone.
        """
        if not done.done() or done.cancelled() or done.exception() is not None:
            self.abort()

    def pause(self) -> None:
        """Stop reading; the time between two pieces does not run meanwhile."""
        if not self.paused and self._transport is not None and not self._transport.is_closing():
            self.paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.paused and self._transport is not None:
            self.paused = False
            self._since = self._loop.time()
            if not self._transport.is_closing():
                self._transport.resume_reading()

    @property
    def headers(self) -> Headers:
        """Of the current response, names in lower case; until it is complete."""
        return Headers(self._raw_headers.copy())

    def hurry(self) -> None:
        """Wait no more than a moment for the end of the response: the end of the answer is here."""
        self._hurried_at = self._loop.time()

    def abort(self) -> None:
        """Close at once, whatever is going on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()
        self._fail(ConnectionFailed("closed by this side"))

    def discard(self) -> None:
        """Close for good, where the connect was given up: uvloop may make it yet, and closes it without a word."""
        self._discarded = True
        self.abort()
        self._let_go()

    @property
    def usable(self) -> bool:
        """Whether it can carry another exchange."""
        return self._transport is not None and not self._transport.is_closing()

    def check(self, now: float) -> None:
        """Fail the exchange if a limit of time is passed; called from the pool's sweep."""
        patience = self._patience = self._patience or Patience(self._limits, self.begun, is_streaming=self._streaming)
        unread = self._sink is None and bool(self._parts)
        progress = Progress(self.status > 0, self._since, self._told, self._hurried_at, is_unread=unread)
        missed = patience.missed(now, None if self.paused else progress)
        if missed is not None:
            self._fail(PhaseTimeout(*missed))
            self.abort()

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        if self._discarded:
            transport.close()
            return
        # uvloop's transports have all of it, without being of the class.
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came; what comes without being asked for closes the connection."""
        if not self.busy:
            self.abort()
            return
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break_off(error)
            return
        if self._streaming and self._parts:
            self._since = self._loop.time()
            if self._sink is not None and not self._complete:
                self._flush()
        if self._complete:
            self._deliver()
        elif self._size > MAX_HEAD_BYTES:
            if not self.status:
                self._break_off(ResponseUnreadable(_HEAD_TOO_LARGE))
            elif not self._streaming and self._size > MAX_BODY_BYTES:
                self._break_off(ResponseUnreadable(f"the response is larger than {MAX_BODY_BYTES} bytes"))

    def _break_off(self, error: Exception) -> None:
        if self._complete:
            # Something follows the end of the response: nobody asked for it, and nobody will be given it.
            self._keep = False
            self._deliver()
        else:
            self._fail(_unreadable(error))
            self.abort()

    def _deliver(self) -> None:
        """Hand on a response that is complete; a streamed one waits for whoever asks for its body."""
        parts = self._parts
        if not self._streaming:
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            self._settle(body)
        elif self._sink is not None:
            if parts:
                self._flush()
            if self.busy:
                self._settle(b"")

    def _let_go(self) -> None:
        """Part from transport and parser, which hold the connection, too."""
        if self._transport is not None:
            self._transport = None
            del self._parser

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange: an unframed body ends so by design, anything else is a cut."""
        self._owner.forget(self)
        self._let_go()
        if not self.busy:
            return
        if exc is None and self.status and not self._complete and not _FRAMING & self.headers.keys():
            self._complete = True
            self._deliver()
        else:
            self._fail(_lost(exc, untouched=not self._size))

    # -- httptools -------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse a second response to one request."""
        if self._complete:
            raise ResponseUnreadable("something follows the end of the response")

    def on_headers_complete(self) -> None:
        """Take the status; interim responses are passed over."""
        status = self._parser.get_status_code()
        if status < 200:
            self._raw_headers.clear()
            return
        if self._size > MAX_HEAD_BYTES and sum(map(len, chain(*self._raw_headers.items()))) > MAX_HEAD_BYTES:
            raise ResponseUnreadable(_HEAD_TOO_LARGE)
        self.status = status
        if self._streaming and self._head is not None and not self._head.done():
            self._head.set_result(None)

    def on_message_complete(self) -> None:
        """Take note of the end of the response."""
        if self.status:
            self._complete = True
            self._keep = self._parser.should_keep_alive()

    # -- endings ---------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        sink = self._sink
        assert sink is not None
        try:
            sink(data)
        except Exception as error:  # noqa: BLE001 - the feed's exception belongs to whoever awaits `pump`
            self._fail(error)
            self.abort()

    def _settle(self, body: bytes) -> None:
        self.busy = False
        if self.paused:
            self.resume()
        done, self._done = self._done, None
        self._sink = self._told = None
        if done is not None and not done.done():
            done.set_result(WholeReply(self.status, Headers(self._raw_headers.copy()), body))
        elif done is not None and done.cancelled():
            # Whoever gave it up has not run yet, and will close the connection: nobody else may be on it then.
            self._keep = False
        if self._keep and self.usable:
            self._owner.give_back(self)
        elif self._transport is not None:
            self._transport.close()

    def _fail(self, error: BaseException) -> None:
        self.busy = False
        self._sink = self._told = None
        for future in (self._head, self._done):
            if future is not None and not future.done():
                future.set_exception(error)
                # Whoever waits for the other future, or for none, must not leave a warning behind.
                future.exception()


def _unreadable(error: Exception) -> ResponseUnreadable:
    """Return why a response cannot be read: an exception raised in a callback of the parser arrives wrapped."""
    own = error if isinstance(error, ResponseUnreadable) else error.__context__
    return own if isinstance(own, ResponseUnreadable) else ResponseUnreadable(str(error) or "not HTTP/1.1")


def _lost(error: Exception | None, *, untouched: bool) -> ConnectionFailed:
    """Return why an exchange has no end, by what the transport tells."""
    message = "the provider closed the connection" if error is None else str(error) or type(error).__name__
    return ConnectionFailed(message, untouched=untouched)


async def collect(connection: Connection, limit_bytes: int) -> WholeReply:
    """Return a streamed response whole after all, up to `limit_bytes`; raises as `Connection.head` does."""
    status, headers = connection.status, connection.headers
    parts: list[bytes] = []
    size = 0

    def feed(data: bytes) -> None:
        nonlocal size
        size += len(data)
        if size > limit_bytes:
            raise ResponseUnreadable(f"the response is larger than {limit_bytes} bytes")
        parts.append(data)

    # A whole answer in place of a stream is on its way, and no beginning of a stream is waited for any more; of an
    # error nothing has been said before it is there.
    await connection.pump(feed, lambda: status == 200)
    return WholeReply(status, headers, b"".join(parts))
