"""What a model file says of itself: the head of a GGUF file.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_FORMATS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MAX_ENTRIES = 100_000
_MAX_TEXT = 1 << 20
_EMBEDDERS = ("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert")


class NotGguf(ValueError):
    """The file is not a whole GGUF file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the head tells."""

    architecture: str
    name: str | None
    context_tokens: int | None
    """The longest context that the model was trained for."""
    embedding_length: int | None
    pools: bool
    """Whether it makes one vector of a text: an embedder."""
    has_chat_template: bool

    @property
    def is_embedder(self) -> bool:
        """Whether the model makes vectors and no text."""
        return not self.has_chat_template and (self.pools or self.architecture in _EMBEDDERS)


def read_header(path: Path) -> Header:
    """Read the head of a model file; long lists, such as the vocabulary, are passed over.

    Raises:
        NotGguf: It is not a GGUF file, is cut, or is of a version that nobody writes any more.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise NotGguf("it does not begin as a GGUF file does")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _Reader(data).header()
            except (struct.error, IndexError, OverflowError, KeyError) as error:
                raise NotGguf("its head is cut or damaged") from error


class _Reader:
    """Walks through the head."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4

    def header(self) -> Header:
        version, tensors, entries = self._take("<I"), self._take("<Q"), self._take("<Q")
        if version not in _VERSIONS:
            raise NotGguf(f"it is of GGUF version {version}; versions 2 and 3 can be read")
        if int(entries) > _MAX_ENTRIES or int(tensors) > _MAX_ENTRIES:
            raise NotGguf("its head is damaged")
        values: dict[str, object] = {}
        for _ in range(int(entries)):
            key = self._string()
            values[key] = self._value(int(self._take("<I")))
        self._check_tensors(int(tensors))
        return _header(values)

    def _take(self, form: str) -> float:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return value  # type: ignore[no-any-return]  # struct cannot say what a format yields

    def _string(self) -> str:
        length = int(self._take("<Q"))
        self._demand(length)
        text = self._data[self._at : self._at + min(length, _MAX_TEXT)]
        self._at += length
        return text.decode("utf-8", "replace")

    def _value(self, kind: int) -> object:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            self._pass_array()
            return None
        return self._take(_FORMATS[kind])

    def _pass_array(self) -> None:
        kind, length = int(self._take("<I")), int(self._take("<Q"))
        if kind == _STRING:
            size = struct.Struct("<Q").unpack_from
            for _ in range(length):
                self._at += 8 + size(self._data, self._at)[0]
        else:
            self._at += _SIZES[kind] * length
        self._demand(0)

    def _check_tensors(self, count: int) -> None:
        """Make sure that the last tensor begins inside the file: most cuts show here."""
        furthest = 0
        for _ in range(count):
            self._string()
            dimensions = int(self._take("<I"))
            self._at += 8 * dimensions
            self._take("<I")
            furthest = max(furthest, int(self._take("<Q")))
        self._demand(furthest)

    def _demand(self, more: int) -> None:
        if self._at + more > len(self._data):
            raise NotGguf("it is cut: it ends before its contents do")


def _header(values: dict[str, object]) -> Header:
    architecture = _text(values.get("general.architecture")) or "unknown"
    return Header(
        architecture=architecture,
        name=_text(values.get("general.name")),
        context_tokens=_whole(values.get(f"{architecture}.context_length")),
        embedding_length=_whole(values.get(f"{architecture}.embedding_length")),
        pools=bool(_whole(values.get(f"{architecture}.pooling_type"))),
        has_chat_template="tokenizer.chat_template" in values,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int) else None
