"""Who was refused what: the first of a kind is written down at once, and how often it came again once a minute.

Nobody fills the disk by being refused: rows are few, whatever comes, and what got none of its own is in a count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from narthex.audit.records import Actor

if TYPE_CHECKING:
    from narthex.tenancy.auditing import AuditNotes

DENIED: Final = "permission.denied"
"""Somebody who is known may not do that."""
REFUSED: Final = "key.denied"
"""A key opens nothing."""
WINDOW_S: Final = 60.0
"""How long what comes again is only counted."""
MOST_ROWS: Final = 100
"""Rows in that time, of all."""
MOST_OF_ONE: Final = 20
"""Rows in that time, of one who is refused."""
MOST_REFUSED: Final = 64
"""How many who are refused are told apart in that time."""
_SYSTEM: Final = Actor("system", "denials")


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Somebody was refused something."""

    action: str
    """`DENIED` or `REFUSED`."""
    actor: Actor
    target: str = ""
    organisation_id: str = ""
    workspace_id: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    request_id: str = ""


@dataclass(slots=True)
class _Refused:
    """Somebody who is refused in this minute."""

    first: Denial
    told: set[tuple[str, str]]
    again: int = 0


class Denials:
    """Notes denials in the audit log, from any thread."""

    def __init__(self, audit: AuditNotes | None = None, *, clock: Callable[[], float] = time.time) -> None:
        """Have noted none.

        Args:
            audit: Where they are noted; without it nowhere.
            clock: Tells Unix time in seconds.
        """
        self.audit = audit
        self._clock = clock
        self._lock = threading.Lock()
        self._began_s = 0.0
        self._rows = self._others = 0
        self._refused: dict[tuple[str, Actor, str], _Refused] = {}

    def note(self, denial: Denial) -> None:
        """Note that somebody was refused something; never waits."""
        with self._lock:
            self._settle(is_over=False)
            if not self._has_row(denial):
                return
            self._rows += 1
            self._write(denial, denial.details)

    def settle(self, *, is_over: bool = False) -> None:
        """Write how often what was noted came again, once that time has passed, or all `is_over`."""
        with self._lock:
            self._settle(is_over=is_over)

    def _has_row(self, denial: Denial) -> bool:
        """Tell whether a denial is to have a row of its own; otherwise it is counted."""
        who = (denial.action, denial.actor, denial.address)
        refused = self._refused.get(who)
        if refused is None:
            if len(self._refused) >= MOST_REFUSED or self._rows >= MOST_ROWS:
                self._others += 1
                return False
            refused = self._refused[who] = _Refused(denial, set())
        what = (denial.target, str(sorted(denial.details.items())))
        if what in refused.told or len(refused.told) >= MOST_OF_ONE or self._rows >= MOST_ROWS:
            refused.again += 1
            return False
        refused.told.add(what)
        return True

    def _settle(self, *, is_over: bool) -> None:
        now_s = self._clock()
        # Clocks are set back, too.
        if not is_over and 0 <= now_s - self._began_s < WINDOW_S:
            return
        since = {"since": int(self._began_s * 1_000)}
        for refused in self._refused.values():
            if refused.again:
                self._write(refused.first, {**refused.first.details, "again": refused.again, **since})
        if self._others:
            self._write(Denial(action=DENIED, actor=_SYSTEM), {"others": self._others, **since})
        self._refused, self._rows, self._others, self._began_s = {}, 0, 0, now_s

    def _write(self, denial: Denial, details: Mapping[str, object]) -> None:
        if self.audit is not None:
            self.audit.note(
                denial.action,
                actor=denial.actor,
                target=denial.target,
                organisation_id=denial.organisation_id,
                workspace_id=denial.workspace_id,
                outcome="denied",
                details=details,
                address=denial.address,
                request_id=denial.request_id,
            )
