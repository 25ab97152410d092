"""Estimates for what is not text; each follows what a provider documents, none is exact."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable

from narthex.types.messages import Audio, File, Image

_UNKNOWN_SIZE = (1024, 1024)
_HEAD_CHARACTERS = 65_536
_LOW_DETAIL_TOKENS = 85
_TILE_TOKENS = 170
_TILE = 512
_LONG_SIDE = 2048
_SHORT_SIDE = 768

_AUDIO_TOKENS_PER_S = 10
_AUDIO_BYTES_PER_S = {"wav": 48_000, "pcm16": 48_000, "mp3": 16_000, "flac": 40_000, "opus": 6_000, "ogg": 12_000}
_AUDIO_BYTES_PER_S_OTHERWISE = 16_000

_PAGE_BYTES = 50_000
_PAGE_TOKENS = 2_000
_UNKNOWN_FILE_TOKENS = 2_000
_BYTES_PER_TOKEN = 4


def image_tokens(image: Image) -> int:
    """Estimate an image: 85 tokens, and 170 for each tile of 512 pixels unless `detail` is low.

    https://platform.openai.com/docs/guides/images-vision#calculating-costs; an image that cannot be looked at, being
    at an address, counts as 1024 by 1024.
    """
    if image.detail == "low":
        return _LOW_DETAIL_TOKENS
    width, height = image_size(image.data) if image.data else _UNKNOWN_SIZE
    shrink = min(1.0, _LONG_SIDE / max(width, height))
    shrink *= min(1.0, _SHORT_SIDE / (min(width, height) * shrink))
    tiles = _tiles(width * shrink) * _tiles(height * shrink)
    return _LOW_DETAIL_TOKENS + _TILE_TOKENS * tiles


def audio_tokens(audio: Audio) -> int:
    """Estimate a sound: a token for each tenth of a second, its length taken from the usual rate of its format."""
    rate = _AUDIO_BYTES_PER_S.get(audio.format, _AUDIO_BYTES_PER_S_OTHERWISE)
    return max(1, _decoded_bytes(audio.data) * _AUDIO_TOKENS_PER_S // rate)


def file_tokens(file: File) -> int:
    """Estimate a document by content: 2,000 tokens a page for PDF, a token for each four bytes otherwise."""
    if file.data is None:
        return _UNKNOWN_FILE_TOKENS
    size = _decoded_bytes(file.data)
    if file.media_type is None or file.media_type.startswith("text/"):
        return max(1, size // _BYTES_PER_TOKEN)
    return _PAGE_TOKENS * max(1, size // _PAGE_BYTES)


def image_size(data: str) -> tuple[int, int]:
    """Return width and height in pixels as the head of a PNG, GIF, JPEG or WebP tells, otherwise 1024 by 1024."""
    try:
        head = base64.b64decode(data[:_HEAD_CHARACTERS])
    except (binascii.Error, ValueError):
        return _UNKNOWN_SIZE
    for mark, read in _READERS:
        if head.startswith(mark):
            try:
                width, height = read(head)
            except (struct.error, IndexError):
                break
            return (width, height) if width > 0 and height > 0 else _UNKNOWN_SIZE
    return _UNKNOWN_SIZE


def _tiles(side: float) -> int:
    return max(1, -int(-side // _TILE))


def _decoded_bytes(data: str) -> int:
    return len(data) * 3 // 4


def _png(head: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def _gif(head: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", head, 6)
    return width, height


def _jpeg(head: bytes) -> tuple[int, int]:
    """Walk the segments to the frame header: any of C0 to CF but C4 (tables), C8 (reserved) and CC (arithmetic)."""
    at = 2
    while True:
        mark, kind, length = struct.unpack_from(">BBH", head, at)
        if mark != 0xFF:
            return 0, 0
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        at += 2 + length


def _webp(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


_READERS: tuple[tuple[bytes, Callable[[bytes], tuple[int, int]]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF8", _gif),
    (b"\xff\xd8", _jpeg),
    (b"RIFF", _webp),
)
