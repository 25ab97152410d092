"""Vectors as bytes."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence

import pytest

from narthex.errors import ContextTooLong, InvalidRequest, UnsupportedContent
from narthex.providers.embedded.embeddings import MAX_INPUTS, embedding_body, texts_of
from narthex.types.requests import EmbeddingRequest
from narthex.wire.openai_embeddings import OPENAI_EMBEDDINGS
from tests.providers.embedded.doubles import FakeModel


def _body(model: FakeModel, texts: list[str], *, packed: bool = False) -> bytes:
    return embedding_body(model, texts, model="minilm", packed=packed, is_unwanted=lambda: False)


def test_vectors_come_in_order_with_their_usage() -> None:
    """More texts than fit one call of the engine come back in the order they were sent."""
    texts = ["x" * length for length in range(1, 41)]
    model = FakeModel()
    answer = OPENAI_EMBEDDINGS.decode_answer(_body(model, texts))
    assert [vector[0] for vector in answer.vectors] == [float(length) for length in range(1, 41)]
    assert answer.usage is not None
    assert answer.usage.input_tokens == sum(range(1, 41))
    assert answer.model == "minilm"
    assert [len(group) for group in model.embedded] == [16, 16, 8]


def test_vectors_may_be_packed() -> None:
    """Base64 of little-endian 32-bit floats, as OpenAI's clients ask for by default."""
    document = json.loads(_body(FakeModel(), ["abc"], packed=True))
    assert base64.b64decode(document["data"][0]["embedding"]) == struct.pack("<2f", 3.0, 0.5)


def test_a_text_that_is_too_long_is_named() -> None:
    """Among many, `param` says which."""

    def refuse(texts: Sequence[str]) -> Exception | None:
        return ContextTooLong("too long") if any(len(text) > 5 for text in texts) else None

    for texts, where in ((["a", "b", "too long"], "input.2"), (["too long"], "input")):
        with pytest.raises(ContextTooLong) as caught:
            _body(FakeModel(embed_error=refuse), texts)
        assert caught.value.param == where


def test_an_odd_refusal_stays_one() -> None:
    """A refusal of a group that no single text explains is passed on."""
    model = FakeModel(embed_error=lambda texts: ContextTooLong("together") if len(texts) > 1 else None)
    with pytest.raises(ContextTooLong, match="together"):
        _body(model, ["a", "b"])


def test_nobody_waits_for_the_rest() -> None:
    """Once the caller has left, no further group is asked for."""
    model = FakeModel()
    answers = iter([False, True])
    body = embedding_body(model, ["x"] * 40, model="m", packed=False, is_unwanted=lambda: next(answers))
    assert body == b""
    assert len(model.embedded) == 1


@pytest.mark.parametrize(
    ("request_", "error", "param"),
    [
        (EmbeddingRequest(model="m", inputs=("a",), dimensions=5), InvalidRequest, "dimensions"),
        (EmbeddingRequest(model="m", inputs=("a",) * (MAX_INPUTS + 1)), InvalidRequest, "input"),
        (EmbeddingRequest(model="m", inputs=("a", (1, 2))), UnsupportedContent, "input"),
        (EmbeddingRequest(model="m", inputs=("a", "")), InvalidRequest, "input"),
    ],
)
def test_what_cannot_be_embedded_is_refused(request_: EmbeddingRequest, error: type[Exception], param: str) -> None:
    """Each refusal names the field."""
    with pytest.raises(error) as caught:
        texts_of(request_, 384)
    assert getattr(caught.value, "param", None) == param


def test_asking_for_the_length_there_is_is_fine() -> None:
    """`dimensions` may name the model's own."""
    assert texts_of(EmbeddingRequest(model="m", inputs=("a", "b"), dimensions=384), 384) == ["a", "b"]
