"""A Redis in this process's memory, as far as it says whose turn it is and passes answers on while they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from narthex.cache.entries import Entry
from narthex.cache.leases import Lease, Outcome, Turn
from narthex.cache.live import Hearing, LiveAnswers, Speaker, Telling
from narthex.cache.tier_figures import TierFigures
from narthex.cache.tiers.contract import LeasingTier
from tests.pipeline.doubles import House


class Between:
    """What several houses have in common: entries, leases, and answers that are being made."""

    name = "redis"

    def __init__(self, *houses: House) -> None:
        self.figures = TierFigures()
        self.live: LiveAnswers | None = self
        self.entries: dict[bytes, Entry] = {}
        self.lease: Lease | None = None
        self.speaker: Speaker | None = None
        self.telling: Telling | None = None
        self.head: bytes | None = None
        """What others hear in place of what is said of an answer."""
        self.hearings: list[Hearing] = []
        self._waiting: list[asyncio.Future[Outcome | None]] = []
        self._tokens = 0
        for one in houses:
            one.cache.below, one.cache.leasing = (self,), self

    # -- entries and leases ----------------------------------------------------------------------------------------

    async def get(self, key: bytes) -> Entry | None:
        """See `Tier`."""
        return self.entries.get(key)

    async def put(self, entry: Entry) -> None:
        """See `Tier`."""
        self.entries[entry.key] = entry

    async def remove(self, keys: Sequence[bytes]) -> None:
        """See `Tier`."""

    async def clear(self, scope: str | None = None) -> None:
        """See `Tier`."""

    def is_leasing(self) -> bool:
        """See `LeasingTier`."""
        return True

    async def get_in_turn(self, key: bytes, turn: Turn) -> Entry | None:
        """See `LeasingTier`."""
        if key not in self.entries:
            await self.lead(key, turn)
        return self.entries.get(key)

    async def lead(self, key: bytes, turn: Turn) -> None:
        """See `LeasingTier`."""
        if self.lease is not None:
            turn.elsewhere_s, turn.holder = 30.0, self.lease.token
            return
        self._tokens += 1
        turn.elsewhere_s, turn.lease = None, Lease(key, f"one:{self._tokens}", self._ended)
        self.lease = turn.lease

    def _ended(self, _lease: Lease, outcome: Outcome) -> None:
        self.lease = self.speaker = None
        # What was told comes before.
        asyncio.get_running_loop().call_soon(self._tell, outcome)

    async def told(self, key: bytes, within_s: float) -> Outcome | None:
        """See `LeasingTier`."""
        del key, within_s
        future: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return await future

    def _tell(self, outcome: Outcome | None) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(outcome)

    # -- answers that are being made -------------------------------------------------------------------------------

    def offer(self, lease: Lease, speaker: Speaker) -> None:
        """See `LiveAnswers`."""
        del lease
        self.speaker = speaker
        self._begin()

    def hear(self, key: bytes, token: str, form: bytes) -> Hearing | None:
        """See `LiveAnswers`."""
        self.hearings.append(Hearing(key, token, form, self._left))
        self._begin()
        return self.hearings[-1]

    def _begin(self) -> None:
        wanted = [one for one in self.hearings if self.speaker is not None and one.form == self.speaker.form]
        if wanted and self.speaker is not None and self.telling is None:
            self.telling = Telling("one:1", self.speaker.form, self._woken)
            if not self.speaker.begin(self.telling):
                self.telling = None

    def _woken(self) -> None:
        asyncio.get_running_loop().call_soon(self.pass_on)

    def pass_on(self) -> None:
        """Pass on what was told."""
        telling = self.telling
        if telling is None:
            return
        for group in telling.take():
            for one in self.hearings:
                one.head = self.head or telling.head
                one.feed(group.last - len(group.pieces) + 1, group.pieces)
        for one in tuple(self.hearings):
            one.words = telling.words
            one.wake()
        if telling.words is not None:
            self.telling = None
            telling.stop()
        self._tell(None)

    def break_off(self) -> None:
        """Have no more of it come, and no end."""
        for one in tuple(self.hearings):
            one.lose()

    def _left(self, hearing: Hearing) -> None:
        self.hearings.remove(hearing)
        if not self.hearings and self.telling is not None:
            telling, self.telling = self.telling, None
            telling.stop()


_conforms: type[LeasingTier] = Between
