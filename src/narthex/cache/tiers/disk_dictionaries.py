"""Dictionaries of the compression beside the entries on disk, for processes that have not learned them themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from narthex.cache.tiers.packing import Packing, dictionary_written
from narthex.cache.tiers.sql_rows import DictionaryRow

WRITTEN_AGAIN_MS: Final = 864_000_000
"""After how long they are written once more, so that they outlive whatever needs them."""


class DiskDictionaries:
    """Knows which dictionaries of this process others can read."""

    def __init__(self, packing: Packing, *, shared: bool) -> None:
        """Begin without any.

        Args:
            packing: Knows those of this process.
            shared: Whether there are others.
        """
        self._packing = packing
        self._shared = shared
        self._written: dict[bytes, int] = {}

    def unwritten(self, values: Iterable[bytes], now_ms: int) -> list[DictionaryRow]:
        """Return those that values are read with, and that were not written lately."""
        found: dict[bytes, DictionaryRow] = {}
        for value in values if self._shared else ():
            made = self._packing.dictionary_of(value)
            if made is not None and now_ms - self._written.get(made.id, -WRITTEN_AGAIN_MS) >= WRITTEN_AGAIN_MS:
                found[made.id] = DictionaryRow(made.id, now_ms, dictionary_written(made))
        return list(found.values())

    def written(self, rows: Iterable[DictionaryRow]) -> None:
        """Take note that they lie there now."""
        self._written.update((row.id, row.kept_ms) for row in rows)

    def forget(self) -> None:
        """Take note that they may have been taken away."""
        self._written.clear()
