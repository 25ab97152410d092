"""How the caches of prompts that providers have are used, and which prefixes came before."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal

import msgspec

MAX_REMEMBERED: Final = 8_192
"""Prefixes that are remembered; the one that was longest not used goes first."""
TTLS_S: Final = {"5m": 300.0, "1h": 3_600.0}


class _Use(msgspec.Struct, gc=False):
    at: float
    """When it came last, in seconds of the clock."""
    call: str
    """In which call."""
    uses: int
    """In how many, this one included."""


class Prefixes:
    """Remembers for a while which prefixes came, by their digests: nothing of what they say."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin with none; the clock tells seconds."""
        self._clock = clock
        self._uses: OrderedDict[bytes, _Use] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._uses)

    def idle_s(self, digest: bytes) -> float:
        """Return how long ago a prefix came last, in seconds; infinite for one that is not remembered."""
        known = self._uses.get(digest)
        return math.inf if known is None else self._clock() - known.at

    def uses(self, digest: bytes, call: str, *, within_s: float) -> int:
        """Note that a prefix came, and return in how many calls so far, each not later than that after the one before.

        Several attempts at one call are one.
        """
        now, known = self._clock(), self._uses.get(digest)
        if known is None or now - known.at >= within_s:
            known = self._uses[digest] = _Use(now, call, 1)
            if len(self._uses) > MAX_REMEMBERED:
                self._uses.popitem(last=False)
        elif known.call != call:
            known.call, known.uses = call, known.uses + 1
        known.at = now
        self._uses.move_to_end(digest)
        return known.uses


class PrefixCaching(msgspec.Struct, frozen=True, kw_only=True):
    """How calls of a model are written so that its provider's cache is used well."""

    way: Literal["markers", "key"]
    """`markers`: the provider is told what to keep. `key`: it keeps by itself, and is told what belongs together."""
    auto: bool
    """Whether without being asked to."""
    ttl: Literal["5m", "1h"]
    """How long what is marked is kept."""
    prefixes: Prefixes
    """Which ones came before."""
    least_output_tokens: int = 1
    """The fewest tokens that may be asked of such a model: what the cheapest call has written."""
