"""Refusing calls before this server is overwhelmed: the least urgent first, and again let in when it has recovered.

The sign is how late the event loop is. A lag that lasts, seen in `SAMPLES` looks in a row, takes the door up a step:
from the threshold on calls of low priority are refused, from twice the threshold normal ones too, from four times on
all. A single pause of any length is none. The door goes down by one step when the lag was below half of what had
closed it, again for so many looks: so it does not flutter.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from narthex.errors import Overloaded
from narthex.types.priorities import Priority

SAMPLES: Final = 3
_RETRY_S: Final = 1.0
"""When to come back at the earliest; chance adds up to as much again, so that not all come back at once."""


class Reason(StrEnum):
    """Why a call was refused."""

    LAG = "lag"
    """The event loop is late."""
    ACTIVE = "active"
    """There are as many calls as there may be."""


class Shedder:
    """Says whom this server takes.

    Attributes:
        least: The lowest priority that is taken; above `Priority.HIGH` nobody is.
        lag_s: Lag from which on calls of low priority are refused, in seconds; infinite for never.
        max_active: Most calls at once.
    """

    def __init__(self, *, lag_s: float = 0.25, max_active: int = 5_000, chance: random.Random | None = None) -> None:
        self.least: int = Priority.LOW
        self.lag_s = lag_s
        self.max_active = max_active
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._lags: deque[float] = deque(maxlen=SAMPLES)
        self._refused: Counter[tuple[Reason, Priority]] = Counter()

    @property
    def standing_lag_s(self) -> float:
        """The lag that lasts: the least of the latest looks."""
        return min(self._lags, default=0.0)

    def observe(self, lag_s: float) -> None:
        """Take in how late the event loop was."""
        lags = self._lags
        lags.append(lag_s)
        if len(lags) < SAMPLES:
            return
        standing_s = min(lags)
        while self.least <= Priority.HIGH and standing_s >= self._threshold_s(self.least):
            self.least += 1
        if self.least > Priority.LOW and max(lags) < self._threshold_s(self.least - 1) / 2:
            self.least -= 1
            # The next step down is judged by what comes after this one.
            lags.clear()

    def check(self, priority: int, active: int) -> None:
        """Let a call in.

        Args:
            priority: Its own.
            active: Calls under way, this one included.

        Raises:
            Overloaded: It is not taken now; `retry_after_s` says when to try again.
        """
        if priority < self.least:
            raise self._refusal(Reason.LAG, priority, "this server cannot keep up and takes no call of this priority")
        if active > self.max_active:
            raise self._refusal(Reason.ACTIVE, priority, "this server has as many calls under way as it takes")

    def refused(self) -> dict[tuple[Reason, Priority], int]:
        """Return how many calls were refused, for each reason and priority."""
        return dict(self._refused)

    def lines(self) -> Iterator[str]:
        """Yield the figures in Prometheus's text format.

        https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        yield "# HELP narthex_loop_lag_seconds How late the event loop is, if that lasts."
        yield "# TYPE narthex_loop_lag_seconds gauge"
        yield f"narthex_loop_lag_seconds {self.standing_lag_s:.6f}"
        yield "# HELP narthex_shed_total Calls refused because this server could not keep up, by reason and priority."
        yield "# TYPE narthex_shed_total counter"
        for (reason, priority), count in sorted(self._refused.items()):
            yield f'narthex_shed_total{{reason="{reason}",priority="{priority.word}"}} {count}'

    def _threshold_s(self, priority: int) -> float:
        """Return from which lag on calls of this priority are refused."""
        return self.lag_s * 2.0 ** (priority - Priority.LOW)

    def _refusal(self, reason: Reason, priority: int, why: str) -> Overloaded:
        self._refused[reason, Priority(priority)] += 1
        wait_s = max(_RETRY_S, self.standing_lag_s) * (1 + self._chance.random())
        return Overloaded(f"{why}; try again in a moment", retry_after_s=wait_s)
