"""Vectors of texts by the embedder that comes with Narthex, made once."""

from __future__ import annotations

import array
from collections.abc import Iterable
from pathlib import Path

from narthex.providers.embedded.native import NativeOptions, open_native
from narthex.providers.embedded.weights import locate

_AT_ONCE = 32


def minilm() -> Path:
    """Return the embedder's weights; `narthex models install minilm` takes them."""
    for folder in (Path(".setup/models"), Path.home() / ".local/share/narthex/models"):
        path = locate("minilm", folder)
        if path is not None:
            return path
    raise SystemExit("bench.semantic needs the embedder: run `make models`, or `narthex models install minilm`")


def vectors_of(texts: Iterable[str], *, threads: int = 2) -> dict[str, bytes]:
    """Return each text's vector of length one as float32."""
    wanted = list(dict.fromkeys(texts))
    options = NativeOptions(path=minilm(), kind="embeddings", threads=threads, context_tokens=512, parallel=1)
    model = open_native(options)
    found: dict[str, bytes] = {}
    try:
        for start in range(0, len(wanted), _AT_ONCE):
            group = wanted[start : start + _AT_ONCE]
            vectors, _ = model.embed(group)
            found |= {text: array.array("f", vector).tobytes() for text, vector in zip(group, vectors, strict=True)}
    finally:
        model.close()
    return found
