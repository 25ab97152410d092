"""How many retries all calls together may make: a bucket that successes fill and retries empty.

While failures are rare every retry is granted; in an outage the bucket runs dry, and the load on what is failing stays
near that of the calls themselves. See https://brooker.co.za/blog/2022/02/28/retries.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_PARTS: Final = 1_000_000
"""A token is counted in millionths, so that sums are exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPolicy:
    """The size of a bucket of retries."""

    ratio: float = 0.1
    """What one success adds, in retries."""
    cap: float = 20.0
    """Most retries that can be saved up; over 200 failing calls they add 10 % of load."""
    reserve: float = 10.0
    """Retries that are granted before the first success."""

    def __post_init__(self) -> None:
        if not (0 <= self.ratio <= 1 and 0 <= self.reserve <= self.cap < 1_000_000):
            raise ValueError(f"{self!r}: expected 0 <= ratio <= 1 and 0 <= reserve <= cap")


class RetryBudget:
    """A bucket of retries, shared by all calls."""

    __slots__ = ("_cap", "_gain", "_left", "granted", "policy", "refused")

    def __init__(self, policy: BudgetPolicy | None = None) -> None:
        policy = policy or BudgetPolicy()
        self.adopt(policy)
        self._left = round(policy.reserve * _PARTS)
        self.granted = 0
        """Retries that were allowed so far."""
        self.refused = 0
        """Retries that were not."""

    def adopt(self, policy: BudgetPolicy) -> None:
        """Go by another policy from now on; what is saved up stays, as far as there is room for it."""
        self.policy = policy
        self._gain = round(policy.ratio * _PARTS)
        self._cap = round(policy.cap * _PARTS)

    @property
    def left(self) -> float:
        """Retries that would be granted now."""
        return self._left / _PARTS

    def succeeded(self) -> None:
        """Save a part of a retry, because a call went well."""
        if self._left < self._cap:
            self._left = min(self._left + self._gain, self._cap)

    def take(self) -> bool:
        """Spend one retry; False where there is none, and the call must do without."""
        if self._left < _PARTS:
            self.refused += 1
            return False
        self._left -= _PARTS
        self.granted += 1
        return True
