"""What a codec is, and by which policy a kind of data is compressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

CodecName = Literal["zstd", "gzip", "brotli", "none"]
Kind = Literal["cache", "responses", "documents"]
"""A kind of data that is kept, which has a policy of its own."""


class Codec(Protocol):
    """A way to write bytes shorter."""

    def compress(self, data: bytes, level: int) -> bytes:
        """Return the bytes, compressed; callable in any thread."""
        ...

    def decompress(self, data: bytes, size: int) -> bytes:
        """Return what was compressed, which is `size` bytes long.

        Raises:
            CorruptFrame: It is not what this codec wrote, not whole, or of another size; never is much more than
                `size` bytes made of it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a kind of data is compressed."""

    codec: CodecName = "zstd"
    level: int = 5
    threshold_bytes: int = 128
    """What is smaller stays as it is."""
    max_bytes: int = 67_108_864
    """Largest plain data; a frame that says that it holds more is refused."""
    trains: bool = True
    """Whether a namespace gets a dictionary of its own; with zstd only."""
    dictionary_bytes: int = 163_840
