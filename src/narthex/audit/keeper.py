"""Takes a signed checkpoint now and then, and one more when all is over."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from narthex.audit.checkpoints import Checkpoints, take
from narthex.errors import NarthexError

if TYPE_CHECKING:
    from narthex.audit.log import Audit
    from narthex.stores.database import Database
    from narthex.stores.sealing import Sealer

logger = logging.getLogger(__name__)


class AuditKeeper:
    """Holds the audit log of a server while its database is open."""

    def __init__(self, audit: Audit, checkpoints: Checkpoints, *, interval_s: float) -> None:
        """Take what is kept.

        Args:
            audit: The log.
            checkpoints: Where signed checkpoints go.
            interval_s: Time from one to the next.
        """
        self.audit, self.checkpoints, self.interval_s = audit, checkpoints, interval_s
        self._opened: tuple[Database, Sealer] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, database: Database, sealer: Sealer) -> None:
        """Begin, with an open database."""
        self._opened = database, sealer
        self.audit.attach(database, sealer)
        self._thread = threading.Thread(target=self._run, name="audit checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and a last checkpoint; the database is still open."""
        self._stopping.set()
        self.audit.close()
        if self._thread is not None:
            self._thread.join()
            self._checkpoint()

    def _run(self) -> None:
        while not self._stopping.wait(self.interval_s):
            self._checkpoint()

    def _checkpoint(self) -> None:
        assert self._opened is not None
        database, sealer = self._opened
        try:
            take(database, sealer, self.checkpoints, at=int(time.time() * 1_000))
        except NarthexError as error:
            logger.error("no checkpoint of the audit log was written: %s", error)  # noqa: TRY400 - the line says it all
        except Exception:
            # The edge of this thread: whatever it is, the next one is tried, and the database is closed after it.
            logger.exception("no checkpoint of the audit log was written")
