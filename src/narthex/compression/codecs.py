"""The codecs there are. None of them gives back more than it may, whatever it is given."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from typing import Final

import brotli

from narthex.compression.contract import Codec, CodecName
from narthex.compression.zstandard import Zstandard
from narthex.errors import CorruptFrame

LEVELS: Final[Mapping[CodecName, range]] = {
    "zstd": range(1, 20),
    "gzip": range(1, 10),
    "brotli": range(12),
    "none": range(-(10**3), 10**3),
}
"""Levels that a codec has."""
_GZIP_BITS: Final = 31


class Gzip:
    """Gzip: the same bytes for the same data, at any time."""

    def compress(self, data: bytes, level: int) -> bytes:
        """See `Codec`."""
        return gzip.compress(data, level, mtime=0)

    def decompress(self, data: bytes, size: int) -> bytes:
        """See `Codec`."""
        decompressor = zlib.decompressobj(_GZIP_BITS)
        try:
            plain = decompressor.decompress(data, size + 1)
        except zlib.error as error:
            raise CorruptFrame(f"this is not what gzip wrote: {error}") from error
        if not decompressor.eof or decompressor.unused_data or len(plain) != size:
            raise CorruptFrame
        return plain


class Brotli:
    """Brotli."""

    def compress(self, data: bytes, level: int) -> bytes:
        """See `Codec`."""
        return bytes(brotli.compress(data, quality=level))

    def decompress(self, data: bytes, size: int) -> bytes:
        """See `Codec`."""
        decompressor = brotli.Decompressor()
        try:
            # The limit is one at which it stops to go on, a buffer later: 32 KB more at most.
            plain = bytes(decompressor.process(data, output_buffer_limit=size + 1))
            finished = decompressor.is_finished() and decompressor.can_accept_more_data()
        except brotli.error as error:
            raise CorruptFrame(f"this is not what brotli wrote: {error}") from error
        if not finished or len(plain) != size:
            raise CorruptFrame
        return plain


class Plain:
    """Nothing at all: the data as it is."""

    def compress(self, data: bytes, level: int) -> bytes:
        """See `Codec`."""
        del level
        return data

    def decompress(self, data: bytes, size: int) -> bytes:
        """See `Codec`."""
        if len(data) != size:
            raise CorruptFrame
        return data


CODECS: Final[Mapping[CodecName, Codec]] = {"zstd": Zstandard(), "gzip": Gzip(), "brotli": Brotli(), "none": Plain()}
