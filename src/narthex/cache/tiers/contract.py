"""What a tier outside this process's memory does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from narthex.cache.entries import Entry
from narthex.cache.leases import Outcome, Turn
from narthex.cache.live import LiveAnswers
from narthex.cache.tier_figures import TierFigures


class Tier(Protocol):
    """Holds entries where others than this process may find them too.

    Whatever is wrong with it, nobody has to wait for long and nothing is raised: an entry that cannot be had is not
    there, one that cannot be written is not written, and the log says so once.
    """

    name: str
    """`redis`, `sqlite`, `postgresql`: in figures and headers."""
    figures: TierFigures
    """Counts its failures and what is written to it; whoever asks it counts the rest."""

    async def get(self, key: bytes) -> Entry | None:
        """Return the entry under a key; None also where it cannot be read in time, or is damaged."""
        ...

    async def put(self, entry: Entry) -> None:
        """Hold an entry, in the place of one under its key, until it is of no use any more."""
        ...

    async def remove(self, keys: Sequence[bytes]) -> None:
        """Let go of entries."""
        ...

    async def clear(self, scope: str | None = None) -> None:
        """Let go of all entries, or of those that are shared under a scope."""
        ...


class LeasingTier(Tier, Protocol):
    """A tier that gives out leases as well."""

    live: LiveAnswers | None
    """Tells other processes of answers that are made under a lease, as they come; None where nothing does."""

    def is_leasing(self) -> bool:
        """Tell whether it does at this moment."""
        ...

    async def get_in_turn(self, key: bytes, turn: Turn) -> Entry | None:
        """Return the entry under a key; where there is none `turn` says whose turn it is, if that can be known."""
        ...

    async def lead(self, key: bytes, turn: Turn) -> None:
        """Have `turn` say whose turn it is to ask, whatever lies there."""
        ...

    async def told(self, key: bytes, within_s: float) -> Outcome | None:
        """Wait until another process's lease ends; None where that is not told in time, or something can be heard."""
        ...
