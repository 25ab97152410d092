"""An answer that is written to its connection as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from narthex.compression.contents import Encoder
from narthex.errors import NarthexError, Overloaded
from narthex.http.heartbeat import COMMENT, sign_of_life
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.writing import LastWords, writers
from narthex.streams.log import Log
from narthex.streams.stream import Stream
from narthex.streams.throttle import paced
from narthex.types.events import Event

PART_BYTES: Final = 65_536
"""What is encoded in one turn of the loop."""


class Outflow:
    """One streamed answer on its way into one connection, in chunks.

    It is called when there is something new, and writes at once: no task is woken and no turn of the loop is taken
    between the provider's bytes and the caller's. While the caller takes nothing, frames stay in the stream, whose
    bound then holds the provider back.

    Attributes:
        ended: Done when the last byte is written; holds the exception if the answer could not be written.
    """

    __slots__ = (
        "_answer",
        "_blocked",
        "_encode",
        "_encoder",
        "_head",
        "_last_words",
        "_reader",
        "_rest",
        "_sign",
        "_unwritten",
        "_write",
        "ended",
    )

    def __init__(
        self,
        answer: Stream,
        write: Callable[[bytes], None],
        *,
        head: bytes,
        encode: Callable[[Event], bytes] | None,
        last_words: LastWords,
        after: int = 0,
        sign: bytes = COMMENT,
        encoder: Encoder | None = None,
    ) -> None:
        """Begin to write what there is.

        Args:
            answer: What is written.
            write: Takes bytes to be sent.
            head: Sent before everything else.
            encode: Writes an event in the caller's dialect; None if the answer's frames are in it already.
            last_words: Returns the frames that tell why an answer is not whole.
            after: Events of a kept answer that the caller has already.
            sign: The sign of life.
            encoder: Writes the content coding that the head names; None if there is none.
        """
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._write = write
        self._head = head
        self._encode = encode
        self._last_words = last_words
        self._sign = sign
        self._encoder = encoder
        self._rest = b""
        self._unwritten = 0
        self._blocked = False
        self._reader = answer.reader(self._push, after=after)
        self._push()

    def pause(self) -> None:
        """Write nothing until `resume()`: the caller does not keep up."""
        self._blocked = True

    def resume(self) -> None:
        """Write what has come meanwhile."""
        self._blocked = False
        self._push()

    @property
    def progress(self) -> int:
        """A figure that is another one whenever something was written since."""
        return self._reader.position - self._unwritten

    def keep_alive(self) -> None:
        """Write a sign of life, unless the caller does not keep up."""
        if not self._blocked and not self.ended.done() and not self._rest:
            sign = self._sign if self._encoder is None else self._encoder.sent(self._sign)
            self._write(b"%b%x\r\n%b\r\n" % (self._head, len(sign), sign))
            self._head = b""

    def break_off(self, error: NarthexError) -> None:
        """End the answer with an error, whatever is still to come of it."""
        self.leave()
        data = self._rest + self._last_words(error)
        if self._encoder is not None:
            data = self._encoder.sent(data) + self._encoder.end()
        self._write(b"%b%x\r\n%b\r\n0\r\n\r\n" % (self._head, len(data), data))

    async def written(self, closing: Callable[[], bool]) -> None:
        """Wait until the last byte is written.

        Interrupted, the answer ends with an error, unless `closing` says that nobody is there to read it.
        """
        try:
            await self.ended
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and not closing():
                self.break_off(Overloaded("this server stops; the answer is not whole"))
            self.leave()
            raise

    def leave(self) -> None:
        """Write nothing more."""
        self._blocked = True
        self._reader.leave()

    def _push(self) -> None:
        if self._blocked or self.ended.done():
            return
        encode = self._encode
        try:
            frames = self._reader.take()
            if encode is not None:
                data = b"".join([encode(cast("Event", frame)) for frame in frames])
            else:
                written: list[bytes] = frames  # type: ignore[assignment]  # which is what no encoder says
                data = written[0] if len(written) == 1 else b"".join(written)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the end, not to the producer
            self.leave()
            self.ended.set_exception(error)
            return
        if self._encoder is not None and (data or self._rest):
            data = self._encoded(self._encoder, data)
        if self._answer.closed and self._reader.ended and not self._rest:
            self._finish(data)
        elif data:
            self._write(b"%b%x\r\n%b\r\n" % (self._head, len(data), data))
            self._head = b""
        else:
            # Events that the caller's dialect has no words for.
            self._unwritten += len(frames)

    def _encoded(self, encoder: Encoder, data: bytes) -> bytes:
        """Return data in its coding; of much at once a part, and the rest a turn of the loop later."""
        data = self._rest + data
        self._rest = data[PART_BYTES:]
        if self._rest:
            asyncio.get_running_loop().call_soon(self._push)
        return encoder.sent(data[:PART_BYTES])

    def _finish(self, data: bytes) -> None:
        error, encoder = self._answer.error, self._encoder
        if error is not None and not self._answer.tells_error:
            words = self._last_words(error)
            data += words if encoder is None else encoder.sent(words)
        if encoder is not None:
            data += encoder.end()
        self._write(b"%b%x\r\n%b\r\n0\r\n\r\n" % (self._head, len(data), data) if data else self._head + b"0\r\n\r\n")
        self._reader.leave()
        self.ended.set_result(None)


def flow(
    exchange: Exchange, answer: Stream, write: Callable[[bytes], None], head: bytes, encoder: Encoder | None = None
) -> Outflow:
    """Let the answer to a call flow into its connection, in the dialect of its caller and in the coding of its head."""
    encode, last_words = writers(exchange, answer)
    sign = sign_of_life(exchange.dialect, numbered=isinstance(answer, Log))
    after = exchange.after
    if exchange.pace is not None:
        answer = paced(answer, exchange.pace, dialect=exchange.dialect, encode=encode, after=after)
        encode, after = None, 0
    return Outflow(
        answer, write, head=head, encode=encode, last_words=last_words, after=after, sign=sign, encoder=encoder
    )
