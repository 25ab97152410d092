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
_EVENTS_WINDOW_LOG: Final = 15


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

    def sent(self, data: bytes) -> bytes:
        """Return all of it, so that its reader has it at once."""
        ...

    def end(self) -> bytes:
        """Return what is left."""
        ...


class _Gzip:
    def __init__(self, *, hasty: bool) -> None:
        # What goes out over minutes has a small window, of which there are many at once: 32 KB in place of 256.
        bits, memory = (28, 5) if hasty else (_GZIP_BITS, zlib.DEF_MEM_LEVEL)
        self._stream = zlib.compressobj(_level("gzip", hasty), zlib.DEFLATED, bits, memory)

    def piece(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def sent(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._stream.flush()


class _Brotli:
    def __init__(self, *, hasty: bool) -> None:
        # Below quality 3 what was written before is of little use to what comes after.
        self._stream = brotli.Compressor(quality=3, lgwin=16) if hasty else brotli.Compressor(quality=4)

    def piece(self, data: bytes) -> bytes:
        return bytes(self._stream.process(data))

    def sent(self, data: bytes) -> bytes:
        return bytes(self._stream.process(data) + self._stream.flush())

    def end(self) -> bytes:
        return bytes(self._stream.finish())


def _zstandard(*, hasty: bool) -> Encoder:
    return ZstandardStream(_level("zstd", hasty), window_log=_EVENTS_WINDOW_LOG if hasty else None)


_ENCODERS: Final[Mapping[str, Callable[..., Encoder]]] = {"zstd": _zstandard, "br": _Brotli, "gzip": _Gzip}


def encoder(coding: str, *, hasty: bool = False) -> Encoder:
    """Return what writes one body in a coding.

    Args:
        coding: One of `Coding`.
        hasty: Whether it writes events as they come, in little time and memory.
    """
    return _ENCODERS[coding](hasty=hasty)


def _level(coding: str, hasty: bool) -> int:
    return _LEVELS[coding][0 if hasty else 1]
