"""The head of what is compressed: it says how, how large it was, and whether it is still what was written.

byte 0      0xB7
byte 1      version of the format in the upper half, codec in the lower
bytes 2-5   CRC-32 of everything else, big-endian
1-5 bytes   size of the plain data, seven bits a byte, the lowest first; the upper bit says that more follows
6 bytes     ID of the dictionary; with the codec that has one only
then        what the codec wrote
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple
from zlib import crc32

from narthex.compression.contract import CodecName
from narthex.errors import CorruptFrame

MAGIC: Final = 0xB7
VERSION: Final = 1
MOST_BYTES: Final = (1 << 30) - 1
"""The most that any frame may hold."""
ID_BYTES: Final = 6

_HEAD: Final = struct.Struct(">BBI")
_DICTIONARY: Final = 4
_NUMBERS: Final[Mapping[CodecName, int]] = {"none": 0, "zstd": 1, "gzip": 2, "brotli": 3}
_NAMES: Final[Mapping[int, CodecName]] = {0: "none", 1: "zstd", 2: "gzip", 3: "brotli", _DICTIONARY: "zstd"}
_MOST_DIGITS: Final = 5


class Frame(NamedTuple):
    """What a frame says."""

    codec: CodecName
    dictionary: bytes | None
    """ID of the dictionary."""
    size: int
    """Of the plain data."""
    data: bytes
    """What the codec wrote."""


def framed(frame: Frame) -> bytes:
    """Write a frame.

    Raises:
        ValueError: It holds more than a frame may.
    """
    if frame.size > MOST_BYTES:
        raise ValueError(f"{frame.size} bytes are more than a frame holds ({MOST_BYTES})")
    named = frame.dictionary
    kind = VERSION << 4 | (_NUMBERS[frame.codec] if named is None else _DICTIONARY)
    rest = _digits(frame.size) + (named or b"") + frame.data
    return _HEAD.pack(MAGIC, kind, crc32(rest, kind)) + rest


def unframed(written: bytes, *, max_bytes: int = MOST_BYTES) -> Frame:
    """Read a frame.

    Args:
        written: The frame, whole.
        max_bytes: The most plain data that it may hold; what is not compressed is as large as it is.

    Raises:
        CorruptFrame: It is no frame, is not what was written, or says that it holds more.
    """
    if len(written) <= _HEAD.size:
        raise CorruptFrame
    magic, kind, checksum = _HEAD.unpack_from(written)
    codec = _NAMES.get(kind & 0x0F)
    if magic != MAGIC or kind >> 4 != VERSION or codec is None:
        raise CorruptFrame("this is no frame of a version that is known")
    if crc32(memoryview(written)[_HEAD.size :], kind) != checksum:
        raise CorruptFrame
    size, begin = _size(written)
    if size > max_bytes and codec != "none":
        raise CorruptFrame(f"it says that it holds {size} bytes, and may hold {max_bytes}")
    if kind & 0x0F != _DICTIONARY:
        return Frame(codec, None, size, written[begin:])
    if len(written) < begin + ID_BYTES:
        raise CorruptFrame
    return Frame(codec, written[begin : begin + ID_BYTES], size, written[begin + ID_BYTES :])


def plain_size(written: bytes) -> int:
    """Return how much plain data a frame says that it holds, of which nothing is proved; 0 if it says nothing."""
    try:
        return _size(written)[0]
    except CorruptFrame:
        return 0


def _digits(size: int) -> bytes:
    digits = bytearray()
    while size > 0x7F:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    digits.append(size)
    return bytes(digits)


def _size(written: bytes) -> tuple[int, int]:
    """Return the size of the plain data, and where what follows begins."""
    size = 0
    for place, digit in enumerate(written[_HEAD.size : _HEAD.size + _MOST_DIGITS]):
        size |= (digit & 0x7F) << 7 * place
        if digit <= 0x7F:
            return size, _HEAD.size + place + 1
    raise CorruptFrame
