"""The limits in force: those of the configuration and those of the database, and how they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.quotas import Quotas
from narthex.ledger.limits.shared import SharedMeters
from narthex.ledger.limits.uses import LimitUsage
from narthex.types.limits import Limit


class InForce:
    """Tells the meters which limits there are."""

    def __init__(self, meters: Meters) -> None:
        """Take what counts.

        Args:
            meters: In this process.

        Attributes:
            shared: What counts for several processes, where they share their limits.
            quotas: What is there of things that are kept.
            when_changed: Called when others are in force.
        """
        self.shared: SharedMeters | None = None
        self.when_changed: Callable[[], None] = lambda: None
        self.quotas = Quotas(meters)
        self._meters = meters
        self._configured: tuple[Limit, ...] = ()
        self._stored: tuple[Limit, ...] = ()

    def configure(self, limits: Iterable[Limit]) -> None:
        """Go by these of the configuration from now on."""
        self._configured = tuple(limits)
        self._adopt()

    def store(self, limits: Iterable[Limit]) -> None:
        """Go by these of the database from now on."""
        self._stored = tuple(limits)
        self._adopt()

    @property
    def configured(self) -> tuple[Limit, ...]:
        """Those of the configuration."""
        return self._configured

    async def usage(self) -> list[LimitUsage]:
        """Return how they stand."""
        for look in self.quotas.looks:
            await look()
        calls = list(self._meters.usage()) if self.shared is None else await self.shared.usage()
        return [*calls, *self.quotas.usage()]

    def _adopt(self) -> None:
        self._meters.adopt((*self._configured, *self._stored))
        if self.shared is not None:
            self.shared.adopted()
        self.when_changed()
