"""A stream for one of several callers: what another holds, from its first frame on, at this caller's own pace."""

from __future__ import annotations

import asyncio

from narthex.errors import Cancelled
from narthex.streams.stream import Stream


def relay(source: Stream) -> Stream:
    """Return a stream that follows `source` from its first frame to its end, with a pace and an end of its own.

    Its caller leaves without a word to the others: `cancel()` ends this stream, and the source only if nobody else
    follows it.
    """
    return _Relay(source).stream


class _Relay:
    """The producer of such a stream: a reader of another."""

    def __init__(self, source: Stream) -> None:
        self.stream = Stream(source.dialect)
        self.stream.throttle(self._pause, self._resume)
        self.stream.cancel = self._leave
        self.stream.on_close(self._closed)
        self._source = source
        self._held = False
        self._reader = source.reader(self._pass)
        self._pass()

    def _pass(self) -> None:
        """Pass on what has come."""
        stream, source = self.stream, self._source
        if self._held or stream.closed or source.halted:
            return
        frames = self._reader.take()
        last = frames.pop() if source.closed and frames else None
        stream.seam_marks = source.seam_marks
        for frame in frames:
            stream.append(frame)
        stream.events_total = source.events_total
        if source.closed:
            stream.close(source.error, last=last)

    def _pause(self) -> None:
        self._held = True

    def _resume(self) -> None:
        self._held = False
        # Not at once: whoever reads here is just taking what came before.
        asyncio.get_running_loop().call_soon(self._pass)

    def _leave(self) -> None:
        self.stream.close(Cancelled())

    def _closed(self, _stream: Stream) -> None:
        self._reader.leave()
