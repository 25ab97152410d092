"""What is kept for workspaces, counted in bytes: recordings on the disk, and responses.

In one process responses are counted as they lie in its memory. Where they lie in Redis, they are counted there, and
here for the moment until they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from narthex.ledger.limits.quotas import Quotas, StoredBytes
from narthex.pipeline.recorder import Recorder
from narthex.pipeline.responses import Responses
from narthex.stores.shelves import MemoryShelf
from narthex.types.accounts import Account
from narthex.types.stocks import Held, Storage

if TYPE_CHECKING:
    from narthex.pipeline.shared_state import SharedState


async def count_storage(
    quotas: Quotas, recorder: Recorder, responses: Responses, shelf: object, shared: SharedState | None = None
) -> None:
    """Have counted what is kept, from what is there already on.

    Args:
        quotas: What counts.
        recorder: Has the recordings on the disk.
        responses: Those that are kept.
        shelf: Where these lie.
        shared: What several processes share; None where this one counts alone.
    """
    storage, recordings = StoredBytes(quotas), recorder.recordings
    recordings.sizes.storage = storage
    await recordings.look()
    quotas.looks.append(recordings.look)
    if shared is not None:
        responses.room = shared.count(quotas, recordings)
    elif isinstance(shelf, MemoryShelf):
        responses.room = ShelfRoom(storage, shelf)
        quotas.looks.append(responses.room.look)


class ShelfRoom:
    """What lies on a shelf, counted for those whose it is.

    Attributes:
        gone: What has left the shelf, by whose it was and how much less that is, where it counts until `settle`; None
            where it is counted no more at once.
    """

    def __init__(self, storage: Storage, shelf: MemoryShelf, *, settled: bool = False) -> None:
        """Take where it is counted; nothing lies there yet.

        Args:
            storage: Counts it.
            shelf: Where it lies.
            settled: Whether what leaves the shelf counts until it is settled.
        """
        self.gone: list[tuple[str, int]] | None = [] if settled else None
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

    def account_of(self, owner: str) -> Account:
        """Return whose storage the things of an owner take up."""
        return self._accounts.get(owner, Account())

    def held(self) -> list[tuple[Account, int]]:
        """Return what is counted now."""
        return [(self.account_of(owner), size) for owner, (_, size) in self._held.items()]

    def settle(self, count: int) -> None:
        """Count no more what left the shelf first, so many times."""
        if self.gone is not None:
            first, self.gone[:count] = self.gone[:count], []
            for owner, more in first:
                self._count(owner, more)

    def _sized(self, owner: str, more: int) -> None:
        if more < 0 and self.gone is not None:
            self.gone.append((owner, more))
        else:
            self._count(owner, more)

    def _count(self, owner: str, more: int) -> None:
        held, size = self._held.pop(owner, (None, 0))
        if held is None:
            held = self._storage.count(self.account_of(owner), 0)
        if size + more:
            held.settle(size + more)
            self._held[owner] = (held, size + more)
            return
        held.release()
