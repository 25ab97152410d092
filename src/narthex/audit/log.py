"""The audit log as the rest of Narthex sees it: notes that never wait, and rows within transactions."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from narthex.audit.levels import Level, is_written
from narthex.audit.records import Actor, ActorLike, Event, Outcome
from narthex.errors import MasterKeyUnusable, StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.stores.database import Database
    from narthex.stores.sealing import Sealer

logger = logging.getLogger(__name__)

_GROUP: Final = 500
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_NOTHING: Final[Mapping[str, object]] = {}
_SYSTEM: Final = Actor("system", "audit")


class Audit:
    """Writes down what was done.

    What is noted is written soon, in order, by one thread. While the database cannot be used it waits; beyond a number
    it is counted, and that number is written as an entry of its own.
    """

    def __init__(
        self, level: Level = "standard", *, max_waiting: int = 10_000, clock: Callable[[], float] = time.time
    ) -> None:
        """Take how much is written.

        Args:
            level: How much.
            max_waiting: Most entries that wait to be written.
            clock: Tells Unix time in seconds.
        """
        self.level: Level = level
        self.dropped = 0
        """Entries that found no place since the start."""
        self.written = 0
        """Entries noted and written since the start."""
        self._max_waiting, self._clock = max_waiting, clock
        self._waiting: deque[Event] = deque()
        self._untold, self._untold_since = 0, 0
        self._database: Database | None = None
        self._sealer: Sealer | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()

    # -- what others call ----------------------------------------------------------------------------------------------

    def note(  # noqa: PLR0913 - the columns of a row
        self,
        action: str,
        *,
        actor: ActorLike,
        target: str = "",
        organisation_id: str = "",
        workspace_id: str = "",
        outcome: Outcome = "ok",
        details: Mapping[str, object] = _NOTHING,
        address: str = "",
        request_id: str = "",
    ) -> None:
        """Note that something was done; never waits, from any thread.

        Args:
            action: `resource.verb`, such as `session.sign_in`.
            actor: Who did it.
            target: To what, by its ID.
            organisation_id: Where.
            workspace_id: Where.
            outcome: Whether it was done.
            details: More of it; persons in it are written under pseudonyms.
            address: The network address it came from.
            request_id: The request it came with.
        """
        if not is_written(action, self.level):
            return
        at = self._now()
        if len(self._waiting) >= self._max_waiting:
            self.dropped += 1
            self._untold_since = self._untold_since if self._untold else at
            self._untold += 1
            return
        self._waiting.append(
            Event(action, actor, at, target, organisation_id, workspace_id, outcome, dict(details), address, request_id)
        )
        self._wake.set()

    def write(  # noqa: PLR0913 - as above
        self,
        connection: Connection,
        action: str,
        *,
        actor: ActorLike,
        target: str = "",
        organisation_id: str = "",
        workspace_id: str = "",
        outcome: Outcome = "ok",
        details: Mapping[str, object] = _NOTHING,
        address: str = "",
        request_id: str = "",
    ) -> None:
        """Write in a transaction that something was done in it, so that both are one; as `note` otherwise."""
        if not is_written(action, self.level):
            return
        event = Event(
            action, actor, self._now(), target, organisation_id, workspace_id, outcome, details, address, request_id
        )
        self._append(connection, [event])

    # -- its life ------------------------------------------------------------------------------------------------------

    def attach(self, database: Database, sealer: Sealer, *, writing: bool = True) -> None:
        """Take the database once it is open.

        Args:
            database: Where entries are written.
            sealer: What pseudonyms are made and sealed with.
            writing: Whether what is noted is written from now on.
        """
        self._database, self._sealer = database, sealer
        if writing and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
            self._thread.start()

    def use(self, sealer: Sealer) -> None:
        """Take what pseudonyms are made with, for rows that are written before the database is given."""
        self._sealer = sealer

    def close(self, *, patience_s: float = 5.0) -> None:
        """Write what waits, for so long at most, and end."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(patience_s)
            self._thread = None
        if self._waiting:
            logger.error("%d entries of the audit log could not be written", len(self._waiting))

    def flush(self, *, patience_s: float = 5.0) -> bool:
        """Wait until all that was noted is written; return whether it is."""
        until = time.monotonic() + patience_s
        while self._waiting and self._thread is not None and time.monotonic() < until:
            time.sleep(0.005)
        return not self._waiting

    def lines(self) -> Iterator[str]:
        """Yield how it goes in Prometheus's text format."""
        told = (
            ("written_total", "counter", "Entries noted and written.", self.written),
            ("dropped_total", "counter", "Entries lost: too many waited for the database.", self.dropped),
            ("waiting", "gauge", "Entries that wait to be written.", len(self._waiting)),
        )
        for name, kind, says, value in told:
            yield f"# HELP narthex_audit_{name} {says}"
            yield f"# TYPE narthex_audit_{name} {kind}"
            yield f"narthex_audit_{name} {value}"

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting or self._untold:
                if self._write_group():
                    pause_s = _FIRST_PAUSE_S
                    continue
                if self._stopping.is_set():
                    return
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            if self._stopping.is_set():
                return

    def _write_group(self) -> bool:
        """Write some of what waits; return whether the database took it."""
        events = [self._waiting[number] for number in range(min(_GROUP, len(self._waiting)))]
        untold, lost = self._untold, self._lost()
        try:
            self._put([*events, *lost])
        except (StoreUnavailable, MasterKeyUnusable) as error:
            logger.warning("the audit log waits for the database, with %d entries: %s", len(self._waiting), error)
            return False
        except Exception:
            # Whatever one entry holds that no database takes must not hold back all that follow.
            logger.exception("entries of the audit log cannot be written")
            return self._put_singly(events)
        self._untold -= untold
        for _ in events:
            self._waiting.popleft()
        return True

    def _put_singly(self, events: Sequence[Event]) -> bool:
        """Write entries one by one, and leave out what no database takes; return whether all had their turn."""
        for event in events:
            try:
                self._put([event])
            except StoreUnavailable:
                return False
            except Exception:
                # As above; it is counted, and the count is written.
                logger.exception("an entry of the audit log cannot be written: %s", event.action)
                self.dropped += 1
                self._untold_since = self._untold_since if self._untold else event.at
                self._untold += 1
            self._waiting.popleft()
        return bool(events)

    def _put(self, events: Sequence[Event]) -> None:
        assert self._database is not None
        self._database.write_now(lambda connection: self._append(connection, events))
        self.written += len(events)

    def _lost(self) -> list[Event]:
        if not self._untold:
            return []
        details = {"entries": self._untold, "since": self._untold_since}
        return [Event("audit.dropped", _SYSTEM, self._now(), "", "", "", "failed", details, "", "")]

    def _append(self, connection: Connection, events: Sequence[Event]) -> None:
        # SQLAlchemy is loaded with the database, and not before.
        from narthex.audit.chain import append  # noqa: PLC0415
        from narthex.audit.personal import Drafting  # noqa: PLC0415

        append(connection, events, Drafting(self._sealer, self.level))

    def _now(self) -> int:
        return int(self._clock() * 1_000)
