"""A provider's stream that passes through unchanged, watched for what must be known of it.

The type of an event stands in its first line, so of the many that say a little more not one is read as JSON.
"""

from __future__ import annotations

import msgspec

from narthex.types.usage import Usage
from narthex.wire.contract import MalformedStream, StreamFailed, TruncatedStream
from narthex.wire.openai_chat.chunks import UNREADABLE, is_json
from narthex.wire.openai_responses.schema import EventBody
from narthex.wire.openai_responses.stream_parser import ENDS, FAILS, failed_of
from narthex.wire.openai_responses.usage import usage_of
from narthex.wire.sse import FrameSplitter, SseParser

_event = msgspec.json.Decoder(EventBody)
_SAYS_MORE = b"event: response.output_text.delta\ndata: {"


class ResponsesScanner:
    """Watches one stream; see `StreamScanner`."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self.usage: Usage | None = None
        self.complete = False
        self.model: str | None = None
        self.events = 0
        self._splitter = FrameSplitter()
        self._sse = SseParser()
        self._known = False
        self._over = False

    @property
    def finished(self) -> bool:
        """Whether the answer has ended."""
        return self.complete

    def feed(self, data: bytes) -> bytes:
        """Return the whole frames completed by `data`, to be passed on.

        Raises:
            StreamFailed: The provider reports an error; `frames` holds what came before.
            SseTooLarge: An event of the stream is larger than the limit.
        """
        return self._scan(self._splitter.feed(data))

    def close(self) -> bytes:
        """Take note that the connection has ended; return what is still to be passed on.

        Raises:
            MalformedStream: Nothing in the stream was an event of this dialect.
            TruncatedStream: The answer has no end.
            StreamFailed: The last event is an error.
        """
        rest = self._splitter.rest
        self._splitter = FrameSplitter()
        if rest.strip(b"\r\n") and not self._over:
            rest = self._scan(rest.rstrip(b"\r\n") + b"\n\n")
        if not self.complete:
            if not self._known:
                raise MalformedStream("no event of a response in the stream")
            raise TruncatedStream("the stream ended before the response was completed")
        return rest

    def _scan(self, block: bytes) -> bytes:
        if self._over or not block:
            return block
        kept: list[bytes] = []
        for frame in _frames(block):
            if self._passes(frame, kept):
                kept.append(frame)
        return b"".join(kept)

    def _passes(self, frame: bytes, kept: list[bytes]) -> bool:
        """Take a frame in; False if it is not to be passed on."""
        if self._over:
            return True
        if frame.startswith(_SAYS_MORE) and frame.endswith(b"}\n\n"):
            self._known = True
            self.events += 1
            return True
        for sse in self._sse.feed(frame):
            try:
                event = _event.decode(sse.data)
            except UNREADABLE:
                # One malformed event in an otherwise healthy stream is skipped: a client would break over it.
                return is_json(sse.data)
            self._take(event, kept)
        return True

    def _take(self, event: EventBody, kept: list[bytes]) -> None:
        self.events += 1
        if event.type in FAILS:
            self._over = True
            failed = failed_of(event)
            raise StreamFailed(failed.message, code=failed.code, kind=failed.kind, frames=b"".join(kept))
        self._known |= event.type.startswith("response.")
        if event.response is not None:
            self.model = event.response.model or self.model
            self.usage = usage_of(event.response.usage) or self.usage
        if event.type in ENDS and event.response is not None:
            self._over = self.complete = True


def _frames(block: bytes) -> list[bytes]:
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return [frame + b"\n\n" for frame in block.split(b"\n\n") if frame]
