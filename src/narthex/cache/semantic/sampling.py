"""Which hits are also generated, to learn how often they are wrong."""

from __future__ import annotations

import hashlib


class Sampling:
    """Chooses a share of hits, evenly, and the same ones again for the same seed.

    It cannot be foreseen by who asks as long as the seed is not known.
    """

    def __init__(self, share: float, *, seed: bytes) -> None:
        if not 0 <= share <= 1:
            raise ValueError("a share lies between 0 and 1")
        self._limit = round(share * 2**32)
        self._seed = hashlib.blake2b(seed, digest_size=16).digest()

    def is_chosen(self, number: int) -> bool:
        """Tell whether the hit with this number is also generated."""
        drawn = hashlib.blake2b(number.to_bytes(8, "big"), key=self._seed, digest_size=4).digest()
        return int.from_bytes(drawn, "big") < self._limit
