"""all-MiniLM-L6-v2, from the ONNX file of its package into the GGUF file that the engine reads.

The package holds the weights as 8-bit integers with one scale for each output channel, which is what GGUF's Q8_0
blocks hold with one scale for each 32: they are repacked without loss. The vocabulary, which the package lacks, is
shipped beside this module. The result is the same to the last byte wherever it is made, and is pinned by its digest.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"

_ALIGNMENT = 32
_BLOCK = 32
_WIDTH = 384
_POSITIONS = 512
_LAYERS = 6
_F32, _Q8_0 = 0, 8

_MODEL = "inner."
_LAYER = f"{_MODEL}encoder.layer."
_LINEAR = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
}
_NORMS = {"attention.output.LayerNorm": "attn_output_norm", "output.LayerNorm": "layer_output_norm"}
_CONTROL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROLES = {
    "cls": "[CLS]",
    "bos": "[CLS]",
    "seperator": "[SEP]",  # llama.cpp spells it so
    "eos": "[SEP]",
    "unknown": "[UNK]",
    "padding": "[PAD]",
    "mask": "[MASK]",
}


class NotThisModel(ValueError):
    """The file is not the model that this converts."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A tensor of the ONNX file."""

    shape: list[int]
    raw: bytes

    def floats(self) -> tuple[float, ...]:
        return struct.unpack(f"<{len(self.raw) // 4}f", self.raw)


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor of the GGUF file; its shape counts from the fastest dimension."""

    name: str
    shape: list[int]
    kind: int
    content: bytes


@dataclass(slots=True)
class _Graph:
    """What is needed of the ONNX file."""

    tensors: dict[str, _Stored] = field(default_factory=dict)
    product_of: dict[str, str] = field(default_factory=dict)
    """The product that each weight is multiplied into."""
    bias_of: dict[str, str] = field(default_factory=dict)
    """The bias, without its ending, that is added to each product."""


def convert(onnx: Path, target: BinaryIO) -> None:
    """Write the model of `onnx` to `target`: about half a second, 200 MB of memory.

    Raises:
        NotThisModel: `onnx` is not the file of the package.
        OSError: A file cannot be read or written.
    """
    try:
        graph = _read_graph(onnx.read_bytes())
        tensors = [*_embedding_tensors(graph), *_linear_tensors(graph), *_norm_tensors(graph)]
    except (StopIteration, KeyError, IndexError, ValueError, struct.error) as error:
        raise NotThisModel(f"{onnx.name} is not the all-MiniLM-L6-v2 that is expected: {error!r}") from error
    _write(target, tensors, _metadata(vocabulary()))


def vocabulary() -> list[str]:
    """Return the words and pieces of BERT base uncased, in order.

    Raises:
        NotThisModel: The shipped file has been changed.
    """
    packed = Path(__file__).with_name("vocab.txt.gz").read_bytes()
    text = gzip.decompress(packed)
    if hashlib.sha256(text).hexdigest() != VOCABULARY_SHA256:
        raise NotThisModel("the vocabulary beside this module is damaged; install Narthex again")
    return text.decode().splitlines()


# -- ONNX: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, as protocol buffers ---------------------------------


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field; for a plain integer, start is its value and end is -1."""
    at, end = start, len(data) if end is None else end
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value, -1
            continue
        size, at = (8 if kind == 1 else 4, at) if kind in (1, 5) else _varint(data, at)
        yield key >> 3, at, at + size
        at += size


def _read_graph(data: bytes) -> _Graph:
    graph = _Graph()
    start, end = next((first, last) for number, first, last in _fields(data) if number == 7)
    nodes: list[tuple[str, list[str], list[str]]] = []
    for number, first, last in _fields(data, start, end):
        if number == 5:
            name, stored = _read_tensor(data, first, last)
            graph.tensors[name] = stored
        elif number == 1:
            nodes.append(_read_node(data, first, last))
    for operator, inputs, outputs in nodes:
        if operator == "MatMul" and f"{inputs[1]}_q" in graph.tensors:
            graph.product_of[inputs[1]] = outputs[0]
        elif operator == "Add":
            for bias, product in (inputs, reversed(inputs)):
                if bias.endswith(".bias"):
                    graph.bias_of[product] = bias.removesuffix(".bias")
    return graph


def _packed(data: bytes, start: int, end: int) -> Iterator[int]:
    while start < end:
        value, start = _varint(data, start)
        yield value


def _read_tensor(data: bytes, start: int, end: int) -> tuple[str, _Stored]:
    name, shape, raw = "", [], b""
    for number, first, last in _fields(data, start, end):
        if number == 1 and last < 0:
            shape.append(first)
        elif number == 1:
            shape += _packed(data, first, last)
        elif number == 8:
            name = data[first:last].decode()
        elif number == 9:
            raw = data[first:last]
    return name, _Stored(shape, raw)


def _read_node(data: bytes, start: int, end: int) -> tuple[str, list[str], list[str]]:
    words: dict[int, list[str]] = {1: [], 2: [], 4: []}
    for number, first, last in _fields(data, start, end):
        if number in words:
            words[number].append(data[first:last].decode())
    return words[4][0], words[1], words[2]


# -- from one to the other ---------------------------------------------------------------------------------------------


def _blocks(rows: Iterator[bytes], scales: tuple[float, ...]) -> bytes:
    """Pack rows of 8-bit integers, each with its scale, as Q8_0: a half-precision scale before each 32."""
    packed: list[bytes] = []
    for row, scale in zip(rows, scales, strict=True):
        head = struct.pack("<e", scale)
        for at in range(0, len(row), _BLOCK):
            packed += (head, row[at : at + _BLOCK])
    return b"".join(packed)


def _plain(graph: _Graph, source: str, name: str) -> _Tensor:
    stored = graph.tensors[source]
    return _Tensor(name, stored.shape[::-1], _F32, stored.raw)


def _embedding_tensors(graph: _Graph) -> Iterator[_Tensor]:
    words = graph.tensors[f"{_MODEL}embeddings.word_embeddings.weight_q"]
    count, width = words.shape
    rows = (words.raw[at : at + width] for at in range(0, count * width, width))
    scales = graph.tensors[f"{_MODEL}embeddings.word_embeddings.weight_scale"].floats()
    yield _Tensor("token_embd.weight", [width, count], _Q8_0, _blocks(rows, scales))
    positions = graph.tensors[f"{_MODEL}embeddings.position_embeddings.weight_q"].raw
    scales = graph.tensors[f"{_MODEL}embeddings.position_embeddings.weight_scale"].floats()
    integers = struct.Struct(f"{_WIDTH}b")
    floats = struct.Struct(f"<{_WIDTH}f")
    content = b"".join(
        floats.pack(*(value * scale for value in integers.unpack_from(positions, index * _WIDTH)))
        for index, scale in enumerate(scales)
    )
    yield _Tensor("position_embd.weight", [_WIDTH, _POSITIONS], _F32, content)
    yield _plain(graph, f"{_MODEL}embeddings.token_type_embeddings.weight", "token_types.weight")
    for end in ("weight", "bias"):
        yield _plain(graph, f"{_MODEL}embeddings.LayerNorm.{end}", f"token_embd_norm.{end}")


def _linear_tensors(graph: _Graph) -> Iterator[_Tensor]:
    for weight, product in graph.product_of.items():
        bias = graph.bias_of[product]
        layer, _, part = bias.removeprefix(_LAYER).partition(".")
        stored = graph.tensors[f"{weight}_q"]
        height, width = stored.shape
        columns = (stored.raw[column::width] for column in range(width))
        name = f"blk.{layer}.{_LINEAR[part]}"
        content = _blocks(columns, graph.tensors[f"{weight}_scale"].floats())
        yield _Tensor(f"{name}.weight", [height, width], _Q8_0, content)
        yield _plain(graph, f"{bias}.bias", f"{name}.bias")


def _norm_tensors(graph: _Graph) -> Iterator[_Tensor]:
    for layer in range(_LAYERS):
        for source, name in _NORMS.items():
            for end in ("weight", "bias"):
                yield _plain(graph, f"{_LAYER}{layer}.{source}.{end}", f"blk.{layer}.{name}.{end}")


# -- GGUF: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md ---------------------------------------------------


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _number(key: str, value: int) -> bytes:
    return _string(key) + struct.pack("<II", 4, value)


def _words(key: str, value: str) -> bytes:
    return _string(key) + struct.pack("<I", 8) + _string(value)


def _piece(token: str) -> str:
    """Write a token as the engine wants it: beginnings of words are marked, not their continuations."""
    if token[0] == "[" and token[-1] == "]":
        return token
    return token[2:] if token.startswith("##") else f"\u2581{token}"


def _metadata(tokens: list[str]) -> list[bytes]:
    kinds = [3 if token in _CONTROL else 1 for token in tokens]
    index = {token: number for number, token in enumerate(tokens)}
    return [
        _words("general.architecture", "bert"),
        _words("general.name", "all-MiniLM-L6-v2"),
        _words("general.license", "apache-2.0"),
        _number("general.file_type", 7),
        _number("bert.context_length", _POSITIONS),
        _number("bert.embedding_length", _WIDTH),
        _number("bert.block_count", _LAYERS),
        _number("bert.feed_forward_length", 4 * _WIDTH),
        _number("bert.pooling_type", 1),
        _number("bert.attention.head_count", 12),
        _string("bert.attention.layer_norm_epsilon") + struct.pack("<If", 6, 1e-12),
        _string("bert.attention.causal") + struct.pack("<IB", 7, 0),
        _words("tokenizer.ggml.model", "bert"),
        _words("tokenizer.ggml.pre", "default"),
        _number("tokenizer.ggml.token_type_count", 2),
        _string("tokenizer.ggml.tokens")
        + struct.pack("<IIQ", 9, 8, len(tokens))
        + b"".join(_string(_piece(token)) for token in tokens),
        _string("tokenizer.ggml.token_type")
        + struct.pack("<IIQ", 9, 5, len(tokens))
        + struct.pack(f"<{len(kinds)}i", *kinds),
        *(_number(f"tokenizer.ggml.{role}_token_id", index[token]) for role, token in _ROLES.items()),
    ]


def _write(target: BinaryIO, tensors: list[_Tensor], metadata: list[bytes]) -> None:
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata)), *metadata]
    offset = 0
    for tensor in tensors:
        sides = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        head += (_string(tensor.name), sides, struct.pack("<IQ", tensor.kind, offset))
        offset += len(tensor.content) + -len(tensor.content) % _ALIGNMENT
    written = b"".join(head)
    target.write(written + bytes(-len(written) % _ALIGNMENT))
    for tensor in tensors:
        target.write(tensor.content + bytes(-len(tensor.content) % _ALIGNMENT))
