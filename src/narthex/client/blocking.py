"""The client for programs without an event loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar, Unpack, overload

from narthex.client import calls
from narthex.client.caching import Cache
from narthex.client.calls import Read
from narthex.client.controllers import Streams
from narthex.client.endpoint import endpoint_for
from narthex.client.http1 import Head, HttpRequest, ResponseReader
from narthex.client.readers import ChatReader, EventReader, GenerationReader, Progress
from narthex.client.routes import Route, RouteOptions
from narthex.client.sockets import SocketConnection, SocketPool
from narthex.client.values import (
    ChatOptions,
    ClientOptions,
    GenerateOptions,
    Generation,
    GenerationEvent,
    Liveness,
    Messages,
    Model,
    Status,
)
from narthex.errors import ClientError, GatewayUnreachable
from narthex.types.answers import ChatAnswer, EmbeddingAnswer
from narthex.types.events import Event

T = TypeVar("T")


class _Exchange:
    """One request on one connection, and its answer."""

    def __init__(self, pool: SocketPool, request: HttpRequest) -> None:
        self._pool = pool
        self._reader = ResponseReader()
        self._first = b""
        self._connection: SocketConnection | None = pool.take()
        with self._closed_on_error():
            self.head = self._read_head(self._send(self._connection, request))

    @contextlib.contextmanager
    def _closed_on_error(self) -> Generator[None, None, None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _send(self, connection: SocketConnection, request: HttpRequest) -> ClientError | None:
        """Send the request; return why that failed: a gateway may have answered before it had read everything."""
        try:
            connection.send(request.encode(self._pool.endpoint))
        except GatewayUnreachable as error:
            return error
        return None

    def _read_head(self, unsent: ClientError | None) -> Head:
        try:
            while self._reader.head is None:
                self._first += self._receive()
        except ClientError as error:
            raise unsent or error from error
        return self._reader.head

    def _receive(self) -> bytes:
        if self._connection is None:
            return b""
        data = self._connection.receive()
        if not data:
            self._reader.close()
            return b""
        return self._reader.feed(data)

    def next_piece(self) -> bytes | None:
        """Return more of the body, or None at its end, when the connection is free for others."""
        piece, self._first = self._first, b""
        with self._closed_on_error():
            while not piece and not self._reader.complete:
                piece = self._receive()
        if piece:
            return piece
        self.release()
        return None

    def body(self) -> bytes:
        """Return the whole body."""
        pieces: list[bytes] = []
        while (piece := self.next_piece()) is not None:
            pieces.append(piece)
        return b"".join(pieces)

    def release(self) -> None:
        """Give the connection back, if the answer is complete; close it otherwise."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection, self._reader)

    def close(self) -> None:
        """Close the connection: a gateway cancels what nobody waits for."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Asking:
    """Asks one gateway."""

    def __init__(self, pool: SocketPool) -> None:
        self._pool = pool

    def open(self, request: HttpRequest) -> _Exchange:
        """Ask for an answer as it comes, or for a refusal."""
        return _Exchange(self._pool, request)

    def whole(self, request: HttpRequest, read: Read[T]) -> T:
        """Ask for a value."""
        exchange = self.open(request)
        body = exchange.body()
        calls.check(exchange.head, body)
        return read(exchange.head, body)


class EventStream(Generic[T]):
    """A streamed answer: iterate over it, or leave it and with it the answer.

    It ends when the answer is whole and not otherwise: an answer that breaks raises.
    """

    def __init__(self, exchange: _Exchange, reader: EventReader[T]) -> None:
        self._exchange = exchange
        self._progress = Progress(reader)

    @property
    def request_id(self) -> str | None:
        """The request's ID in the gateway's log."""
        return self._exchange.head.headers.get("x-request-id")

    def __iter__(self) -> Iterator[T]:
        """Iterate over the events."""
        return self

    def __next__(self) -> T:
        """Return the next event.

        Raises:
            NarthexError: The gateway reports that it failed.
            BrokenAnswer: The answer was cut.
            GatewayTimeout: Nothing came for `timeout_s`.
        """
        try:
            while (event := self._progress.take()) is None:
                if self._progress.over:
                    raise StopIteration
                self._read_on()
        except BaseException:
            self.close()
            raise
        return event

    def _read_on(self) -> None:
        try:
            piece = self._exchange.next_piece()
        except ClientError as error:
            self._progress.broke(error)
            return
        if piece is None:
            self._progress.end()
        else:
            self._progress.add(piece)

    def close(self) -> None:
        """Leave the answer; the gateway cancels what is not finished."""
        self._progress.leave()
        self._exchange.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the answer."""
        self.close()


class Client:
    """Talks to a running gateway.

        with Client() as client:
            print(client.generate("Name a colour.").text)
            for event in client.generate("Tell a story.", stream=True):
                print(event.text, end="")

    Every method raises what the gateway reports as the class of `narthex.errors` that it was there, with `request_id`;
    `GatewayUnreachable`, `GatewayTimeout` and `BrokenAnswer` are what a client sees by itself. Nothing is tried twice.
    One client may be used by several threads.
    """

    def __init__(self, url: str | None = None, **options: Unpack[ClientOptions]) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: Address of the gateway; by default `NARTHEX_URL`, or `http://127.0.0.1:8484`.
            options: See `ClientOptions`.

        Raises:
            ConfigError: The address or an option cannot be used.
        """
        self._pool = SocketPool(endpoint_for(url, **options))
        self.cache = Cache(_Asking(self._pool))
        """What the gateway has answers to before they are asked for: made on demand, or predicted."""
        self.streams = Streams(_Asking(self._pool))
        """Answers that the gateway keeps: read on after a lost connection, paused, resumed, cancelled."""

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self._pool.endpoint.url

    @overload
    def generate(
        self, prompt: str, *, stream: Literal[False] = False, **options: Unpack[GenerateOptions]
    ) -> Generation: ...

    @overload
    def generate(
        self, prompt: str, *, stream: Literal[True], **options: Unpack[GenerateOptions]
    ) -> EventStream[GenerationEvent]: ...

    def generate(
        self, prompt: str, *, stream: bool = False, **options: Unpack[GenerateOptions]
    ) -> Generation | EventStream[GenerationEvent]:
        """Answer a prompt.

        Args:
            prompt: What is asked.
            stream: Whether to return the answer as it comes.
            options: See `GenerateOptions`.
        """
        request = calls.generate_request(prompt, stream=stream, **options)
        return self._stream(request, GenerationReader) if stream else self._whole(request, calls.read_generation)

    @overload
    def chat(
        self,
        messages: Messages,
        *,
        model: str | None = None,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> ChatAnswer: ...

    @overload
    def chat(
        self, messages: Messages, *, model: str | None = None, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> EventStream[Event]: ...

    def chat(
        self, messages: Messages, *, model: str | None = None, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatAnswer | EventStream[Event]:
        """Continue a conversation.

        Args:
            messages: Oldest first; a text is one message of the user.
            model: `provider/model` or an alias; by default the gateway's default model.
            stream: Whether to return the events of the answer as they come; the last is `Ended`.
            options: See `ChatOptions`.
        """
        request = calls.chat_request(messages, model=model, stream=stream, **options)
        return self._stream(request, ChatReader) if stream else self._whole(request, calls.read_chat)

    def embed(
        self, inputs: str | Sequence[str], *, model: str | None = None, dimensions: int | None = None
    ) -> EmbeddingAnswer:
        """Return one vector for each input, in their order."""
        request = calls.embed_request(inputs, model=model, dimensions=dimensions)
        return self._whole(request, calls.read_vectors)

    def models(self) -> tuple[Model, ...]:
        """Return the models that the gateway serves."""
        return self._whole(calls.MODELS, calls.read_models)

    def explain(self, model: str | None = None, **options: Unpack[RouteOptions]) -> Route:
        """Return where a call for a model would go, and why; nothing is sent to any model.

        Args:
            model: `provider/model` or an alias; by default that of `request`, or the gateway's default model.
            options: See `RouteOptions`.
        """
        return self._whole(calls.route_request(model, **options), calls.read_route)

    def status(self) -> Status:
        """Return how the gateway is."""
        return self._whole(calls.STATUS, calls.read_status)

    def health(self) -> Liveness:
        """Return whether the gateway runs; needs no key."""
        return self._whole(calls.HEALTH, calls.read_health)

    def call(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Call any route of the gateway, with a body in JSON where there is one; return the body of its answer."""
        sent = None if method == "GET" else body
        return self._whole(HttpRequest(method=method, path=path, body=sent), lambda _head, answer: answer)

    def pieces(self, path: str) -> Generator[bytes, None, None]:
        """Read any route of the gateway piece by piece, as it comes."""
        exchange = _Exchange(self._pool, HttpRequest(method="GET", path=path))
        try:
            if exchange.head.status != 200:
                calls.check(exchange.head, exchange.body())
            while (piece := exchange.next_piece()) is not None:
                yield piece
        finally:
            exchange.close()

    def _whole(self, request: HttpRequest, read: Read[T]) -> T:
        return _Asking(self._pool).whole(request, read)

    def _stream(self, request: HttpRequest, reader: Callable[[Head], EventReader[T]]) -> EventStream[T]:
        exchange = _Exchange(self._pool, request)
        if exchange.head.status != 200:
            calls.check(exchange.head, exchange.body())
        return EventStream(exchange, reader(exchange.head))

    def close(self) -> None:
        """Close all connections; a streamed answer still open keeps its own until it is left."""
        self._pool.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()
