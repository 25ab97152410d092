"""The content codings of HTTP, whole and piece by piece.

Zstandard stays below the window that every client must have: https://www.rfc-editor.org/rfc/rfc9659
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol

import brotli

from narthex.compression.codecs import CODECS
from narthex.compression.contract import CodecName
from narthex.compression.zstandard import ZstandardStream

Coding = Literal["zstd", "br", "gzip"]

_CODECS: Final[Mapping[str, CodecName]] = {"zstd": "zstd", "br": "brotli", "gzip": "gzip"}
_LEVELS: Final[Mapping[str, tuple[int, int]]] = {"zstd": (1, 3), "br": (1, 4), "gzip": (1, 6)}
"""Where every microsecond counts, and where the bytes do."""
_GZIP_BITS: Final = 31


def encode(data: bytes, coding: str, *, hasty: bool = False) -> bytes:
    """Return a body in a coding; callable in any thread.

    Args:
        data: The body.
        coding: One of `Coding`.
        hasty: Whether it is to cost next to nothing, at the price of a tenth more bytes.
    """
    return CODECS[_CODECS[coding]].compress(data, _LEVELS[coding][0 if hasty else 1])


class Encoder(Protocol):
    """Writes one body, piece by piece."""

    def piece(self, data: bytes) -> bytes:
        """Return what can be sent by now; perhaps nothing."""
        ...

    def end(self) -> bytes:
        """Return what is left."""
        ...


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(_LEVELS["gzip"][1], zlib.DEFLATED, _GZIP_BITS)

    def piece(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def end(self) -> bytes:
        return self._stream.flush()


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Compressor(quality=_LEVELS["br"][1])

    def piece(self, data: bytes) -> bytes:
        return bytes(self._stream.process(data))

    def end(self) -> bytes:
        return bytes(self._stream.finish())


_ENCODERS: Final[Mapping[str, Callable[[], Encoder]]] = {
    "zstd": lambda: ZstandardStream(_LEVELS["zstd"][1]),
    "br": _Brotli,
    "gzip": _Gzip,
}


def encoder(coding: str) -> Encoder:
    """Return what writes one body in a coding."""
    return _ENCODERS[coding]()
