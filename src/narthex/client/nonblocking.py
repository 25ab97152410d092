"""The client for programs with an event loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar, Unpack, overload

from narthex.client import calls
from narthex.client.async_controllers import AsyncStreams
from narthex.client.caching import AsyncCache
from narthex.client.calls import Read
from narthex.client.endpoint import endpoint_for
from narthex.client.http1 import Head, HttpRequest, ResponseReader
from narthex.client.readers import ChatReader, EventReader, GenerationReader, Progress
from narthex.client.routes import Route, RouteOptions
from narthex.client.streams import StreamConnection, StreamPool
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

    def __init__(self, pool: StreamPool, connection: StreamConnection) -> None:
        self._pool = pool
        self._reader = ResponseReader()
        self._first = b""
        self._connection: StreamConnection | None = connection
        self.head = Head(0)

    @classmethod
    async def begin(cls, pool: StreamPool, request: HttpRequest) -> _Exchange:
        """Send a request and read the head of its answer."""
        connection = await pool.take()
        exchange = cls(pool, connection)
        with exchange.closed_on_error():
            exchange.head = await exchange._read_head(await exchange._send(connection, request))
        return exchange

    @contextlib.contextmanager
    def closed_on_error(self) -> Generator[None, None, None]:
        """Close the connection on an error, cancellation among them."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    async def _send(self, connection: StreamConnection, request: HttpRequest) -> ClientError | None:
        """Send the request; return why that failed: a gateway may have answered before it had read everything."""
        try:
            await connection.send(request.encode(self._pool.endpoint))
        except GatewayUnreachable as error:
            return error
        return None

    async def _read_head(self, unsent: ClientError | None) -> Head:
        try:
            while self._reader.head is None:
                self._first += await self._receive()
        except ClientError as error:
            raise unsent or error from error
        return self._reader.head

    async def _receive(self) -> bytes:
        if self._connection is None:
            return b""
        data = await self._connection.receive()
        if not data:
            self._reader.close()
            return b""
        return self._reader.feed(data)

    async def next_piece(self) -> bytes | None:
        """Return more of the body, or None at its end, when the connection is free for others."""
        piece, self._first = self._first, b""
        with self.closed_on_error():
            while not piece and not self._reader.complete:
                piece = await self._receive()
        if piece:
            return piece
        self.release()
        return None

    async def body(self) -> bytes:
        """Return the whole body."""
        pieces: list[bytes] = []
        while (piece := await self.next_piece()) is not None:
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

    def __init__(self, pool: StreamPool) -> None:
        self._pool = pool

    async def open(self, request: HttpRequest) -> _Exchange:
        """Ask for an answer as it comes, or for a refusal."""
        return await _Exchange.begin(self._pool, request)

    async def whole(self, request: HttpRequest, read: Read[T]) -> T:
        """Ask for a value."""
        exchange = await self.open(request)
        body = await exchange.body()
        calls.check(exchange.head, body)
        return read(exchange.head, body)


class AsyncEventStream(Generic[T]):
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

    def __aiter__(self) -> AsyncIterator[T]:
        """Iterate over the events."""
        return self

    async def __anext__(self) -> T:
        """Return the next event.

        Raises:
            NarthexError: The gateway reports that it failed.
            BrokenAnswer: The answer was cut.
            GatewayTimeout: Nothing came for `timeout_s`.

        If cancelled, the answer is left.
        """
        try:
            while (event := self._progress.take()) is None:
                if self._progress.over:
                    raise StopAsyncIteration
                await self._read_on()
        except BaseException:
            self._leave()
            raise
        return event

    async def _read_on(self) -> None:
        try:
            piece = await self._exchange.next_piece()
        except ClientError as error:
            self._progress.broke(error)
            return
        if piece is None:
            self._progress.end()
        else:
            self._progress.add(piece)

    def _leave(self) -> None:
        self._progress.leave()
        self._exchange.close()

    async def aclose(self) -> None:
        """Leave the answer; the gateway cancels what is not finished."""
        self._leave()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the answer."""
        self._leave()


class AsyncClient:
    """Talks to a running gateway; see `Client`, whose methods these are.

        async with AsyncClient() as client:
            print((await client.generate("Name a colour.")).text)
            async for event in await client.generate("Tell a story.", stream=True):
                print(event.text, end="")

    A call that is cancelled closes its connection, and the gateway cancels what it asked for.
    """

    def __init__(self, url: str | None = None, **options: Unpack[ClientOptions]) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: Address of the gateway; by default `NARTHEX_URL`, or `http://127.0.0.1:8484`.
            options: See `ClientOptions`.

        Raises:
            ConfigError: The address or an option cannot be used.
        """
        self._pool = StreamPool(endpoint_for(url, **options))
        self.cache = AsyncCache(_Asking(self._pool))
        """What the gateway has answers to before they are asked for: made on demand, or predicted."""
        self.streams = AsyncStreams(_Asking(self._pool))
        """Answers that the gateway keeps: read on after a lost connection, paused, resumed, cancelled."""

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self._pool.endpoint.url

    @overload
    async def generate(
        self, prompt: str, *, stream: Literal[False] = False, **options: Unpack[GenerateOptions]
    ) -> Generation: ...

    @overload
    async def generate(
        self, prompt: str, *, stream: Literal[True], **options: Unpack[GenerateOptions]
    ) -> AsyncEventStream[GenerationEvent]: ...

    async def generate(
        self, prompt: str, *, stream: bool = False, **options: Unpack[GenerateOptions]
    ) -> Generation | AsyncEventStream[GenerationEvent]:
        """Answer a prompt.

        Args:
            prompt: What is asked.
            stream: Whether to return the answer as it comes.
            options: See `GenerateOptions`.
        """
        request = calls.generate_request(prompt, stream=stream, **options)
        if stream:
            return await self._stream(request, GenerationReader)
        return await self._whole(request, calls.read_generation)

    @overload
    async def chat(
        self,
        messages: Messages,
        *,
        model: str | None = None,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> ChatAnswer: ...

    @overload
    async def chat(
        self, messages: Messages, *, model: str | None = None, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> AsyncEventStream[Event]: ...

    async def chat(
        self, messages: Messages, *, model: str | None = None, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatAnswer | AsyncEventStream[Event]:
        """Continue a conversation.

        Args:
            messages: Oldest first; a text is one message of the user.
            model: `provider/model` or an alias; by default the gateway's default model.
            stream: Whether to return the events of the answer as they come; the last is `Ended`.
            options: See `ChatOptions`.
        """
        request = calls.chat_request(messages, model=model, stream=stream, **options)
        if stream:
            return await self._stream(request, ChatReader)
        return await self._whole(request, calls.read_chat)

    async def embed(
        self, inputs: str | Sequence[str], *, model: str | None = None, dimensions: int | None = None
    ) -> EmbeddingAnswer:
        """Return one vector for each input, in their order."""
        request = calls.embed_request(inputs, model=model, dimensions=dimensions)
        return await self._whole(request, calls.read_vectors)

    async def models(self) -> tuple[Model, ...]:
        """Return the models that the gateway serves."""
        return await self._whole(calls.MODELS, calls.read_models)

    async def explain(self, model: str | None = None, **options: Unpack[RouteOptions]) -> Route:
        """Return where a call for a model would go, and why; nothing is sent to any model.

        Args:
            model: `provider/model` or an alias; by default that of `request`, or the gateway's default model.
            options: See `RouteOptions`.
        """
        return await self._whole(calls.route_request(model, **options), calls.read_route)

    async def status(self) -> Status:
        """Return how the gateway is."""
        return await self._whole(calls.STATUS, calls.read_status)

    async def health(self) -> Liveness:
        """Return whether the gateway runs; needs no key."""
        return await self._whole(calls.HEALTH, calls.read_health)

    async def _whole(self, request: HttpRequest, read: Read[T]) -> T:
        return await _Asking(self._pool).whole(request, read)

    async def _stream(self, request: HttpRequest, reader: Callable[[Head], EventReader[T]]) -> AsyncEventStream[T]:
        exchange = await _Exchange.begin(self._pool, request)
        if exchange.head.status != 200:
            calls.check(exchange.head, await exchange.body())
        return AsyncEventStream(exchange, reader(exchange.head))

    async def aclose(self) -> None:
        """Close all connections; a streamed answer still open keeps its own until it is left."""
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self.aclose()
