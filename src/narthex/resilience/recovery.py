"""What failed, what was rescued and by which way, what was lost: plain counters, by class of failure.

An attempt that failed is counted under its class as it fails. When its call has ended, that is counted under the class
of the failure that set the rescue off: as rescued, by the way that brought the answer, or as lost. What is told as the
truth at once (an invalid request, a caller who left) is a failed attempt, and neither rescued nor lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from narthex.errors import Failure


class Way(StrEnum):
    """How an answer came about although an attempt had failed."""

    RETRY = "retry"
    """The same target answered when it was asked again."""
    FALLBACK = "fallback"
    """Another target answered."""
    CONTINUE = "continue"
    """An answer that broke off was carried on."""
    RESTART = "restart"
    """An answer that broke off was begun anew."""
    HEDGE = "hedge"
    """A second attempt, made because the first was late, answered when that had failed."""


class _Tally:
    """The counters of one class of failure."""

    __slots__ = ("attempts", "lost", "rescued")

    def __init__(self) -> None:
        self.attempts = 0
        self.lost = 0
        self.rescued = dict.fromkeys(Way, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """What became of one class of failure."""

    failure: Failure
    attempts: int
    """Attempts that failed like this."""
    rescued: int
    """Calls that got their answer all the same."""
    lost: int
    """Calls that ended without an answer."""
    by_way: dict[Way, int]
    """The rescued ones, by how; only ways that were gone."""


class Recovery:
    """The counters of this process; their number is fixed by the classes of failure and the ways."""

    __slots__ = ("_tallies",)

    def __init__(self) -> None:
        self._tallies = {failure: _Tally() for failure in Failure}

    def failed(self, failure: Failure) -> None:
        """Count an attempt that failed."""
        self._tallies[failure].attempts += 1

    def rescued(self, failure: Failure, way: Way) -> None:
        """Count a call that was answered although an attempt had failed like this."""
        self._tallies[failure].rescued[way] += 1

    def lost(self, failure: Failure) -> None:
        """Count a call that ended without an answer, after everything that could be tried."""
        self._tallies[failure].lost += 1

    def snapshot(self) -> tuple[RecoveryReport, ...]:
        """Return what became of every class of failure that occurred, in the order of the classes."""
        return tuple(
            RecoveryReport(
                failure=failure,
                attempts=tally.attempts,
                rescued=sum(tally.rescued.values()),
                lost=tally.lost,
                by_way={way: count for way, count in tally.rescued.items() if count},
            )
            for failure, tally in self._tallies.items()
            if tally.attempts or tally.lost or any(tally.rescued.values())
        )

    def lines(self) -> Iterator[str]:
        """Yield the counters in Prometheus's text format.

        https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        reports = self.snapshot()
        yield "# HELP narthex_failed_attempts_total Attempts that failed, by class of failure."
        yield "# TYPE narthex_failed_attempts_total counter"
        for report in reports:
            yield f'narthex_failed_attempts_total{{failure="{report.failure}"}} {report.attempts}'
        yield "# HELP narthex_calls_rescued_total Calls answered although an attempt failed, by failure and way."
        yield "# TYPE narthex_calls_rescued_total counter"
        for report in reports:
            for way, count in report.by_way.items():
                yield f'narthex_calls_rescued_total{{failure="{report.failure}",way="{way}"}} {count}'
        yield "# HELP narthex_calls_lost_total Calls that nothing could rescue, by class of failure."
        yield "# TYPE narthex_calls_lost_total counter"
        for report in reports:
            yield f'narthex_calls_lost_total{{failure="{report.failure}"}} {report.lost}'
