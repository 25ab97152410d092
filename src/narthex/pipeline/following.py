"""A target asked for the events of one answer, whatever it speaks and however it replies."""

from __future__ import annotations

from collections.abc import Callable

from narthex.pipeline.delivery import refused, unreadable
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.inbound import broken, closing, truncated
from narthex.pipeline.outbound import translated
from narthex.providers.catalog import Target
from narthex.providers.contract import EventsReply, Reply, StreamReply, VectorsReply, WholeReply
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Failed, is_content
from narthex.types.folding import unfold
from narthex.types.requests import ChatRequest
from narthex.wire.contract import BrokenStream, MalformedBody
from narthex.wire.failures import provider_error
from narthex.wire.registry import CHAT_WIRES

Take = Callable[[Event], None]


async def follow(exchange: Exchange, target: Target, request: ChatRequest, take: Take) -> None:
    """Ask a target and hand each event of its answer to `take`, to the end of the answer.

    Raises:
        NarthexError: There is no whole answer; what came before was taken.

    What `take` raises is passed on. If cancelled, the call to the provider is ended.
    """
    out = translated(exchange, target, request)
    reply = await target.provider.send(out.call)
    if isinstance(reply, WholeReply) and reply.status != 200:
        raise refused(target, out, reply)
    following = _Following(target.provider.name, take)
    await _take_all(reply, out.call.dialect, following)
    if not following.ended:
        raise truncated(target.provider.name, "the provider stopped")


class _Following:
    """Passes events on until the answer has ended."""

    def __init__(self, provider: str, take: Take) -> None:
        self._provider = provider
        self._take = take
        self.ended = False
        self._has_told = False

    def add(self, event: Event) -> None:
        """Pass an event on."""
        if isinstance(event, Failed):
            raise provider_error(event.message, code=event.code, kind=event.kind, status=None, provider=self._provider)
        if self.ended:
            return
        self.ended = isinstance(event, Ended)
        self._has_told = self._has_told or is_content(event)
        self._take(event)

    def told(self) -> bool:
        """Tell whether content came since this was asked last."""
        has_told, self._has_told = self._has_told, False
        return has_told

    async def pump(self, reply: StreamReply, dialect: Dialect) -> None:
        """Read a stream of bytes."""
        parser = CHAT_WIRES[dialect].parser()

        def feed(data: bytes) -> None:
            for event in parser.feed(data):
                self.add(event)
            if self.ended:
                reply.hurry()

        try:
            await reply.pump(feed, self.told)
            for event in () if self.ended else parser.close():
                self.add(event)
        except BrokenStream as error:
            raise broken(self._provider, error) from error

    def whole(self, reply: WholeReply, dialect: Dialect) -> None:
        """Read a whole answer."""
        try:
            answer = CHAT_WIRES[dialect].decode_answer(reply.body)
        except MalformedBody as error:
            raise unreadable(self._provider, error) from error
        for event in unfold(answer):
            self.add(event)


async def _take_all(reply: Reply, dialect: Dialect, following: _Following) -> None:
    match reply:
        case WholeReply():
            following.whole(reply, dialect)
        case StreamReply():
            await following.pump(reply, dialect)
        case EventsReply():
            async with closing(reply.events):
                async for event in reply.events:
                    following.add(event)
        case VectorsReply():
            raise TypeError("a chat was answered with vectors")
