"""Keep a streamed answer, so that it belongs to the server and not to the connection that asked for it.

The call runs in a task of its own. Its caller may lose the connection and come back for the rest, here with
`Last-Event-ID`, or at the routes of streams; whether the call goes on meanwhile is the caller's choice.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Mapping
from typing import Final, cast

from narthex.errors import Cancelled, InternalError, InvalidRequest, LimitExceeded, NarthexError, StreamExists
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.digests import digested
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.owned import OnDisconnect, Owned
from narthex.pipeline.recorder import Recorder
from narthex.pipeline.registry import Registry
from narthex.pipeline.replay import Kept
from narthex.pipeline.writing import error_frames, writers
from narthex.streams.keeping import Keeping, end_with
from narthex.tenancy.keeping import NOT_KEPT
from narthex.types.dialects import Dialect
from narthex.wire.registry import CHAT_WIRES

logger = logging.getLogger(__name__)

_ID: Final = b"x-narthex-stream-id"
_ON_DISCONNECT: Final = b"x-narthex-on-disconnect"
_RECORD: Final = b"x-narthex-record"
_LAST: Final = b"last-event-id"
_WORDS: Final = frozenset({"cancel", "detach"})
_VALID_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
_CURSOR: Final = re.compile(r"([A-Za-z0-9_-]{1,128}):([0-9]{1,15})")
_NATIVE: Final = Dialect.NATIVE
_WHOLE: Final = frozenset(CHAT_WIRES) | {Dialect.OPENAI_EMBEDDINGS}
"""Dialects whose whole answers are what a model said: a count of tokens is none."""


class Own:
    """Keep the answers that are to be kept; list the others for as long as they run."""

    def __init__(self, registry: Registry, live: dict[str, Exchange], spawn: Spawn, recorder: Recorder) -> None:
        """Take where streams are found, the calls whose answers are not kept, what keeps tasks, and what records."""
        self._registry = registry
        self._live = live
        self._spawn = spawn
        self._recorder = recorder

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Set `exchange.answer` to a log that is kept, or to one that was begun before; or call on."""
        headers = exchange.headers
        if not exchange.streaming or exchange.dialect is _NATIVE:
            if _ID in headers or _ON_DISCONNECT in headers or _RECORD in headers:
                # Of no effect here, but what makes no sense is refused everywhere.
                _own_id(exchange)
                _on_disconnect(exchange)
                _recorded(headers)
            if self._captures(exchange) and exchange.dialect in _WHOLE:
                return self._capture(exchange, call_next)
            return call_next(exchange)
        if _LAST in headers:
            return self._resume(exchange)
        always = self._registry.policy.always or self._captures(exchange)
        if always or _ID in headers or _ON_DISCONNECT in headers or _recorded(headers):
            return self._keep(exchange, call_next)
        self._live[exchange.id] = exchange
        return call_next(exchange)

    async def _capture(self, exchange: Exchange, call_next: Next) -> None:
        """Record an answer that is not streamed."""
        is_recorded = await self._has_room(exchange)
        await call_next(exchange)
        if is_recorded:
            # Later: whoever settles the call finds out first what it consumed.
            asyncio.get_running_loop().call_soon(self._recorder.record_whole, exchange)

    # -- a new one -------------------------------------------------------------------------------------------------

    async def _keep(self, exchange: Exchange, call_next: Next) -> None:
        """Have the work done in a task of its own, and give its log to the caller."""
        is_recorded = await self._is_recorded(exchange)
        owned = await self._opened(exchange)
        assert owned.log is not None
        if is_recorded:
            self._recorder.record(owned)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Heard of by nobody, if the caller has left.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        if owned.log.detached:
            exchange.carried = done
        work = self._spawn(_run(owned, exchange, call_next, done))
        owned.begun(work)
        work.add_done_callback(lambda _work: _unbegun(owned, exchange, done))
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            if not owned.log.detached:
                owned.abandon()
            raise

    async def _is_recorded(self, exchange: Exchange) -> bool:
        """Tell whether the answer is recorded; before anything is begun: where none is, nobody is told that it was.

        Raises:
            PermissionDenied: The caller asks for it, and nothing is recorded here.
            LimitExceeded: The caller asks for it, and there is no room for it.
        """
        if _recorded(exchange.headers):
            await self._recorder.check(exchange.caller)
            return True
        return self._captures(exchange) and await self._has_room(exchange)

    async def _has_room(self, exchange: Exchange) -> bool:
        """Tell whether there is room for an answer that its workspace wants recorded; if not its caller is told."""
        try:
            await self._recorder.check(exchange.caller)
        except LimitExceeded as error:
            # It is kept beside the call, which nobody is to wait for or lose because of it.
            logger.info("the answer to request %s is not recorded: %s", exchange.id, error)
            exchange.told = (*exchange.told, NOT_KEPT)
            return False
        return True

    def _captures(self, exchange: Exchange) -> bool:
        """Tell whether the caller's workspace wants every answer recorded, and answers are recorded here."""
        return exchange.capture == "content" and bool(self._recorder.recordings.limits.max_recordings)

    async def _opened(self, exchange: Exchange) -> Owned:
        name, on_disconnect = _own_id(exchange), _on_disconnect(exchange)
        exchange.digest = await digested(exchange.dialect, exchange.body)
        if name is None or self._registry.elsewhere is None:
            return self._registry.open(exchange, id=name, on_disconnect=on_disconnect)
        return await self._registry.claim(exchange, id=name, on_disconnect=on_disconnect)

    # -- one that was begun before ---------------------------------------------------------------------------------

    async def _resume(self, exchange: Exchange) -> None:
        """Give the caller the rest of a log."""
        assert exchange.caller is not None
        name, after = cursor(exchange.headers[_LAST])
        handle = await self._registry.look_up(exchange.caller.owner, name)
        log = await handle.read(after)
        if handle.digest != await digested(exchange.dialect, exchange.body):
            raise StreamExists(
                "`Last-Event-ID` names the answer to another request: send that request again unchanged, read on at "
                f"`GET /v1/streams/{name}?after={after}`, or leave the header out to ask anew",
                param="last-event-id",
            )
        exchange.resumed, exchange.after, exchange.answer = True, after, log
        self._registry.readings.note(
            exchange.caller,
            f"stream:{name}",
            by=handle.made_by,
            address="" if exchange.peer is None else exchange.peer[0],
            request_id=exchange.id,
        )
        exchange.replays = Kept.read_on(log)
        _tell(exchange, handle.id)


def cursor(said: bytes) -> tuple[str, int]:
    """Read the `id` of an event: the stream's ID and the number.

    Raises:
        InvalidRequest: It is none of ours.
    """
    match = _CURSOR.fullmatch(said.decode("latin-1").strip())
    if match is None:
        raise InvalidRequest(
            "`Last-Event-ID` is no ID of an event of this server: give the last `id` that you have read, or leave the "
            "header out to ask anew",
            param="last-event-id",
        )
    return match[1], int(match[2])


async def _run(owned: Owned, exchange: Exchange, call_next: Next, done: asyncio.Future[None]) -> None:
    """Take the call to its answer, and write that into the log."""
    try:
        await call_next(exchange)
        _write(owned, exchange)
    except NarthexError as error:
        error.attempts = exchange.story or None
        _fail(owned, exchange, error, done)
    except asyncio.CancelledError:
        _fail(owned, exchange, owned.ending or Cancelled(), done)
        raise
    except Exception as error:  # noqa: BLE001 - the engine tells it as what it is, as if no task were between
        _fail(owned, exchange, InternalError(), done, told=error)
    else:
        if not done.done():
            done.set_result(None)


def _write(owned: Owned, exchange: Exchange) -> None:
    source, log = exchange.answer, owned.log
    assert source is not None
    assert log is not None
    encode, last_words = writers(exchange, source)
    exchange.answer = log
    owned.began = True
    _tell(exchange, owned.id)
    Keeping(source, log, name=owned.id, encode=encode, last_words=last_words)


def _fail(
    owned: Owned, exchange: Exchange, error: NarthexError, done: asyncio.Future[None], *, told: Exception | None = None
) -> None:
    """End a log that has not begun; whoever reads it hears why."""
    log = owned.log
    assert log is not None
    if not log.closed:
        end_with(log, owned.id.encode(), error_frames(exchange.dialect, error, exchange.id), error)
    if not done.done():
        done.set_exception(told or error)


def _unbegun(owned: Owned, exchange: Exchange, done: asyncio.Future[None]) -> None:
    """End the log of a call that was cancelled before it took its first step: it did not come to do that itself."""
    if not done.done():
        _fail(owned, exchange, owned.ending or Cancelled(), done)


def _tell(exchange: Exchange, name: str) -> None:
    exchange.told = (*exchange.told, ("x-narthex-stream-id", name))


def _own_id(exchange: Exchange) -> str | None:
    said = exchange.headers.get(_ID)
    if said is None:
        return None
    name = said.decode("latin-1").strip(" \t")
    if not _VALID_ID.fullmatch(name):
        raise InvalidRequest(
            "header x-narthex-stream-id: choose 8 to 64 letters, digits, `_` or `-`, a new one for each call",
            param="x-narthex-stream-id",
        )
    return name


def _recorded(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether the answer is to be recorded.

    Raises:
        InvalidRequest: That is neither `on` nor `off`.
    """
    said = headers.get(_RECORD)
    if said is None:
        return False
    word = said.decode("latin-1").strip(" \t")
    if word not in {"on", "off"}:
        raise InvalidRequest(
            f"header x-narthex-record: {word[:50]!r} is neither `on` nor `off`", param="x-narthex-record"
        )
    return word == "on"


def _on_disconnect(exchange: Exchange) -> OnDisconnect | None:
    said = exchange.headers.get(_ON_DISCONNECT)
    if said is None:
        return None
    word = said.decode("latin-1").strip(" \t")
    if word not in _WORDS:
        raise InvalidRequest(
            f"header x-narthex-on-disconnect: {word[:50]!r} is neither `cancel` nor `detach`",
            param="x-narthex-on-disconnect",
        )
    return cast("OnDisconnect", word)
