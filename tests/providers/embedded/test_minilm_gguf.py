"""The embedder's weights in the form the engine reads."""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path

import pytest

from narthex.providers.embedded import minilm_gguf
from narthex.providers.embedded.gguf import read_header
from narthex.providers.embedded.minilm_gguf import NotThisModel, convert, vocabulary

WIDTH, WORDS = 384, 64


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _tensor(name: str, shape: list[int], raw: bytes) -> bytes:
    sides = b"".join(_varint(1 << 3) + _varint(side) for side in shape)
    return _field(5, sides + _field(8, name.encode()) + _field(9, raw))


def _node(operator: str, inputs: list[str], output: str) -> bytes:
    return _field(
        1,
        b"".join(_field(1, one.encode()) for one in inputs) + _field(2, output.encode()) + _field(4, operator.encode()),
    )


def _quantised(name: str, rows: int, width: int, scales: int) -> list[bytes]:
    ones = struct.pack(f"<{scales}f", *[0.5] * scales)
    return [_tensor(f"{name}_q", [rows, width], bytes([1]) * (rows * width)), _tensor(f"{name}_scale", [scales], ones)]


def _floats(name: str, count: int) -> bytes:
    return _tensor(name, [count], struct.pack(f"<{count}f", *[0.25] * count))


def _onnx() -> bytes:
    """Write a model of the package's form with one linear part and all its norms."""
    base = "inner.embeddings"
    parts = _quantised(f"{base}.word_embeddings.weight", WORDS, WIDTH, WORDS)
    parts += _quantised(f"{base}.position_embeddings.weight", 512, WIDTH, 512)
    parts.append(_floats(f"{base}.token_type_embeddings.weight", WIDTH))
    parts += [_floats(f"{base}.LayerNorm.{end}", WIDTH) for end in ("weight", "bias")]
    for layer in range(6):
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            parts += [_floats(f"inner.encoder.layer.{layer}.{norm}.{end}", WIDTH) for end in ("weight", "bias")]
    parts += _quantised("onnx::MatMul_1", WIDTH, WIDTH, WIDTH)
    bias = "inner.encoder.layer.0.attention.self.query.bias"
    parts.append(_floats(bias, WIDTH))
    parts += [_node("MatMul", ["hidden", "onnx::MatMul_1"], "product"), _node("Add", ["product", bias], "sum")]
    return _field(2, b"maker") + _field(7, b"".join(parts))


def test_the_vocabulary_is_the_one_it_was_trained_with() -> None:
    """All of BERT's words, in order, as their digest proves."""
    words = vocabulary()
    assert len(words) == 30_522
    assert words[100:104] == ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_writes_a_file_that_the_reader_reads(tmp_path: Path) -> None:
    """Every tensor is there, in the engine's names, and the head tells an embedder."""
    source, target = tmp_path / "model.onnx", tmp_path / "model.gguf"
    source.write_bytes(_onnx())
    with target.open("wb") as file:
        convert(source, file)
    header = read_header(target)
    assert header.is_embedder
    assert (header.name, header.context_tokens, header.embedding_length) == ("all-MiniLM-L6-v2", 512, 384)
    content = target.read_bytes()
    for name in (
        b"token_embd.weight",
        b"position_embd.weight",
        b"blk.0.attn_q.weight",
        b"blk.5.layer_output_norm.bias",
    ):
        assert name in content
    # A block of the quantised weights: the scale 0.5 in half precision, then 32 ones.
    assert struct.pack("<e", 0.5) + bytes([1]) * 32 in content


def test_is_the_same_every_time(tmp_path: Path) -> None:
    """Two conversions agree to the last byte, so that the result can be pinned."""
    source = tmp_path / "model.onnx"
    source.write_bytes(_onnx())
    digests: set[str] = set()
    for _ in range(2):
        target = io.BytesIO()
        convert(source, target)
        digests.add(hashlib.sha256(target.getvalue()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("content", [b"nothing like it", b"", _field(7, b""), _onnx()[:5_000]])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is not the package's model is told apart, not converted into nonsense."""
    source = tmp_path / "model.onnx"
    source.write_bytes(content)
    with pytest.raises(NotThisModel, match=r"model\.onnx"):
        convert(source, io.BytesIO())


def test_a_changed_vocabulary_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words decide what every vector means: they are checked."""
    monkeypatch.setattr(minilm_gguf, "VOCABULARY_SHA256", "0" * 64)
    with pytest.raises(NotThisModel, match="vocabulary"):
        vocabulary()
