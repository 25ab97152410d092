"""Quotas: limits of what is there at one time, whatever room it is in.

Who is about to add something asks `reserve` for its size, or for a guess of it, and holds what comes back as long as
the thing is there: `settle` says how large it has become, `release` that it is gone. What was there before a restart,
in a file or a table, is told again with `count`. In one process all of it is counted, whether or not a limit stands on
it, so that a limit that is made later knows what is there. Where processes share their limits over Redis, what is under
a limit is counted there, as calls under way are: what a process held that is gone lapses. What outlives a process,
as stored bytes do, is counted by each for itself, which adds what it hears is there elsewhere.

An alert tells that so much is there as something is added: once a day at most, as long as it stays so.

Things that are rows of the database need none of this: whoever writes one counts them in the same transaction, as
`narthex.tenancy.room` does for members, and that holds for all processes and after any restart.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from narthex.errors import LimitExceeded
from narthex.ledger.limits.counters import Gauge
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.shared import SharedHold, SharedMeters
from narthex.ledger.limits.spans import span
from narthex.ledger.limits.uses import LimitUsage, Passed
from narthex.types.accounts import Account
from narthex.types.limits import Limit, Measure, Period, SubjectKind
from narthex.types.stocks import no_room

Scope = tuple[Measure, SubjectKind, str]
"""A measure, and an organisation or a workspace."""
COUNTED: Final = frozenset({Measure.TASKS, Measure.STORAGE})
"""What is counted here; a room that asks for another measure adds it, and it is told how that stands."""


class Holding:
    """What one thing takes up, until released; only the first word counts."""

    __slots__ = ("_account", "_measure", "_quotas", "_shared", "amount")

    def __init__(
        self, quotas: Quotas, account: Account, measure: Measure, amount: int, shared: SharedHold | None = None
    ) -> None:
        self._quotas: Quotas | None = quotas
        self._account, self._measure = account, measure
        self._shared = shared
        self.amount = amount
        quotas.add(account, measure, amount)

    def grow(self, amount: int) -> bool:
        """Count so much more if the limits have room for it; tell whether they had."""
        if self._quotas is None or self._quotas.refusal(self._account, self._measure, amount) is not None:
            return False
        self.settle(self.amount + amount)
        return True

    def settle(self, amount: int) -> None:
        """Count so much in the place of what was reserved, however much it is; among processes what was reserved."""
        if self._quotas is not None:
            self._quotas.add(self._account, self._measure, amount - self.amount)
            self.amount = amount

    def release(self) -> None:
        """Count nothing any more: it is gone, or never came."""
        quotas, self._quotas = self._quotas, None
        if quotas is not None:
            quotas.add(self._account, self._measure, -self.amount)
            if self._shared is not None:
                self._shared.release()


class Quotas:
    """What is there, by organisations and workspaces.

    Attributes:
        shared: What counts for several processes, where they share their limits.
        looks: What takes note of things that went unseen, before it is told what there is.
        on_passed: Called when a threshold is passed, in whatever thread; it must not wait.
        elsewhere: What is there beside what this process counts, as it was heard last.
        changed: The scopes of which this process counts more or less than before; None where nobody takes them away.
    """

    changed: set[Scope] | None = None

    def __init__(self, meters: Meters, *, wall: Callable[[], float] = time.time) -> None:
        """Take what knows the limits; nothing is there yet.

        Args:
            meters: Know the limits.
            wall: Says the seconds of Unix time.
        """
        self.on_passed: Callable[[Passed], None] | None = None
        self._wall = wall
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}
        self.looks: list[Callable[[], Awaitable[None]]] = []
        self.shared: SharedMeters | None = None
        self._meters = meters
        self._stock: dict[Scope, int] = {}
        self.elsewhere: dict[Scope, int] = {}

    async def reserve(self, account: Account, measure: Measure, amount: int = 1) -> Holding:
        """Hold room for something.

        Args:
            account: Whose it will be.
            measure: What it is counted as.
            amount: How large it is, in the unit of the measure.

        Raises:
            LimitExceeded: There is no room for it.
            LimitsUnreachable: Redis is away, and limits are not to be passed meanwhile.

        If cancelled, nothing is held.
        """
        limits = self._limits(account, measure)
        if self.shared is not None and limits:
            held = await self.shared.hold(limits, amount)
            if held is not None:
                return Holding(self, account, measure, amount, held)
        return self.hold(account, measure, amount)

    def hold(self, account: Account, measure: Measure, amount: int) -> Holding:
        """Hold room for something that this process alone has, as on its disk.

        Raises:
            LimitExceeded: There is no room for it.
        """
        refused = self.refusal(account, measure, amount)
        if refused is not None:
            raise refused
        return Holding(self, account, measure, amount)

    def refusal(self, account: Account, measure: Measure, amount: int) -> LimitExceeded | None:
        """Return why there is no room for something, as far as this process knows; None if there is."""
        for limit, whose in self._limits(account, measure):
            used = self._there((measure, limit.subject_kind, whose))
            if limit.hard and used + amount > limit.units:
                return no_room(limit, whose, used=used, need=amount)
        return None

    def count(self, account: Account, measure: Measure, amount: int = 1) -> Holding:
        """Hold what is there already, as after a restart, whatever the limits say."""
        return Holding(self, account, measure, amount)

    def used(self, account: Account, measure: Measure) -> int:
        """Return how much a workspace has of something in this process."""
        return self._stock.get((measure, SubjectKind.WORKSPACE, account.workspace_id), 0)

    def scopes(self, measure: Measure) -> list[Scope]:
        """Return those of which this process counts anything."""
        return [scope for scope in self._stock if scope[0] is measure]

    def counted(self, scope: Scope) -> int:
        """Return how much this process counts."""
        return self._stock.get(scope, 0)

    def usage(self) -> Iterator[LimitUsage]:
        """Yield how the limits stand of what is counted here, as far as this process knows."""
        for limit in self._meters.matching.levels:
            if limit.measure in COUNTED:
                for whose in self._whose(limit):
                    used = self._there((limit.measure, limit.subject_kind, whose))
                    value = whose if limit.is_each else ""
                    yield LimitUsage(limit=limit, value=value, gauge=Gauge(used=used, reserved=0, resets_s=None))

    def add(self, account: Account, measure: Measure, amount: int) -> None:
        """Count more, or less; for holdings."""
        for kind in (SubjectKind.ORGANISATION, SubjectKind.WORKSPACE):
            scope = (measure, kind, _whose(account, kind))
            left = self._stock.get(scope, 0) + amount
            if left:
                self._stock[scope] = left
            else:
                self._stock.pop(scope, None)
            if self.changed is not None:
                self.changed.add(scope)
        if amount > 0 and self.on_passed is not None:
            self._look(account, measure, self.on_passed)

    def _look(self, account: Account, measure: Measure, tell: Callable[[Passed], None]) -> None:
        """Tell which thresholds were passed, since the most that was there today."""
        for limit, whose in self._limits(account, measure):
            if not limit.alert_percents:
                continue
            used, day = self._there((measure, limit.subject_kind, whose)), span(Period.DAY, self._wall())[0]
            since, most = self._seen.get((limit.id, whose), (day, 0))
            before = most if since == day else 0
            self._seen[limit.id, whose] = (day, max(used, before))
            value = whose if limit.is_each else ""
            for at, percent in limit.thresholds:
                if before < at <= used:
                    tell(Passed(limit=limit, value=value, percent=percent, used=used, period_start=day))

    def _there(self, scope: Scope) -> int:
        return self._stock.get(scope, 0) + self.elsewhere.get(scope, 0)

    def _limits(self, account: Account, measure: Measure) -> list[tuple[Limit, str]]:
        found = (limit for limit in self._meters.matching.levels_of(account) if limit.measure is measure)
        return [(limit, _whose(account, limit.subject_kind)) for limit in found]

    def _whose(self, limit: Limit) -> list[str]:
        if not limit.is_each:
            return [limit.subject]
        counted = (limit.measure, limit.subject_kind)
        return sorted({who for *what, who in (*self._stock, *self.elsewhere) if tuple(what) == counted})


def _whose(account: Account, kind: SubjectKind) -> str:
    return account.organisation_id if kind is SubjectKind.ORGANISATION else account.workspace_id


class StoredBytes:
    """Counts what is kept for accounts in bytes; see `narthex.types.stocks.Storage`."""

    def __init__(self, quotas: Quotas) -> None:
        """Take what counts."""
        self._quotas = quotas

    def hold(self, account: Account, amount: int) -> Holding:
        """Hold room for something.

        Raises:
            LimitExceeded: There is none.
        """
        return self._quotas.hold(account, Measure.STORAGE, amount)

    def count(self, account: Account, amount: int) -> Holding:
        """Hold what is there already, whatever the limits say."""
        return self._quotas.count(account, Measure.STORAGE, amount)
