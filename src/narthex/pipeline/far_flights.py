"""Calls under way in other processes that answer the same question: theirs are heard here, and ours told there.

An answer is heard as it comes by whoever wants it in the very form in which it is made; all others wait for its end.
Whoever has been given the beginning of one is given all that the process says which makes it, however that ends: whole,
cut at its limit, or broken. Where nothing more comes of it that is a break as well, and never an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

import msgspec

from narthex.cache.following import follow, is_void_for_others
from narthex.cache.leases import Turn
from narthex.cache.live import Hearing, Telling, Wish
from narthex.cache.store import Cache, number_for_others
from narthex.errors import Cancelled, NarthexError, ProducerLost
from narthex.pipeline.cache_terms import Terms
from narthex.pipeline.cached_answers import Hit
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.flights import Flight
from narthex.pipeline.giving import Giving, without_miss
from narthex.pipeline.handles import error_of
from narthex.pipeline.owned import Told
from narthex.streams.stream import Frame, SeamMark, Stream
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.types.usage import Usage

FORMAT: Final = 1
"""Of what is told; another is not heard."""
GRACE_S: Final = 1.0
"""How long a call goes on when nobody hears it any more elsewhere: whoever asked first may be about to read it."""
JOINED: Final = (("x-narthex-cache", "JOINED"), ("cache-status", "narthex; fwd=uri-miss; collapsed; detail=redis"))


class _Head(msgspec.Struct, frozen=True, array_like=True):
    """What an answer is that is told."""

    format: int
    model: str
    """`provider/model` that answers."""
    number: int
    """Of the last declaration of invalidity that was known when it was asked for."""
    dialect: Dialect | None
    """Of its frames; None if they are events."""
    model_answered: str | None
    dropped: tuple[str, ...]
    simulated: bool


class _Words(msgspec.Struct, frozen=True, array_like=True):
    """What is said at the end of an answer."""

    error: Told | None
    """Why it is not whole."""
    usage: Usage | None
    model_answered: str | None
    seams: tuple[SeamMark, ...]
    events: int


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_head: Final = msgspec.msgpack.Decoder(_Head).decode
_decode_words: Final = msgspec.msgpack.Decoder(_Words).decode
_decode_event: Final[Callable[[bytes], Event]] = msgspec.msgpack.Decoder(Event).decode


class FarFlights:
    """Answers of other processes, and ours for them."""

    def __init__(self, cache: Cache, giving: Giving) -> None:
        """Take where answers are, and what gives them."""
        self._cache = cache
        self._giving = giving

    async def is_answered(self, exchange: Exchange, terms: Terms, turn: Turn, within_s: float) -> bool:
        """Give what another process is answered that asks the same; False where the call is to go out after all.

        Args:
            exchange: The call.
            terms: On which terms it may be answered.
            turn: Says that it is another process's turn.
            within_s: How long is waited for an answer, or for the beginning of one.
        """
        left_s = exchange.left_s
        # Half of the time is left for a call of one's own.
        within_s = within_s if left_s is None else min(left_s / 2, within_s)
        found = await follow(self._cache, terms.key, turn, within_s, self._wish(exchange, terms))
        if isinstance(found, Hearing):
            _Heard(exchange, found, lambda: self._count(exchange, terms)).begin()
            return True
        return found is not None and self._giving.is_given_too(exchange, found, terms.directives)

    def _wish(self, exchange: Exchange, terms: Terms) -> Wish | None:
        form = form_of(exchange)
        return None if form is None else Wish(form, lambda head: self._may_take(exchange, terms, head))

    def _may_take(self, exchange: Exchange, terms: Terms, told: bytes) -> bool:
        try:
            head = _decode_head(told)
        except msgspec.MsgspecError:
            return False
        if head.format != FORMAT or exchange.target is None or head.model != exchange.target.name:
            return False
        return not is_void_for_others(self._cache, terms.key, terms.tags, head.number)

    def _count(self, exchange: Exchange, terms: Terms) -> None:
        usage = exchange.usage or Usage()
        read, written, tier = usage.input_tokens, usage.output_tokens, self._cache.leasing
        self._cache.figures.hit(
            "joined",
            input_tokens=read,
            output_tokens=written,
            picousd=0,
            scope=terms.scope,
            tier="" if tier is None else tier.name,
        )

    def offer(self, flight: Flight, *, terms: Terms, turn: Turn, number: int) -> None:
        """Have an answer that has begun told to other processes that want to hear it.

        Args:
            flight: The call.
            terms: On which terms it is made.
            turn: Has the lease under which it is; without one nobody waits for it.
            number: Of the last declaration of invalidity when it was asked for.
        """
        live = None if self._cache.leasing is None else self._cache.leasing.live
        exchange, lease = flight.exchange, turn.lease
        if live is None or lease is None or exchange.answer is None or exchange.answer.closed:
            return
        form, shared = form_of(exchange), number_for_others(self._cache, number)
        if form is not None and shared is not None:
            live.offer(lease, _Spoken(exchange, exchange.answer, form, shared))


def form_of(exchange: Exchange) -> bytes | None:
    """Return in which form a call wants its answer as it comes; None if it does not, or it is for that call alone."""
    asks = exchange.keeping is not None and exchange.keeping.asks
    if not exchange.streaming or asks:
        return None
    return f"{exchange.dialect}/{int(exchange.usage_wanted)}".encode()


class _Spoken:
    """An answer of ours that may be told."""

    def __init__(self, exchange: Exchange, answer: Stream, form: bytes, number: int) -> None:
        self.form = form
        self._exchange, self._answer, self._number = exchange, answer, number

    def begin(self, telling: Telling) -> bool:
        """See `Speaker`."""
        exchange, answer = self._exchange, self._answer
        if answer.closed or not answer.from_start or exchange.target is None:
            return False
        who = (FORMAT, exchange.target.name, self._number, answer.dialect)
        telling.head = _encode(_Head(*who, exchange.model_answered, exchange.dropped, exchange.simulated))
        telling.tell([_piece(one) for one in answer.held])
        if telling.is_behind:
            return False
        _Listener(exchange, answer, telling)
        return True


class _Listener:
    """Reads an answer of ours for those who hear it elsewhere.

    As any caller of this process: it holds nothing, and while it is there the call goes on.
    """

    def __init__(self, exchange: Exchange, answer: Stream, telling: Telling) -> None:
        self._exchange, self._answer = exchange, answer
        self._telling: Telling | None = telling
        telling.stop = self._stop
        self._reader = answer.reader(self._pass)
        # It is told already.
        self._reader.take()

    def _pass(self) -> None:
        frames, telling = self._reader.take(), self._telling
        if telling is None:
            return
        if frames:
            telling.tell([_piece(one) for one in frames])
        if self._reader.ended:
            telling.end(self._words())

    def _words(self) -> bytes:
        exchange, answer = self._exchange, self._answer
        error = answer.error
        told = None if error is None else Told(code=error.code, message=error.message)
        return _encode(_Words(told, exchange.usage, exchange.model_answered, answer.seam_marks, answer.events_total))

    def _stop(self) -> None:
        self._telling = None
        asyncio.get_running_loop().call_later(GRACE_S, self._reader.leave)


def _piece(frame: Frame) -> bytes:
    return frame if isinstance(frame, bytes) else _encode(frame)


class _Heard:
    """An answer of another process, for a call of this one."""

    def __init__(self, exchange: Exchange, hearing: Hearing, ended: Callable[[], None]) -> None:
        self._exchange, self._hearing, self._ended = exchange, hearing, ended
        self._head = _decode_head(hearing.head)
        self._stream = Stream(self._head.dialect)

    def begin(self) -> None:
        """Make it the answer to the call."""
        exchange, head, stream = self._exchange, self._head, self._stream
        exchange.told = (*without_miss(exchange.told), *JOINED)
        exchange.hit = Hit("joined", None)
        exchange.model_answered, exchange.dropped, exchange.simulated = (
            head.model_answered,
            head.dropped,
            head.simulated,
        )
        exchange.answer, exchange.first_frame_at = stream, monotonic()
        stream.throttle(self._hearing.hold, self._release)
        stream.cancel = self._leave
        stream.on_close(self._closed)
        self._hearing.wake = self._pass
        self._pass()

    def _pass(self) -> None:
        stream, hearing = self._stream, self._hearing
        if stream.closed:
            return
        try:
            frames = [self._frame(piece) for piece in hearing.take()]
            words = None if hearing.words is None else _decode_words(hearing.words)
        except msgspec.MsgspecError:
            stream.close(_lost())
            return
        last = frames.pop() if frames and hearing.is_over else None
        for frame in frames:
            stream.append(frame)
        if words is not None:
            self._end(words, last)
        elif hearing.is_lost:
            stream.close(_lost(), last=last)

    def _frame(self, piece: bytes) -> Frame:
        return _decode_event(piece) if self._stream.dialect is None else piece

    def _end(self, words: _Words, last: Frame | None) -> None:
        exchange, stream = self._exchange, self._stream
        exchange.usage, exchange.model_answered = words.usage, words.model_answered
        stream.seam_marks, stream.events_total = words.seams, words.events
        stream.close(None if words.error is None else error_of(words.error), last=last)

    def _release(self) -> None:
        # Not at once: whoever reads here is just taking what came before.
        asyncio.get_running_loop().call_soon(self._hearing.release)

    def _leave(self) -> None:
        self._stream.close(Cancelled())

    def _closed(self, _stream: Stream) -> None:
        self._hearing.leave()
        self._ended()


def _lost() -> NarthexError:
    return ProducerLost("the process that was given this answer is gone, or cannot be heard: this is not all of it")
