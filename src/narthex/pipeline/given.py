"""What a registered answer gives, made the answer of a call in the caller's form."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Final, NoReturn

import orjson

from narthex.errors import InternalError
from narthex.pipeline.answers import Given
from narthex.pipeline.delivery import deliver, deliver_vectors
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.forms.json_form import check_schema
from narthex.providers.catalog import Target
from narthex.providers.contract import Call, Health, Timeouts
from narthex.streams.stream import Stream
from narthex.types.answers import ChatAnswer, Choice, EmbeddingAnswer, FinishReason
from narthex.types.catalog import ModelFacts
from narthex.types.dialects import Dialect, Operation
from narthex.types.messages import Message, Part, Text, ToolCall
from narthex.types.requests import ChatRequest, EmbeddingRequest
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages import encode_count

NAME: Final = "narthex/fallback"
"""The model that a registered answer names: a caller cannot take it for one that answered."""


class UnfitAnswer(ValueError):
    """What is given is no answer to this call."""


class Nobody:
    """Stands where a provider stands, since nobody was asked."""

    name = "narthex"
    kind = "registered"
    dialects: frozenset[Dialect] = frozenset()

    async def send(self, call: Call) -> NoReturn:
        """Refuse: a registered answer is there already."""
        raise InternalError(f"{NAME} cannot be asked for {call.operation}")

    async def list_models(self) -> tuple[ModelFacts, ...]:
        """Return none: nobody can ask for it."""
        return ()

    def health(self) -> Health:
        """Return that it is well."""
        return Health(status="ok")

    async def aclose(self) -> None:
        """Do nothing."""


TARGET: Final = Target(
    name=NAME,
    header=b"x-narthex-model: %b\r\n" % NAME.encode(),
    model="fallback",
    provider=Nobody(),
    timeouts=Timeouts(),
)
"""What a call that was given a registered answer counts for, in headers, log and metrics."""


def give(exchange: Exchange, given: Given, *, told: dict[str, object]) -> None:
    """Make what is given the answer of a call; it uses nothing.

    Args:
        exchange: The call; without an answer so far.
        given: A text or a message for a chat, vectors for embeddings, a number for a count of tokens.
        told: What is added at the end of a stream.

    Raises:
        UnfitAnswer: It is something else, or not in the form that the caller asked for.
        NarthexError: The request is not valid, or its dialect cannot carry this answer.
    """
    match exchange.operation:
        case Operation.CHAT:
            request = exchange.chat_request()
            deliver(exchange, _chat(exchange.id, request, _message(given, request)), told=told)
        case Operation.EMBED:
            vectors = _vectors(given, exchange.embedding_request())
            deliver_vectors(exchange, EmbeddingAnswer(model=NAME, vectors=vectors, usage=Usage()))
        case Operation.COUNT_TOKENS:
            exchange.answer = Stream.of(encode_count(_count(given)), exchange.dialect)
            exchange.usage, exchange.model_answered = Usage(), NAME


def _chat(request_id: str, request: ChatRequest, message: Message) -> ChatAnswer:
    called = any(isinstance(part, ToolCall) for part in message.parts)
    reason = FinishReason.TOOL_CALLS if called else FinishReason.STOP
    choices = (Choice(index=index, message=message, finish_reason=reason) for index in range(request.n or 1))
    return ChatAnswer(
        id=f"fallback-{request_id}", model=NAME, created_at=int(time.time()), choices=tuple(choices), usage=Usage()
    )


def _message(given: Given, request: ChatRequest) -> Message:
    if isinstance(given, str):
        given = Message(role="assistant", parts=(Text(text=given),))
    if not isinstance(given, Message):
        raise UnfitAnswer(f"a chat is answered by a text or a message, not by {type(given).__name__}")
    _check_form(given.parts, request)
    return given if given.role == "assistant" else Message(role="assistant", parts=given.parts)


def _check_form(parts: Iterable[Part], request: ChatRequest) -> None:
    """Hold a text to the form that was asked for: one in another form would break who reads it."""
    form = request.response_format
    text = "".join(part.text for part in parts if isinstance(part, Text))
    if form is None or form.kind == "text" or not text:
        return
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnfitAnswer("its text is not JSON, which the caller asked for") from error
    problem = None if form.schema is None else check_schema(value, form.schema)
    if problem is not None:
        raise UnfitAnswer(f"it does not fit the caller's schema: {problem}")


def _vectors(given: Given, request: EmbeddingRequest) -> tuple[tuple[float, ...], ...]:
    if not isinstance(given, Iterable) or isinstance(given, str | bytes):
        raise UnfitAnswer(f"embeddings are answered by vectors, not by {type(given).__name__}")
    try:
        vectors = tuple(tuple(map(float, vector)) for vector in given)
    except (TypeError, ValueError) as error:
        raise UnfitAnswer("embeddings are answered by vectors, each a sequence of numbers") from error
    sizes = {len(vector) for vector in vectors}
    if len(vectors) != len(request.inputs):
        raise UnfitAnswer(f"{len(vectors)} vectors for {len(request.inputs)} inputs")
    if len(sizes) != 1 or 0 in sizes or not sizes <= {request.dimensions or max(sizes)}:
        raise UnfitAnswer(
            f"vectors of {sorted(sizes)} numbers, where all are to have {request.dimensions or 'as many'}"
        )
    if not all(map(math.isfinite, (number for vector in vectors for number in vector))):
        raise UnfitAnswer("a vector holds a number that is not finite")
    return vectors


def _count(given: Given) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise UnfitAnswer(f"a count of tokens is answered by a whole number of at least 0, not by {given!r}")
    return given
