"""A tier that gives out leases, for tests of who asks and who waits."""

from __future__ import annotations

from narthex.cache.entries import Entry
from narthex.cache.leases import Lease, Outcome, Turn
from narthex.cache.live import LiveAnswers
from narthex.cache.tiers.contract import LeasingTier
from tests.cache.tiers.test_contract import DictTier
from tests.pipeline.doubles import House


class Leases(DictTier):
    """Gives out one lease for each question, and remembers how each ended."""

    def __init__(self) -> None:
        super().__init__()
        self.elsewhere_s: float | None = None
        """Another process has the lease, for so long."""
        self.held: dict[bytes, Entry] = {}
        self.ended: list[Outcome] = []
        self.live: LiveAnswers | None = None
        self.open = 0

    def is_leasing(self) -> bool:
        """See `LeasingTier`."""
        return True

    async def get_in_turn(self, key: bytes, turn: Turn) -> Entry | None:
        """See `LeasingTier`."""
        found = self.held.get(key)
        if found is None:
            await self.lead(key, turn)
        return found

    async def lead(self, key: bytes, turn: Turn) -> None:
        """See `LeasingTier`."""
        if self.elsewhere_s is None:
            self.open += 1
            turn.lease = Lease(key, "t", self._end)
        else:
            turn.elsewhere_s = self.elsewhere_s

    async def told(self, key: bytes, within_s: float) -> Outcome | None:
        """See `LeasingTier`."""
        del key, within_s
        return "alone"

    def _end(self, _: Lease, outcome: Outcome) -> None:
        self.open -= 1
        self.ended.append(outcome)


_conforms: type[LeasingTier] = Leases


def leased(made: House, *further: DictTier) -> Leases:
    """Have a cache share answers with other processes, through such a tier, with others behind it."""
    tier = Leases()
    made.cache.below, made.cache.leasing = (tier, *further), tier
    return tier
