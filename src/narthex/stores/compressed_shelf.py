"""A shelf on which things lie compressed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from narthex.compression.compressor import Compressor
from narthex.compression.contract import Kind
from narthex.compression.frames import MAGIC
from narthex.errors import FrameUnreadable
from narthex.stores.shelves import Shelf

logger = logging.getLogger(__name__)

_FRAME: Final = bytes([MAGIC])


class CompressedShelf:
    """Another shelf, and what makes things smaller before they are put there.

    What lies there uncompressed, from before, is returned as it is: no text begins as a frame does.
    """

    def __init__(self, shelf: Shelf, compressor: Compressor, kind: Kind) -> None:
        """Take the shelf.

        Args:
            shelf: Where things lie.
            compressor: Makes them smaller.
            kind: What they are.
        """
        self._shelf = shelf
        self._compressor = compressor
        self._kind: Kind = kind

    async def put(self, owner: str, name: str, value: bytes) -> None:
        """See `Shelf`."""
        await self._shelf.put(owner, name, await self._compressor.compress_aside(value, kind=self._kind))

    async def get(self, owner: str, name: str) -> bytes | None:
        """See `Shelf`; what is damaged is none."""
        value = await self._shelf.get(owner, name)
        if value is None or not value.startswith(_FRAME):
            return value
        try:
            return await self._compressor.decompress_aside(value, kind=self._kind)
        except FrameUnreadable as error:
            logger.error("%r cannot be read any more: %s", name[:100], error)  # noqa: TRY400 - it says it all
            return None

    async def renew(self, owner: str, names: Iterable[str]) -> None:
        """See `Shelf`."""
        await self._shelf.renew(owner, names)

    def keep_for(self, owner: str, keep_s: float | None) -> None:
        """See `Shelf`."""
        self._shelf.keep_for(owner, keep_s)

    async def delete(self, owner: str, name: str) -> bool:
        """See `Shelf`."""
        return await self._shelf.delete(owner, name)
