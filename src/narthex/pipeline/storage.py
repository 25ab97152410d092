"""What is kept for workspaces, counted in bytes: recordings on the disk, and responses in this process's memory.

Responses that lie in Redis are not counted: they are there for all processes, and for none to say how many.
"""

from __future__ import annotations

from narthex.ledger.limits.quotas import Quotas, StoredBytes
from narthex.pipeline.responses import Responses
from narthex.stores.shelves import MemoryShelf
from narthex.streams.recordings import Recordings
from narthex.types.accounts import Account
from narthex.types.stocks import Held, Storage


async def count_storage(quotas: Quotas, recordings: Recordings, responses: Responses, shelf: object) -> None:
    """Have counted what is kept, from what is there already on.

    Args:
        quotas: What counts.
        recordings: On the disk.
        responses: Those that are kept.
        shelf: Where these lie.
    """
    storage = StoredBytes(quotas)
    recordings.sizes.storage = storage
    await recordings.look()
    quotas.looks.append(recordings.look)
    if isinstance(shelf, MemoryShelf):
        responses.room = ShelfRoom(storage, shelf)
        quotas.looks.append(responses.room.look)


class ShelfRoom:
    """What lies on a shelf, counted for those whose it is."""

    def __init__(self, storage: Storage, shelf: MemoryShelf) -> None:
        """Take where it is counted; nothing lies there yet."""
        self._storage = storage
        self._shelf = shelf
        self._accounts: dict[str, Account] = {}
        """As many as there are owners: workspaces, and keys of the configuration."""
        self._held: dict[str, tuple[Held, int]] = {}
        shelf.when_sized = self._sized

    async def look(self) -> None:
        """Count no more what is over."""
        self._shelf.expire()

    def check(self, owner: str, account: Account, size: int) -> None:
        """Make sure that there is room for something of an owner, and take note whose account that is.

        Raises:
            LimitExceeded: There is none.
        """
        self._shelf.expire()
        self._accounts[owner] = account
        self._storage.hold(account, size).release()

    def _sized(self, owner: str, more: int) -> None:
        held, size = self._held.pop(owner, (None, 0))
        if held is None:
            held = self._storage.count(self._accounts.get(owner, Account()), 0)
        if size + more:
            held.settle(size + more)
            self._held[owner] = (held, size + more)
            return
        held.release()
