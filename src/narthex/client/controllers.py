"""Kept streams for programs without an event loop."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from time import sleep
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


class Answer(Protocol):
    """An answer as it comes."""

    @property
    def head(self) -> Head:
        """Status and headers."""
        ...

    def next_piece(self) -> bytes | None:
        """Return more of the body, or None at its end."""
        ...

    def body(self) -> bytes:
        """Return the whole body."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Asking(Protocol):
    """How a gateway is asked."""

    def open(self, request: HttpRequest) -> Answer:
        """Ask for an answer as it comes, or for a refusal."""
        ...

    def whole(self, request: HttpRequest, read: Read[T]) -> T:
        """Ask for a value."""
        ...


class StreamController(KeptAnswer[Answer]):
    """One streamed answer that the gateway keeps: its events, over as many connections as it takes, and its handle.

    Iterating yields the events of the answer, each once and in order, and ends when it is whole; an answer that failed,
    was cancelled or was lost raises. `frames()` yields the bytes instead. An answer is read once: what was handed out
    comes again by `Streams.attach()`.
    """

    def __init__(self, asking: Asking, following: Following, dialect: Dialect | None) -> None:
        """Use `Streams.start()` or `Streams.attach()`."""
        super().__init__(following, dialect)
        self._asking = asking

    def connect(self) -> None:
        """Connect, and send the call if that is still to be done.

        Raises:
            NarthexError: The gateway refuses, or cannot be reached.
        """
        following = self._following
        while self._answer is None and not following.over:
            if delay_s := following.delay_s():
                sleep(delay_s)
            self._connect_once()

    def _connect_once(self) -> None:
        following = self._following
        try:
            answer = self._asking.open(following.request())
            if answer.head.status != 200:
                following.refused(read_error(answer.head, answer.body()))
                return
        except ClientError as error:
            following.lost(error)
            return
        self._take(answer)

    def frames(self) -> Generator[StreamFrame, None, None]:
        """Yield the events as they came, byte by byte; the last one may tell an error.

        Raises:
            StreamExpired, EventsForgotten, StreamNotFound: The rest is no more.
            ClientError: The connection was lost, and could not be had again.
        """
        try:
            while not self._following.over:
                self.connect()
                yield from self._read_on()
        finally:
            self.close()

    def _read_on(self) -> list[StreamFrame]:
        following, answer = self._following, self._answer
        if answer is None:
            return []
        try:
            piece = answer.next_piece()
            if piece is not None:
                return following.add(piece)
        except ClientError as error:
            self._drop()
            following.lost(error)
            return []
        self._answer = None
        if not following.ended():
            self._settle()
        return []

    def _settle(self) -> None:
        """Ask whether that was all."""
        try:
            report = self.progress()
        except NarthexError as error:
            self._following.missed(error)
        else:
            self._following.settle(report)

    def _found(self) -> StreamReport:
        """Return how it stands, also where the connection is lost meanwhile."""
        while True:
            if delay_s := self._following.delay_s():
                sleep(delay_s)
            try:
                return self.progress()
            except ClientError as error:
                self._following.lost(error)

    def __iter__(self) -> Iterator[Event]:
        """Yield the events of the answer.

        Raises:
            NarthexError: It failed, was cancelled, or was lost; what came before was yielded.
        """
        reader = self._reader(self._found() if self._dialect is None else None)
        # Left in the middle, or by an error whose traceback holds it, it lets go of its connection all the same.
        with closing(self.frames()) as frames:
            for frame in frames:
                yield from reader.feed(frame.data)
        yield from reader.close()

    def pause(self) -> StreamReport:
        """Stop delivery to all readers; the gateway ends a call that is paused for too long."""
        return self._control("pause")

    def resume(self) -> StreamReport:
        """Go on after a pause."""
        return self._control("resume")

    def cancel(self) -> StreamReport:
        """End the call to the provider, for all readers; what was written stays.

        Raises:
            StreamEnded: There is nothing left to end.
        """
        return self._control("cancel")

    def _control(self, verb: Literal["pause", "resume", "cancel"]) -> StreamReport:
        return self._asking.whole(reports.control_request(self.id, verb), reports.read_report)

    def progress(self) -> StreamReport:
        """Return how the stream stands on the gateway, and how far it is."""
        return self._asking.whole(reports.report_request(self.id), reports.read_report)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read no further."""
        self.close()


class Streams:
    """The streams that a gateway keeps for whoever has this key."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def start(
        self,
        messages: Messages,
        *,
        model: str | None = None,
        name: str | None = None,
        on_disconnect: OnDisconnect = "detach",
        reconnect: Reconnect | None = None,
        **options: Unpack[ChatOptions],
    ) -> StreamController:
        """Continue a conversation, and keep the answer.

        Args:
            messages: Oldest first; a text is one message of the user.
            model: `provider/model` or an alias; by default the gateway's default model.
            name: ID of the stream, 8 to 64 letters, digits, `_` or `-`; by default a new one.
            on_disconnect: What becomes of the call when nobody reads any more; a connection that is lost ends it with
                `cancel`.
            reconnect: How a lost connection is sought again.
            options: See `ChatOptions`.
        """
        call, stream = kept_chat(messages, model=model, name=name, on_disconnect=on_disconnect, **options)
        return self._open(Following(stream, call, reconnect=reconnect), Dialect.OPENAI_CHAT)

    def attach(self, name: str, *, after: int = 0, reconnect: Reconnect | None = None) -> StreamController:
        """Read a stream that was begun before, here or elsewhere, behind the event with the number `after`."""
        return self._open(Following(name, None, after=after, reconnect=reconnect), None)

    def _open(self, following: Following, dialect: Dialect | None) -> StreamController:
        controller = StreamController(self._asking, following, dialect)
        controller.connect()
        return controller

    def list(self, *, status: StreamStatus | None = None, limit: int | None = None) -> tuple[StreamReport, ...]:
        """Return how one's own streams stand, the newest first."""
        return self._asking.whole(reports.list_request(status, limit), reports.read_reports)

    def progress(self, name: str) -> StreamReport:
        """Return how a stream stands."""
        return self._asking.whole(reports.report_request(name), reports.read_report)

    def delete(self, name: str) -> None:
        """Forget a stream that has ended.

        Raises:
            StreamRunning: It has not.
        """
        self._asking.whole(reports.delete_request(name), lambda _head, _body: None)
