"""Vectors as bytes: one request's inputs through the engine, group by group."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable

import msgspec

from narthex.errors import ContextTooLong, InvalidRequest, UnsupportedContent
from narthex.providers.embedded.native import NativeModel
from narthex.types.requests import EmbeddingRequest

MAX_INPUTS = 2_048
_GROUP = 16
"""Texts in one call of the engine, which cannot be stopped within it."""


def texts_of(request: EmbeddingRequest, dimensions: int | None) -> list[str]:
    """Return the texts to be embedded.

    Raises:
        InvalidRequest: There are too many, or vectors of another length are asked for.
        UnsupportedContent: They are token IDs.
    """
    if request.dimensions not in (None, dimensions):
        raise InvalidRequest(
            f"dimensions: this model's vectors have {dimensions} numbers; leave `dimensions` out", param="dimensions"
        )
    if len(request.inputs) > MAX_INPUTS:
        raise InvalidRequest(f"input: at most {MAX_INPUTS} texts in one request", param="input")
    texts = [one for one in request.inputs if isinstance(one, str)]
    if len(texts) < len(request.inputs):
        raise UnsupportedContent(
            "input: the embedded model cannot take token IDs, only text; in LangChain, set "
            "`check_embedding_ctx_length=False`",
            param="input",
        )
    if "" in texts:
        raise InvalidRequest("input: an empty text has no embedding; leave it out", param="input")
    return texts


def embedding_body(
    native: NativeModel, texts: list[str], *, model: str, packed: bool, is_unwanted: Callable[[], bool]
) -> bytes:
    """Return the whole answer in OpenAI's form; empty once nobody wants it.

    Args:
        native: Asked for 16 vectors at a time.
        texts: In the order of the answer.
        model: Named in the answer.
        packed: Whether vectors are written as base64 of little-endian 32-bit floats.
        is_unwanted: Asked before each group.

    Raises:
        ContextTooLong: A text does not fit the window; `param` says which.

    Vectors are written one by one: encoding thousands at a time would hold up the interpreter and every stream.
    """
    written: list[bytes] = []
    tokens = 0
    for start in range(0, len(texts), _GROUP):
        if is_unwanted():
            return b""
        vectors, read = _embedded(native, texts, start)
        tokens += read
        written += [_member(start + offset, vector, packed=packed) for offset, vector in enumerate(vectors)]
    tail = msgspec.json.encode({"model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
    return b'{"object":"list","data":[' + b",".join(written) + b"]," + tail[1:]


def _embedded(native: NativeModel, texts: list[str], start: int) -> tuple[list[list[float]], int]:
    group = texts[start : start + _GROUP]
    try:
        return native.embed(group)
    except ContextTooLong as error:
        # The engine does not say which one; asked one by one, it does.
        for offset, text in enumerate(group):
            _demand_fit(native, text, f"input.{start + offset}" if len(texts) > 1 else "input")
        raise error from None


def _demand_fit(native: NativeModel, text: str, where: str) -> None:
    try:
        native.embed([text])
    except ContextTooLong as error:
        raise ContextTooLong(f"{where}: {error.message}", param=where) from error


def _member(index: int, vector: list[float], *, packed: bool) -> bytes:
    value = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if packed else vector
    return msgspec.json.encode({"object": "embedding", "index": index, "embedding": value})
