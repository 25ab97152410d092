"""Writes down, every few seconds and at the end, what calls leave behind: uses of keys, and counts of denials."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from narthex.errors import NarthexError
from narthex.tenancy.key_uses import write_uses
from narthex.tenancy.sightings import MOST_ADDRESSES, Use, merge

if TYPE_CHECKING:
    from narthex.stores.database import Database
    from narthex.tenancy.auditing import AuditRows
    from narthex.tenancy.denials import Denials
    from narthex.tenancy.key_uses import KnownAddresses
    from narthex.tenancy.sightings import Sightings

logger = logging.getLogger(__name__)

EVERY_S: Final = 5.0
_GROUP: Final = 1_000
"""Keys in one transaction, so that no other writer waits for long."""


class Clerk:
    """A thread that no call waits for."""

    def __init__(
        self,
        database: Database,
        audit: AuditRows,
        *,
        sightings: Sightings,
        denials: Denials,
        addresses: KnownAddresses | None = None,
    ) -> None:
        """Take what is written down, and where.

        Args:
            database: Where.
            audit: Where it is written that a key was used for the first time, or from a new address.
            sightings: Which keys were used.
            denials: Who was refused what.
            addresses: Tells which are new; None where nobody wants to know.
        """
        self._database, self._audit, self._addresses = database, audit, addresses
        self._sightings, self._denials = sightings, denials
        self._waiting: dict[str, Use] = {}
        self._complained = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="key uses", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and end; the database is still open."""
        self._stopping.set()
        self._thread.join()
        self.write()
        self._denials.settle(is_over=True)
        if self._waiting:
            logger.error("of %d keys it could not be written when they were used last", len(self._waiting))

    def write(self) -> None:
        """Write the uses there are; what cannot be written now is written with the next ones."""
        merge(self._waiting, self._sightings.take())
        while self._waiting:
            group = dict(sorted(self._waiting.items())[:_GROUP])
            try:
                self._database.write_now(partial(write_uses, uses=group, audit=self._audit, addresses=self._addresses))
            except NarthexError as error:
                self._complain(error)
                return
            self._complained = False
            for key_id in group:
                del self._waiting[key_id]

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self.write()
            self._denials.settle()

    def _complain(self, error: NarthexError) -> None:
        if not self._complained:
            logger.warning("when keys were used cannot be written now, and is written later: %s", error)
        self._complained = True
        if sum(len(use.addresses) for use in self._waiting.values()) > MOST_ADDRESSES:
            for use in self._waiting.values():
                use.addresses.clear()
