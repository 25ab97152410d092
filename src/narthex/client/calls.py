"""What a client asks, as requests; what is answered, as values. No I/O: both clients stand on this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar, Unpack

import msgspec

from narthex.client.failures import read_error
from narthex.client.http1 import Head, HttpRequest
from narthex.client.routes import Route, RouteOptions
from narthex.client.values import ChatOptions, GenerateOptions, Generation, Liveness, Messages, Model, Status
from narthex.errors import BrokenAnswer
from narthex.types.answers import ChatAnswer, EmbeddingAnswer
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest, EmbeddingRequest
from narthex.wire.contract import MalformedBody
from narthex.wire.openai_chat import OPENAI_CHAT
from narthex.wire.openai_embeddings import OPENAI_EMBEDDINGS

T = TypeVar("T")

Read = Callable[[Head, bytes], T]
"""Makes a value of a whole answer with a good status."""

HEALTH: Final = HttpRequest(method="GET", path="/health")
STATUS: Final = HttpRequest(method="GET", path="/api/system/status")
MODELS: Final = HttpRequest(method="GET", path="/api/models")


def check(head: Head, body: bytes) -> None:
    """Raise what an error answer tells.

    Raises:
        NarthexError: The status is not that of a success.
    """
    if not 200 <= head.status < 300:
        raise read_error(head, body)


def generate_request(prompt: str, *, stream: bool, **options: Unpack[GenerateOptions]) -> HttpRequest:
    """Ask for an answer to a prompt."""
    body: dict[str, object] = {"prompt": prompt, "stream": stream}
    body |= {name: value for name, value in options.items() if value is not None}
    return HttpRequest(method="POST", path="/api/generate", body=msgspec.json.encode(body))


def chat_request(messages: Messages, *, model: str | None, stream: bool, **options: Unpack[ChatOptions]) -> HttpRequest:
    """Ask for the next message of a conversation.

    Raises:
        UnsupportedContent: The messages hold what the wire cannot carry.
    """
    request = ChatRequest(
        model=model or "", messages=_messages(messages), stream=stream, include_usage=stream, **options
    )
    encoded = OPENAI_CHAT.encode_request(request, model=model or "")
    return HttpRequest(method="POST", path="/v1/chat/completions", body=encoded.body)


def _messages(messages: Messages) -> tuple[Message, ...]:
    match messages:
        case str():
            return (Message(role="user", parts=(Text(text=messages),)),)
        case Message():
            return (messages,)
        case _:
            return tuple(messages)


def embed_request(inputs: str | Sequence[str], *, model: str | None, dimensions: int | None) -> HttpRequest:
    """Ask for vectors."""
    texts = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    request = EmbeddingRequest(model=model or "", inputs=texts, dimensions=dimensions, encoding_format="float")
    encoded = OPENAI_EMBEDDINGS.encode_request(request, model=model or "")
    return HttpRequest(method="POST", path="/v1/embeddings", body=encoded.body)


def route_request(model: str | None, **options: Unpack[RouteOptions]) -> HttpRequest:
    """Ask where a call would go."""
    body = {name: value for name, value in {"model": model, **options}.items() if value is not None}
    return HttpRequest(method="POST", path="/api/route", body=msgspec.json.encode(body))


def broken(what: str, error: Exception, head: Head) -> BrokenAnswer:
    """Make the error of an answer that cannot be read."""
    problem = BrokenAnswer(f"{what} cannot be read: {error}")
    problem.request_id = head.headers.get("x-request-id")
    return problem


def reader(kind: type[T], what: str) -> Read[T]:
    """Return what reads an answer as a value; `what` names it in the error where that fails."""
    decode = msgspec.json.Decoder(kind).decode

    def read(head: Head, body: bytes) -> T:
        try:
            return decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise broken(what, error, head) from error

    return read


class _ModelList(msgspec.Struct):
    data: tuple[Model, ...]


read_generation: Final = reader(Generation, "the generation")
read_route: Final = reader(Route, "the route")
read_status: Final = reader(Status, "the status")
read_health: Final = reader(Liveness, "the health")
_read_models: Final = reader(_ModelList, "the list of models")


def read_models(head: Head, body: bytes) -> tuple[Model, ...]:
    """Return the models of a list."""
    return _read_models(head, body).data


def read_vectors(head: Head, body: bytes) -> EmbeddingAnswer:
    """Return vectors in the order of their inputs."""
    try:
        return OPENAI_EMBEDDINGS.decode_answer(body)
    except MalformedBody as error:
        raise broken("the vectors", error, head) from error


def read_chat(head: Head, body: bytes) -> ChatAnswer:
    """Return a whole chat answer."""
    try:
        return OPENAI_CHAT.decode_answer(body)
    except MalformedBody as error:
        raise broken("the chat answer", error, head) from error
