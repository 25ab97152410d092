"""Embeddings: every form of input and both encodings of vectors."""

from __future__ import annotations

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from narthex.errors import Failure, InvalidRequest, RequestError
from narthex.types.answers import EmbeddingAnswer
from narthex.types.requests import EmbeddingRequest
from narthex.types.usage import Usage
from narthex.wire.contract import MalformedBody, WholeScan
from narthex.wire.openai_embeddings import OPENAI_EMBEDDINGS

floats = st.floats(-4, 4, width=32)
vectors = st.lists(st.lists(floats, min_size=1, max_size=5).map(tuple), min_size=1, max_size=4).map(tuple)


def read(**members: object) -> EmbeddingRequest:
    """Read a request."""
    return OPENAI_EMBEDDINGS.decode_request(json.dumps({"model": "m", **members}).encode())


@pytest.mark.parametrize(
    ("given_input", "inputs"),
    [
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
        (["a", [3]], ("a", (3,))),
    ],
)
def test_reads_every_form_of_input(given_input: object, inputs: tuple[object, ...]) -> None:
    """A text, texts, token IDs and lists of them."""
    assert read(input=given_input).inputs == inputs


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b'{"input":"a"}', "model"),
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":[]}', "input"),
        (b'{"model":"m","input":""}', "input"),
        (b'{"model":"m","input":["a",""]}', "input.1"),
        (b'{"model":"m","input":["a",1]}', "input"),
        (b'{"model":"m","input":[[]]}', "input.0"),
        (b'{"model":"m","input":"a","dimensions":0}', "dimensions"),
        (b'{"model":"m","input":"a","encoding_format":"hex"}', "encoding_format"),
    ],
)
def test_a_bad_request_says_where(body: bytes, param: str | None) -> None:
    """The field is named."""
    with pytest.raises(InvalidRequest) as caught:
        OPENAI_EMBEDDINGS.decode_request(body)
    assert caught.value.param == param


@given(
    st.lists(
        st.text(min_size=1, max_size=5) | st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple), min_size=1
    ),
    st.none() | st.integers(1, 99),
    st.sampled_from([None, "float", "base64"]),
)
def test_a_request_is_written_and_read_back(
    inputs: list[str | tuple[int, ...]], dimensions: int | None, encoding: object
) -> None:
    """Nothing is lost on the way to a provider, members of this dialect's own included."""
    members = {"dimensions": dimensions, "encoding_format": encoding, "user": "u", "input_type": "query", "x": None}
    first = read(input=[one if isinstance(one, str) else list(one) for one in inputs], **members)
    assert first.extra == {"input_type": "query"}
    assert OPENAI_EMBEDDINGS.decode_request(OPENAI_EMBEDDINGS.encode_request(first, model="m").body) == first


@given(vectors, st.sampled_from([None, "float", "base64"]))
def test_vectors_survive_both_encodings(given_vectors: tuple[tuple[float, ...], ...], encoding: str | None) -> None:
    """32-bit floats come back exactly, as numbers and packed, in OpenAI's own shape."""
    request = read(input="a", encoding_format=encoding)
    answer = EmbeddingAnswer(model="m", vectors=given_vectors, usage=Usage(input_tokens=3))
    body = OPENAI_EMBEDDINGS.encode_answer(answer, request)
    if encoding != "base64":
        CreateEmbeddingResponse.model_validate_json(body)
    assert OPENAI_EMBEDDINGS.decode_answer(body) == answer
    assert OPENAI_EMBEDDINGS.scan_answer(body) == WholeScan(model="m", usage=Usage(input_tokens=3))


def test_packed_vectors_are_little_endian() -> None:
    """The bytes are those that OpenAI's SDK unpacks."""
    answer = EmbeddingAnswer(model="m", vectors=((1.0, -2.5),))
    body = json.loads(OPENAI_EMBEDDINGS.encode_answer(answer, read(input="a", encoding_format="base64")))
    assert base64.b64decode(body["data"][0]["embedding"]) == struct.pack("<2f", 1.0, -2.5)
    assert body["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


def test_vectors_are_put_in_order() -> None:
    """The order of the inputs, where the provider numbers them; its own order where it does not."""
    data = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    assert OPENAI_EMBEDDINGS.decode_answer(json.dumps({"data": data}).encode()).vectors == ((1.0,), (2.0,))
    unnumbered = [{"embedding": [2.0]}, {"embedding": [1.0]}]
    assert OPENAI_EMBEDDINGS.decode_answer(json.dumps({"data": unnumbered}).encode()).vectors == ((2.0,), (1.0,))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"data":[]}',
        b'{"data":[{}]}',
        b'{"error":{"message":"x"}}',
        b"<html>",
        b"[" * 10**5,
    ],
)
def test_what_holds_no_vectors_is_malformed(body: bytes) -> None:
    """Read or looked over, nonsense is no answer."""
    with pytest.raises(MalformedBody):
        OPENAI_EMBEDDINGS.decode_answer(body)
    with pytest.raises(MalformedBody):
        OPENAI_EMBEDDINGS.scan_answer(body)


@pytest.mark.parametrize("packed", ["???", "AAA=", "é"])
def test_a_badly_packed_vector_is_malformed(packed: str) -> None:
    """Not base64, or not a row of floats."""
    with pytest.raises(MalformedBody):
        OPENAI_EMBEDDINGS.decode_answer(json.dumps({"data": [{"embedding": packed}]}).encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(body: bytes) -> None:
    """Nothing but the documented errors comes of nonsense."""
    with pytest.raises(RequestError):
        OPENAI_EMBEDDINGS.decode_request(body)
    with pytest.raises(MalformedBody):
        OPENAI_EMBEDDINGS.decode_answer(body)


def test_errors_are_those_of_openai() -> None:
    """One shape for all of OpenAI's routes."""
    assert b'"code":"invalid_request"' in OPENAI_EMBEDDINGS.encode_error(InvalidRequest("x"), "r")
    error = OPENAI_EMBEDDINGS.decode_error(b"", status=429, provider="up", retry_after_s=None)
    assert error.failure is Failure.RATE_LIMITED
