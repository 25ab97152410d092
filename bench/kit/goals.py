"""The goals, and whether a run meets them.

Ratios are taken within a round, between windows that lie seconds apart, and their median is judged: so a busy minute
weighs on both sides.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.kit.records import Journal, Window

OURS = "narthex"
YARDSTICK = "nginx"
Figure = Callable[[Window], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One goal, and what was measured."""

    goal: str
    limit: float
    unit: str
    values: Sequence[float]
    """One for each round or start; empty if it was not measured."""
    strict: bool = True
    """Whether the limit itself is too much."""

    @property
    def value(self) -> float | None:
        """What is judged."""
        return statistics.median(self.values) if self.values else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None if it was not measured."""
        if self.value is None:
            return None
        return self.value < self.limit if self.strict else self.value <= self.limit


def cpu_per_answer(window: Window) -> float | None:
    """The figure behind "CPU per request"."""
    return window.cpu_us_per_answer


def cpu_per_event(window: Window) -> float | None:
    """The figure behind "CPU per stream event"."""
    return window.cpu_us_per_event


def median_latency(window: Window) -> float | None:
    """The figure behind "added at the median"."""
    return window.latency_us["p50"] if window.answers_total else None


def pairs(journal: Journal, scenario: str, figure: Figure, *, of: str, to: str) -> list[tuple[float, float]]:
    """Return a figure of two targets, round by round."""
    other = {window.round: figure(window) for window in journal.windows(to, scenario)}
    both = [(figure(window), other.get(window.round)) for window in journal.windows(of, scenario)]
    return [(left, right) for left, right in both if left is not None and right]


def ratios(journal: Journal, scenario: str, figure: Figure, *, of: str = OURS, to: str = YARDSTICK) -> list[float]:
    """Return a figure of a target as a multiple of another's, round by round."""
    return [left / right for left, right in pairs(journal, scenario, figure, of=of, to=to)]


def added_us(journal: Journal, scenario: str, *, of: str = OURS) -> list[float]:
    """Return the median latency that a target adds, round by round."""
    return [left - right for left, right in pairs(journal, scenario, median_latency, of=of, to="direct")]


def _against_nginx(journal: Journal, goal: str, scenario: str, figure: Figure, limit: float) -> Verdict:
    values = ratios(journal, scenario, figure)
    return Verdict(goal=f"{goal}, against nginx", limit=limit, unit="×", values=values, strict=False)


def judge(journal: Journal) -> list[Verdict]:
    """Hold a run against the goals."""
    idle = journal.memory_mb(OURS, "idle")
    ready = [start.ready_s for start in journal.starts(OURS) if start.ready_s is not None]
    added_ms = [added / 1000 for added in added_us(journal, "json-1")]
    return [
        _against_nginx(journal, "CPU per request, 64 connections", "json-64", cpu_per_answer, 3),
        _against_nginx(journal, "CPU per stream event, 16 streams at full speed", "sse-16", cpu_per_event, 1),
        _against_nginx(journal, "CPU per event of long streams, 16 at full speed", "long-16", cpu_per_event, 1),
        _against_nginx(journal, "CPU per stream event, 64 paced streams", "paced-64", cpu_per_event, 1),
        Verdict(goal="added at the median, one connection", limit=0.15, unit=" ms", values=added_ms),
        Verdict(goal="memory idle", limit=80, unit=" MB", values=[] if idle is None else [idle]),
        Verdict(goal="ready after launch", limit=1, unit=" s", values=ready),
        Verdict(goal="import of the command line", limit=0.3, unit=" s", values=journal.imports_s()),
    ]
