"""How long to wait before the same target is asked again: exponential, with full jitter, or as it asked.

Full jitter spreads callers that failed together over the whole interval, so that they do not come back together:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

_MAX_DOUBLINGS: Final = 60
"""Beyond this every ceiling is the cap, and a float would overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The pauses between tries at one target."""

    base_s: float = 0.25
    """Longest pause before the first retry; it doubles with each further one."""
    cap_s: float = 8.0
    """Longest pause that we choose ourselves."""
    jitter_s: float = 0.1
    """At most added to a pause that the target asked for."""

    def __post_init__(self) -> None:
        if not 0 < self.base_s <= self.cap_s < math.inf or not 0 <= self.jitter_s < math.inf:
            raise ValueError(f"{self!r}: expected 0 < base_s <= cap_s and jitter_s >= 0")

    def pause_s(
        self,
        retry: int,
        *,
        chance: random.Random,
        retry_after_s: float | None = None,
        remaining_s: float = math.inf,
    ) -> float | None:
        """Return how long to wait before another try, or None where no time is left for one.

        Args:
            retry: 0 for the first retry, 1 for the second, and so on.
            chance: Where the jitter comes from.
            retry_after_s: What the target asked for: never less is waited, and hardly more.
            remaining_s: Time until the call's deadline, which the pause never reaches past.
        """
        if not remaining_s > 0:
            return None
        if retry_after_s is None:
            ceiling_s = min(self.cap_s, self.base_s * 2.0 ** min(retry, _MAX_DOUBLINGS), remaining_s)
            return chance.random() * ceiling_s
        asked_s = max(0.0, retry_after_s)
        if not asked_s < remaining_s:
            return None
        return asked_s + chance.random() * min(self.jitter_s, remaining_s - asked_s)
