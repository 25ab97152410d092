"""The book: takes calls in as they begin and end, and writes them down behind their backs.

On the path of a call a record is copied into the journal, and that is all. A thread takes ended calls from there to the
database, in groups. A process that finds journals of others that are gone takes those over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from narthex.errors import LedgerUnavailable
from narthex.ledger.entries import Entry, Opened
from narthex.ledger.forgetting import without_names
from narthex.ledger.journal import Journal, JournalFull, Segment
from narthex.ledger.records import BEGAN, ENDED, Came, encode, entries_of
from narthex.ledger.recovering import take_over
from narthex.ledger.unfit import Rows, Sieve
from narthex.stores.database.erasures import ErasedNames
from narthex.types.catalog import Price

logger = logging.getLogger(__name__)

FLUSH_S: Final = 0.05
"""How long ended calls are gathered before they go to the database, in seconds."""
MANY: Final = 20
"""Calls gathered in that time, from which on more are waited for: a transaction costs as much as 50 of its entries."""
TIMES: Final = 3
"""For how many more such times they are gathered then."""
RETRY_S: Final = 1.0
"""Pause before another try, where the database cannot be written, in seconds."""
MAX_GROUP: Final = 1_000
"""Calls that are written in one transaction."""
MAX_AT_HAND: Final = 10_000
"""Calls whose entries wait in memory; those of more are read from the journal when their turn comes."""


class Pause:
    """A place in the book where its writing stops: what ended before is in the database then, and nothing later."""

    def __init__(self) -> None:
        self._reached, self._over = threading.Event(), threading.Event()

    async def reached(self) -> None:
        """Wait until it has come to that, however long the database is away; if cancelled, until then all the same."""
        await asyncio.to_thread(self._reached.wait)

    def end(self) -> None:
        """Have the book go on."""
        self._over.set()
        self._reached.set()

    def hold(self, is_stopping: Callable[[], bool]) -> None:
        """Wait until it ends, or the book does; for the book's thread."""
        self._reached.set()
        while not self._over.wait(FLUSH_S) and not is_stopping():
            pass


_Waiting = tuple[str, Segment | None, int, tuple[Entry, ...] | None]
"""A call that has ended, where its entries stand, and these, as far as they are kept in memory too."""


class Book:
    """The ledger, as the pipeline knows it.

    Attributes:
        erased: Who was erased; None while that is not known, or nobody was.
        kept_since: Says from when on entries are kept, in milliseconds of Unix time.
    """

    def __init__(self, root: Path, rows: Rows, *, flush_s: float = FLUSH_S, segment_bytes: int | None = None) -> None:
        """Open the book.

        Args:
            root: Folder of the journals of all processes that share it.
            rows: Where entries end up.
            flush_s: How long they are gathered, in seconds.
            segment_bytes: Size of the journal's files.

        Raises:
            JournalFull: The journal cannot be written.
        """
        self.erased: ErasedNames | None = None
        self.kept_since: Callable[[], int] = lambda: 0
        self._root = root
        self._rows = Sieve(rows, root)
        self._unreadable: set[str] = set()
        self._flush_s = flush_s
        self._journal = Journal(root) if segment_bytes is None else Journal(root, segment_bytes=segment_bytes)
        self._open: dict[str, Segment] = {}
        self._came: dict[str, Segment] = {}
        """Where it stands how far answers have come, as last noted."""
        self._ended: deque[_Waiting | Pause] = deque()
        self._awake = False
        """Whether the thread was woken, and has not looked yet what there is to do."""
        self._wake, self._idle, self._hurry = threading.Event(), threading.Event(), threading.Event()
        self._idle.set()
        self._stopping = self._failing = False
        self._written = self._recovered = 0
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        """Begin to write to the database, first of all what others have left behind."""
        self._thread.start()

    # -- on the path of calls --------------------------------------------------------------------------------------

    def opened(self, call: Opened, price: Price | None) -> None:
        """Take note of a call before it goes out.

        Raises:
            LedgerUnavailable: It cannot be written down, so it must not go out.
        """
        if self.erased is not None and call.at <= self.erased.until:
            instead = self.erased.instead("end_user", call.end_user, call.at, call.organisation_id)
            call = msgspec.structs.replace(call, end_user=instead)
        payload = encode((BEGAN, call, price))
        segment = self._journal.segment
        if segment.write(payload) is None:
            try:
                segment, _ = self._journal.append(payload)
            except JournalFull as error:
                self._wake.set()
                raise LedgerUnavailable(retry_after_s=RETRY_S) from error
        segment.taken += 1
        self._open[call.id] = segment

    def came(self, name: str, output_tokens: int) -> None:
        """Take note of how much of an answer has come; without a word if that cannot be written."""
        if name not in self._open:
            return
        try:
            segment, _ = self._journal.append(encode(Came(name, output_tokens)))
        except JournalFull:
            return
        last = self._came.get(name)
        if last is not segment:
            # Kept until there is a later one, as files are used again.
            segment.taken += 1
            self._came[name] = segment
            if last is not None:
                last.taken -= 1

    def settled(self, name: str, entries: tuple[Entry, ...]) -> None:
        """Take note of what came of a call; it is never refused."""
        if self.erased is not None and entries and entries[0].at <= self.erased.until:
            entries = without_names(self.erased, entries)
        payload = encode((ENDED, name, entries))
        segment, ended = self._journal.segment, self._ended
        at = segment.write(payload)
        if at is None:
            ended.append(self._ended_in_next(name, payload, entries))
        else:
            segment.taken += 1
            ended.append((name, segment, at, entries if len(ended) < MAX_AT_HAND else None))
        if not self._awake:
            self._awake = True
            self._wake.set()

    def _ended_in_next(self, name: str, payload: bytes, entries: tuple[Entry, ...]) -> _Waiting:
        """Write the end of a call into the next file; if there is none it is kept in memory until it is written.

        Should the process be killed before that, what is left of the call is that it began.
        """
        try:
            segment, at = self._journal.append(payload)
        except JournalFull:
            return name, None, 0, entries
        segment.taken += 1
        return name, segment, at, entries

    @property
    def under_way(self) -> int:
        """Calls that have begun and not ended."""
        return len(self._open)

    # -- behind their backs ----------------------------------------------------------------------------------------

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything that has ended is in the database; False if that takes longer."""
        deadline = time.monotonic() + timeout_s
        while self._ended or not self._idle.is_set():
            self._wake.set()
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.002)
        return True

    def pause(self) -> Pause:
        """Have the writing to the database stop behind what has ended by now; whoever asks for it must end it."""
        place = Pause()
        self._ended.append(place)
        self._hurry.set()
        self._wake.set()
        return place

    def turn(self) -> None:
        """Have nothing of the calls that are in the database stay in the journal: somebody was erased."""
        with contextlib.suppress(JournalFull):
            self._journal.turn()
        self._wake.set()

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what waits, and end; what cannot be written stays in the journal for the next who comes."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        clean = not self._ended and not self._open and not self._thread.is_alive()
        self._journal.close(remove=clean)

    def recover(self) -> int:
        """Take over what processes that are gone have left behind; return how many entries were not there yet."""
        found = take_over(self._root, self._rows, self._unreadable, since=self.kept_since()).entries
        self._recovered += found
        return found

    def lines(self) -> Iterator[str]:
        """Yield the state in Prometheus's text format."""
        yield "# HELP narthex_ledger_waiting Calls that have ended and are not in the database yet."
        yield "# TYPE narthex_ledger_waiting gauge"
        yield f"narthex_ledger_waiting {len(self._ended)}"
        yield "# HELP narthex_ledger_entries_total Entries written to the database."
        yield "# TYPE narthex_ledger_entries_total counter"
        yield f"narthex_ledger_entries_total {self._written}"
        yield "# HELP narthex_ledger_recovered_total Of those, left behind by processes that were killed."
        yield "# TYPE narthex_ledger_recovered_total counter"
        yield f"narthex_ledger_recovered_total {self._recovered}"
        yield "# HELP narthex_ledger_unfit_total Entries that the database does not take, set aside in a file."
        yield "# TYPE narthex_ledger_unfit_total counter"
        yield f"narthex_ledger_unfit_total {self._rows.unfit}"

    def _run(self) -> None:
        behind = True
        while True:
            if not behind:
                self._gather()
            self._wake.clear()
            self._awake = False  # before it looks: who adds something from now on wakes it again
            stopping = self._stopping  # only now: whoever stops the book in the meantime wakes nobody any more
            try:
                # First, as it makes room on the disk, and nothing that another has left may keep it from that.
                self._drain()
                if behind:
                    self.recover()
                    behind = False
                self._prepare()
            # The edge of the thread: whatever is wrong with the database, the book goes on.
            except Exception as error:  # noqa: BLE001
                self._complain(error)
                if stopping:
                    return
                time.sleep(RETRY_S)
                self._wake.set()
                continue
            self._failing = False
            if stopping and not self._ended:
                return

    def _gather(self) -> None:
        """Wait until a call has ended, and for those that end soon after it."""
        self._wake.wait()
        if not self._stopping:
            self._hurry.wait(self._flush_s)
            if len(self._ended) >= MANY:
                self._hurry.wait(self._flush_s * TIMES)

    def _prepare(self) -> None:
        if self._journal.wants_spare:
            self._journal.make_spare()
        self._journal.sweep()

    def _drain(self) -> None:
        ended = self._ended
        self._hurry.clear()
        while ended:
            self._idle.clear()
            try:
                first = ended[0]
                if isinstance(first, Pause):
                    first.hold(lambda: self._stopping)
                    ended.popleft()
                else:
                    self._write(list(_until_pause(ended)))
            finally:
                self._idle.set()

    def _write(self, group: Sequence[_Waiting]) -> None:
        entries: list[Entry] = []
        for _, segment, at, at_hand in group:
            if at_hand is None:
                assert segment is not None
                entries += entries_of(segment.read(at))
            else:
                entries += at_hand
        self._written += self._rows.add(entries)
        began, came, ended = self._open, self._came, self._ended
        for name, segment, _, _ in group:
            ended.popleft()
            if segment is not None:
                segment.done += 1
            if (held := began.pop(name, None)) is not None:
                held.done += 1
            if came and (held := came.pop(name, None)) is not None:
                held.done += 1
        self._journal.sweep()

    def _complain(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            count = len(self._ended)
            logger.error("the ledger cannot be written: %s; its journal keeps %d calls", error, count, exc_info=error)


def _until_pause(ended: deque[_Waiting | Pause]) -> Iterator[_Waiting]:
    """Yield the calls that are written in one transaction."""
    for place in range(min(len(ended), MAX_GROUP)):
        one = ended[place]
        if isinstance(one, Pause):
            return
        yield one
