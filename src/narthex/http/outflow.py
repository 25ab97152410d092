"""An answer that is written to its connection as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from narthex.errors import NarthexError
from narthex.http.surfaces import error_frames
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Stream
from narthex.types.events import Event
from narthex.wire.registry import CHAT_WIRES

LastWords = Callable[[NarthexError], bytes]
"""Returns the frames that tell why an answer is not whole."""


class Outflow:
    """One streamed answer on its way into one connection, in chunks.

    It is called when there is something new, and writes at once: no task is woken and no turn of the loop is taken
    between the provider's bytes and the caller's. While the caller takes nothing, frames stay in the stream, whose
    bound then holds the provider back.

    Attributes:
        ended: Done when the last byte is written; holds the exception if the answer could not be written.
    """

    __slots__ = ("_answer", "_blocked", "_encode", "_head", "_last_words", "_reader", "_write", "ended")

    def __init__(
        self,
        answer: Stream,
        write: Callable[[bytes], None],
        *,
        head: bytes,
        encode: Callable[[Event], bytes] | None,
        last_words: LastWords,
    ) -> None:
        """Begin to write what there is.

        Args:
            answer: What is written.
            write: Takes bytes to be sent.
            head: Sent before everything else.
            encode: Writes an event in the caller's dialect; None if the answer's frames are in it already.
            last_words: Returns the frames that tell why an answer is not whole.
        """
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._write = write
        self._head = head
        self._encode = encode
        self._last_words = last_words
        self._blocked = False
        self._reader = answer.reader(self._push)
        self._push()

    def pause(self) -> None:
        """Write nothing until `resume()`: the caller does not keep up."""
        self._blocked = True

    def resume(self) -> None:
        """Write what has come meanwhile."""
        self._blocked = False
        self._push()

    def break_off(self, error: NarthexError) -> None:
        """End the answer with an error, whatever is still to come of it."""
        self.leave()
        data = self._last_words(error)
        self._write(b"%b%x\r\n%b\r\n0\r\n\r\n" % (self._head, len(data), data))

    def leave(self) -> None:
        """Write nothing more."""
        self._blocked = True
        self._reader.leave()

    def _push(self) -> None:
        if self._blocked or self.ended.done():
            return
        frames = self._reader.take()
        encode = self._encode
        try:
            if encode is not None:
                data = b"".join([encode(cast("Event", frame)) for frame in frames])
            else:
                data = cast("bytes", frames[0]) if len(frames) == 1 else b"".join(cast("list[bytes]", frames))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the end, not to the producer
            self.leave()
            self.ended.set_exception(error)
            return
        if self._answer.closed:
            self._finish(data)
        elif data:
            self._write(b"%b%x\r\n%b\r\n" % (self._head, len(data), data))
            self._head = b""

    def _finish(self, data: bytes) -> None:
        error = self._answer.error
        if error is not None:
            data += self._last_words(error)
        self._write(b"%b%x\r\n%b\r\n0\r\n\r\n" % (self._head, len(data), data) if data else self._head + b"0\r\n\r\n")
        self._reader.leave()
        self.ended.set_result(None)


def flow(exchange: Exchange, answer: Stream, write: Callable[[bytes], None], head: bytes) -> Outflow:
    """Let the answer to a call flow into its connection, in the dialect of its caller."""
    encode, last_words = writers(exchange, answer)
    return Outflow(answer, write, head=head, encode=encode, last_words=last_words)


def writers(exchange: Exchange, answer: Stream) -> tuple[Callable[[Event], bytes] | None, LastWords]:
    """Return what writes the events of an answer for its caller, None if they are written, and what tells an error."""
    if answer.dialect is not None:
        return None, lambda error: error_frames(exchange.dialect, error, exchange.id)
    encoder = CHAT_WIRES[exchange.dialect].encoder(exchange.chat_request())
    return encoder.encode, lambda error: encoder.error(error, exchange.id)
