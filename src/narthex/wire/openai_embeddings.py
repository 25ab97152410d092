"""OpenAI embeddings, both ways.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from typing import Annotated, Literal

import msgspec

from narthex.errors import InvalidRequest, NarthexError, ProviderError
from narthex.types.answers import EmbeddingAnswer
from narthex.types.dialects import Dialect
from narthex.types.requests import EmbeddingRequest
from narthex.wire.contract import Encoded, MalformedBody, WholeScan
from narthex.wire.openai_chat.chunks import UNREADABLE, RawMember, UsageBody, usage_of
from narthex.wire.openai_chat.errors import decode_error, encode_error
from narthex.wire.openai_chat.request_decoding import invalid_body

_FLOAT_BYTES = 4


class _Request(msgspec.Struct):
    model: str
    input: str | list[str | int | list[int]]
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]
    model: str | None = None
    usage: UsageBody | None = None


class _ScannedVector(msgspec.Struct, gc=False):
    embedding: RawMember = msgspec.UNSET


class _Scanned(msgspec.Struct):
    data: list[_ScannedVector]
    model: str | None = None
    usage: UsageBody | None = None


_requests = msgspec.json.Decoder(_Request)
_answers = msgspec.json.Decoder(_Answer)
_scanned = msgspec.json.Decoder(_Scanned)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class OpenAIEmbeddingsWire:
    """The dialect as one object."""

    dialect = Dialect.OPENAI_EMBEDDINGS

    def decode_request(self, body: bytes) -> EmbeddingRequest:
        """Read a client's request.

        Raises:
            InvalidRequest: Not JSON, or not this dialect; `param` names the field.
        """
        try:
            given = _requests.decode(body)
            members = _members.decode(body)
        except UNREADABLE as error:
            raise invalid_body(error) from error
        return EmbeddingRequest(
            model=given.model,
            inputs=_inputs(given.input),
            dimensions=given.dimensions,
            encoding_format=given.encoding_format,
            user=given.user,
            extra={
                name: msgspec.json.decode(raw)
                for name, raw in members.items()
                if name not in _Request.__struct_fields__ and raw != msgspec.Raw(b"null")
            },
        )

    def encode_request(self, request: EmbeddingRequest, *, model: str) -> Encoded:
        """Write a request for a provider that knows the model as `model`."""
        inputs = [one if isinstance(one, str) else list(one) for one in request.inputs]
        body: dict[str, object] = {"model": model, "input": inputs}
        for name in ("dimensions", "encoding_format", "user"):
            value = getattr(request, name)
            if value is not None:
                body[name] = value
        return Encoded(body=msgspec.json.encode(body | request.extra))

    def decode_answer(self, body: bytes) -> EmbeddingAnswer:
        """Read a provider's answer.

        Raises:
            MalformedBody: Not an answer of this dialect.
        """
        try:
            given = _answers.decode(body)
        except UNREADABLE as error:
            raise MalformedBody(f"not an answer with embeddings: {error}") from error
        if not given.data:
            raise MalformedBody("an answer without embeddings")
        return EmbeddingAnswer(
            model=given.model or "",
            vectors=tuple(_floats(vector.embedding) for vector in _in_order(given.data)),
            usage=None if given.usage is None else usage_of(given.usage),
        )

    def encode_answer(self, answer: EmbeddingAnswer, request: EmbeddingRequest) -> bytes:
        """Write an answer for a client, in the encoding that its request asked for."""
        packed = request.encoding_format == "base64"
        input_tokens = answer.usage.input_tokens if answer.usage is not None else 0
        return msgspec.json.encode(
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
                    for index, vector in enumerate(answer.vectors)
                ],
                "model": answer.model,
                "usage": {"prompt_tokens": input_tokens, "total_tokens": input_tokens},
            }
        )

    def scan_answer(self, body: bytes) -> WholeScan:
        """Look an answer over that passes through unchanged.

        Raises:
            MalformedBody: Not an answer of this dialect.
        """
        try:
            scanned = _scanned.decode(body)
        except UNREADABLE as error:
            raise MalformedBody(f"not an answer with embeddings: {error}") from error
        if not scanned.data or any(vector.embedding is msgspec.UNSET for vector in scanned.data):
            raise MalformedBody("an answer without embeddings")
        return WholeScan(model=scanned.model, usage=None if scanned.usage is None else usage_of(scanned.usage))

    def encode_error(self, error: NarthexError, request_id: str) -> bytes:
        """Write an error body for a client."""
        return encode_error(error, request_id)

    def decode_error(self, body: bytes, *, status: int, provider: str, retry_after_s: float | None) -> ProviderError:
        """Read a provider's error answer, classified by its code first and its status second."""
        return decode_error(body, status=status, provider=provider, retry_after_s=retry_after_s)


OPENAI_EMBEDDINGS = OpenAIEmbeddingsWire()


def _inputs(given: str | list[str | int | list[int]]) -> tuple[str | tuple[int, ...], ...]:
    """Read what is to be embedded: a text, texts, the token IDs of one text, or those of several."""
    if isinstance(given, str):
        return (_input(given, "input"),)
    if not given:
        raise InvalidRequest("input: at least one text is required", param="input")
    tokens = tuple(one for one in given if isinstance(one, int))
    if not tokens:
        return tuple(_input(one, f"input.{index}") for index, one in enumerate(given) if not isinstance(one, int))
    if len(tokens) < len(given):
        raise InvalidRequest("input: token IDs and texts cannot be mixed in one list", param="input")
    return (tokens,)


def _input(given: str | list[int], where: str) -> str | tuple[int, ...]:
    if not given:
        raise InvalidRequest(f"{where}: an empty text has no embedding; leave it out", param=where)
    return given if isinstance(given, str) else tuple(given)


def _in_order(data: list[_Vector]) -> list[_Vector]:
    """Put vectors in the order of the inputs, where the provider numbers them as it should."""
    if {vector.index for vector in data} != set(range(len(data))):
        return data
    return sorted(data, key=lambda vector: vector.index or 0)


def _floats(given: list[float] | str) -> tuple[float, ...]:
    if not isinstance(given, str):
        return tuple(given)
    try:
        packed = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedBody(f"an embedding is not base64: {error}") from error
    if len(packed) % _FLOAT_BYTES:
        raise MalformedBody("an embedding in base64 is not a row of 32-bit floats")
    return tuple(_little_endian(array("f", packed)))


def _packed(vector: tuple[float, ...]) -> str:
    return base64.b64encode(_little_endian(array("f", vector)).tobytes()).decode()


def _little_endian(floats: array[float]) -> array[float]:
    if sys.byteorder == "big":
        floats.byteswap()
    return floats
