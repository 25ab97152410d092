"""Kept streams for programs with an event loop; see `narthex.client.controllers`, whose methods these are."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import TracebackType
from typing import Literal, Protocol, Self, Unpack

from narthex.client import reports
from narthex.client.backoff import Reconnect
from narthex.client.calls import Read, T
from narthex.client.failures import read_error
from narthex.client.following import Following, StreamFrame
from narthex.client.http1 import Head, HttpRequest
from narthex.client.kept import KeptAnswer, kept_chat
from narthex.client.reports import OnDisconnect, StreamReport, StreamStatus
from narthex.client.values import ChatOptions, Messages
from narthex.errors import ClientError, NarthexError
from narthex.types.dialects import Dialect
from narthex.types.events import Event


class AsyncAnswer(Protocol):
    """An answer as it comes."""

    @property
    def head(self) -> Head:
        """Status and headers."""
        ...

    async def next_piece(self) -> bytes | None:
        """Return more of the body, or None at its end."""
        ...

    async def body(self) -> bytes:
        """Return the whole body."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class AsyncAsking(Protocol):
    """How a gateway is asked."""

    async def open(self, request: HttpRequest) -> AsyncAnswer:
        """Ask for an answer as it comes, or for a refusal."""
        ...

    async def whole(self, request: HttpRequest, read: Read[T]) -> T:
        """Ask for a value."""
        ...


class AsyncStreamController(KeptAnswer[AsyncAnswer]):
    """One streamed answer that the gateway keeps; see `StreamController`.

    If reading is cancelled, the answer is left, and may be had again with `AsyncStreams.attach()`.
    """

    def __init__(self, asking: AsyncAsking, following: Following, dialect: Dialect | None) -> None:
        """Use `AsyncStreams.start()` or `AsyncStreams.attach()`."""
        super().__init__(following, dialect)
        self._asking = asking

    async def connect(self) -> None:
        """Connect, and send the call if that is still to be done; see `StreamController.connect()`."""
        following = self._following
        while self._answer is None and not following.over:
            if delay_s := following.delay_s():
                await sleep(delay_s)
            await self._connect_once()

    async def _connect_once(self) -> None:
        following = self._following
        try:
            answer = await self._asking.open(following.request())
            if answer.head.status != 200:
                following.refused(read_error(answer.head, await answer.body()))
                return
        except ClientError as error:
            following.lost(error)
            return
        self._take(answer)

    async def frames(self) -> AsyncGenerator[StreamFrame, None]:
        """Yield the events as they came, byte by byte; see `StreamController.frames()`."""
        try:
            while not self._following.over:
                await self.connect()
                for frame in await self._read_on():
                    yield frame
        finally:
            self.close()

    async def _read_on(self) -> list[StreamFrame]:
        following, answer = self._following, self._answer
        if answer is None:
            return []
        try:
            piece = await answer.next_piece()
            if piece is not None:
                return following.add(piece)
        except ClientError as error:
            self._drop()
            following.lost(error)
            return []
        self._answer = None
        if not following.ended():
            await self._settle()
        return []

    async def _settle(self) -> None:
        """Ask whether that was all."""
        try:
            report = await self.progress()
        except NarthexError as error:
            self._following.missed(error)
        else:
            self._following.settle(report)

    async def _found(self) -> StreamReport:
        """Return how it stands, also where the connection is lost meanwhile."""
        while True:
            if delay_s := self._following.delay_s():
                await sleep(delay_s)
            try:
                return await self.progress()
            except ClientError as error:
                self._following.lost(error)

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield the events of the answer; see `StreamController`."""
        reader = self._reader(await self._found() if self._dialect is None else None)
        # Left in the middle, or by an error whose traceback holds it, it lets go of its connection all the same.
        async with aclosing(self.frames()) as frames:
            async for frame in frames:
                for event in reader.feed(frame.data):
                    yield event
        for event in reader.close():
            yield event

    async def pause(self) -> StreamReport:
        """Stop delivery to all readers; the gateway ends a call that is paused for too long."""
        return await self._control("pause")

    async def resume(self) -> StreamReport:
        """Go on after a pause."""
        return await self._control("resume")

    async def cancel(self) -> StreamReport:
        """End the call to the provider, for all readers; what was written stays.

        Raises:
            StreamEnded: There is nothing left to end.
        """
        return await self._control("cancel")

    async def _control(self, verb: Literal["pause", "resume", "cancel"]) -> StreamReport:
        return await self._asking.whole(reports.control_request(self.id, verb), reports.read_report)

    async def progress(self) -> StreamReport:
        """Return how the stream stands on the gateway, and how far it is."""
        return await self._asking.whole(reports.report_request(self.id), reports.read_report)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read no further."""
        self.close()


class AsyncStreams:
    """The streams that a gateway keeps for whoever has this key; see `Streams`."""

    def __init__(self, asking: AsyncAsking) -> None:
        self._asking = asking

    async def start(
        self,
        messages: Messages,
        *,
        model: str | None = None,
        name: str | None = None,
        on_disconnect: OnDisconnect = "detach",
        reconnect: Reconnect | None = None,
        **options: Unpack[ChatOptions],
    ) -> AsyncStreamController:
        """Continue a conversation, and keep the answer; see `Streams.start()`."""
        call, stream = kept_chat(messages, model=model, name=name, on_disconnect=on_disconnect, **options)
        return await self._open(Following(stream, call, reconnect=reconnect), Dialect.OPENAI_CHAT)

    async def attach(self, name: str, *, after: int = 0, reconnect: Reconnect | None = None) -> AsyncStreamController:
        """Read a stream that was begun before, here or elsewhere, behind the event with the number `after`."""
        return await self._open(Following(name, None, after=after, reconnect=reconnect), None)

    async def _open(self, following: Following, dialect: Dialect | None) -> AsyncStreamController:
        controller = AsyncStreamController(self._asking, following, dialect)
        await controller.connect()
        return controller

    async def list(self, *, status: StreamStatus | None = None, limit: int | None = None) -> tuple[StreamReport, ...]:
        """Return how one's own streams stand, the newest first."""
        return await self._asking.whole(reports.list_request(status, limit), reports.read_reports)

    async def progress(self, name: str) -> StreamReport:
        """Return how a stream stands."""
        return await self._asking.whole(reports.report_request(name), reports.read_report)

    async def delete(self, name: str) -> None:
        """Forget a stream that has ended.

        Raises:
            StreamRunning: It has not.
        """
        await self._asking.whole(reports.delete_request(name), lambda _head, _body: None)
