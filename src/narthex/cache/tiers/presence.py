"""What is surely not there: spares looks into a tier that would find nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_BITS: Final = 1 << 23
"""With half a million keys one look in four hundred is in vain."""
_LOOKS: Final = 4


class Presence:
    """Keys that may be there (a Bloom filter): of what it does not know nothing is there."""

    def __init__(self) -> None:
        """Begin with none."""
        self._bits: bytearray | None = None

    def add(self, key: bytes) -> None:
        """Take note of a key, which is a hash of at least sixteen bytes."""
        if self._bits is None:
            self._bits = bytearray(_BITS // 8)
        for place in _places(key):
            self._bits[place >> 3] |= 1 << (place & 7)

    def may_have(self, key: bytes) -> bool:
        """Tell whether a key may be there."""
        bits = self._bits
        return bits is not None and all(bits[place >> 3] & (1 << (place & 7)) for place in _places(key))

    def renew(self, keys: Iterable[bytes]) -> None:
        """Know these keys alone."""
        self._bits = None
        for key in keys:
            self.add(key)


def _places(key: bytes) -> list[int]:
    # The keys are hashes: each four bytes of one are as good as another hash.
    return [int.from_bytes(key[number * 4 : number * 4 + 4], "big") % _BITS for number in range(_LOOKS)]
