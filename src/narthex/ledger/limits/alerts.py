"""Alerts: thresholds of limits that were passed, once for each period, written down beside the calls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from narthex.ledger.limits.refusals import in_limits_unit, subject_of
from narthex.ledger.limits.uses import Passed
from narthex.stores.database.alerting import Alert, alert_id, say, write_alert
from narthex.stores.database.erasures import DAY_MS, ErasedNames
from narthex.types.limits import SubjectKind

if TYPE_CHECKING:
    from narthex.stores.database import Database

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 10_000
"""Alerts that wait for a database that is away; the oldest are let go of."""
AGAIN_S: Final = 5.0
"""When it is tried again to write what could not be written."""


class Alerts:
    """Writes alerts down, and tells of those that nobody has written before."""

    def __init__(
        self,
        database: Database,
        *,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take where they are written.

        Args:
            database: Where.
            wall: Says the seconds of Unix time.
            sleep: Waits before it is tried again.

        Attributes:
            on_alert: Called with each alert that is new.
            erased: Who was erased; None while that is not known, or nobody was.
        """
        self.erased: ErasedNames | None = None
        self.on_alert: Callable[[Alert], None] | None = None
        self._database = database
        self._wall = wall
        self._sleep = sleep
        self._waiting: deque[Alert] = deque(maxlen=MAX_WAITING)
        self._woken = asyncio.Event()

    def note(self, passed: Passed) -> None:
        """Have an alert written down in a moment; see `Meters.on_passed`."""
        limit, value = passed.limit, passed.value
        if self.erased is not None and limit.subject_kind is SubjectKind.END_USER:
            # By a call that may have begun before.
            began = round(self._wall() * 1_000) - DAY_MS
            value = self.erased.instead("end_user", value, began, limit.organisation_id)
        start_ms, subject = round(passed.period_start * 1_000), subject_of(limit, value)
        alert = Alert(
            id=alert_id(limit, start_ms, passed.percent, value),
            limit_id=limit.id,
            organisation_id=limit.organisation_id,
            workspace_id=limit.workspace_id,
            percent=passed.percent,
            used=in_limits_unit(limit, passed.used),
            amount=limit.amount,
            period_start=start_ms,
            at=round(self._wall() * 1_000),
            limit=limit,
            subject=subject,
        )
        self._waiting.append(alert)
        self._woken.set()

    async def run(self) -> None:
        """Write what is noted, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self.catch_up()

    async def catch_up(self) -> None:
        """Write all that is noted at this moment, however long the database is away."""
        while self._waiting:
            alert = self._waiting[0]
            try:
                is_new = await self._database.write(lambda connection, alert=alert: write_alert(connection, alert))  # type: ignore[misc]
            except Exception:  # the edge of this task: what could not be written is written later
                logger.exception("alert %s: cannot be written", alert.id)
                await self._sleep(AGAIN_S)
                continue
            if self._waiting and self._waiting[0] is alert:
                self._waiting.popleft()
            if is_new:
                self._tell(alert)

    def _tell(self, alert: Alert) -> None:
        say(alert)
        if self.on_alert is not None:
            self.on_alert(alert)
