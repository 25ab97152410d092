"""Zstandard, from the standard library where that has it, with dictionaries.

https://docs.python.org/3.14/library/compression.zstd.html
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final

from narthex.errors import CorruptFrame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEAST_WINDOW_LOG: Final = 23
"""Of what level 19 writes; a frame that asks for a larger window than its data needs is refused."""
_MOST_WINDOW_LOG: Final = 31


class Zstandard:
    """Zstandard, with a dictionary or without.

    Compressors are kept for each level: a new one costs as much as compressing a short answer does.
    """

    def __init__(self, dictionary: bytes | None = None) -> None:
        """Take a dictionary.

        Raises:
            CorruptFrame: It is none.
        """
        try:
            self._dictionary = None if dictionary is None else zstd.ZstdDict(dictionary)
        except (zstd.ZstdError, ValueError) as error:
            raise CorruptFrame(f"this is no dictionary: {error}") from error
        self._compressors: dict[int, zstd.ZstdCompressor] = {}

    def compress(self, data: bytes, level: int) -> bytes:
        """See `Codec`."""
        compressor = self._compressors.get(level)
        if compressor is None:
            compressor = zstd.ZstdCompressor(options=_options(level), zstd_dict=self._dictionary)
            self._compressors[level] = compressor
        # One call from begin to end: other threads may use the same compressor in between, and not within.
        return compressor.compress(data, zstd.ZstdCompressor.FLUSH_FRAME)

    def decompress(self, data: bytes, size: int) -> bytes:
        """See `Codec`."""
        window_log = min(max(_LEAST_WINDOW_LOG, size.bit_length()), _MOST_WINDOW_LOG)
        options: Mapping[int, int] = {zstd.DecompressionParameter.window_log_max: window_log}
        decompressor = zstd.ZstdDecompressor(zstd_dict=self._dictionary, options=options)
        try:
            plain = decompressor.decompress(data, size + 1)
        except zstd.ZstdError as error:
            raise CorruptFrame(f"this is not what zstd wrote: {error}") from error
        if not decompressor.eof or decompressor.unused_data or len(plain) != size:
            raise CorruptFrame
        return plain


class ZstandardStream:
    """Writes one frame, piece by piece."""

    def __init__(self, level: int, *, window_log: int | None = None) -> None:
        """Begin a frame; with a window of 2 to the power of `window_log` bytes, or what the level has."""
        options: dict[int, int] = {zstd.CompressionParameter.compression_level: level}
        if window_log is not None:
            options[zstd.CompressionParameter.window_log] = window_log
        self._compressor = zstd.ZstdCompressor(options=options)

    def piece(self, data: bytes) -> bytes:
        """Return what can be sent by now; perhaps nothing."""
        return self._compressor.compress(data)

    def sent(self, data: bytes) -> bytes:
        """Return all of it, so that its reader has it at once."""
        return self._compressor.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK)

    def end(self) -> bytes:
        """Return what is left."""
        return self._compressor.flush()


def train(samples: Sequence[bytes], size: int, level: int) -> bytes:
    """Return a dictionary of at most `size` bytes, made for data such as the samples; takes a while.

    Raises:
        ValueError: The samples are too few or too much alike.
    """
    try:
        made = zstd.train_dict(samples, size)
        return zstd.finalize_dict(made, samples, size, level).dict_content
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from error


def _options(level: int) -> Mapping[int, int]:
    # The frame around it says which dictionary it was, and is checked itself.
    return {
        zstd.CompressionParameter.compression_level: level,
        zstd.CompressionParameter.dict_id_flag: 0,
        zstd.CompressionParameter.checksum_flag: 0,
    }
