"""What is known of models at this moment: calls in flight, latency, whether they are there and since when."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import Final, Protocol

MAX_TRACKED: Final = 4_096
"""Models of which figures are kept; beyond it, those without calls in flight are forgotten."""
FAILED_S: Final = 1.0
"""What the failure of a model of which nothing else is known counts for, at least."""
MAX_FAILED_S: Final = 60.0
"""Where the doubling by failures ends."""


class Live(Protocol):
    """Figures of models by name, as they are now."""

    def in_flight(self, name: str, /) -> int:
        """Return how many calls are under way."""
        ...

    def latency_s(self, name: str, /) -> float | None:
        """Return how long a first token takes, in seconds; None if that is not known."""
        ...

    def available(self, name: str, /) -> bool:
        """Tell whether calls may be sent to it."""
        ...

    def since(self, name: str, /) -> float | None:
        """Return when it came (back), in seconds of the clock; None if it was always there."""
        ...


class _Figure:
    """Figures of one model."""

    __slots__ = ("in_flight", "latency_s", "seen_at")

    def __init__(self) -> None:
        self.in_flight = 0
        self.latency_s: float | None = None
        self.seen_at = 0.0


def _always(_name: str) -> bool:
    return True


def _ever(_name: str) -> float | None:
    return None


class Figures:
    """Counts calls in flight and keeps latency as a peak-sensitive average that fades.

    A latency above the average replaces it at once, one below moves it by the time that passed since the last; while
    nothing is measured it sinks, so that a model that was slow is tried again. This is Finagle's Peak EWMA:
    https://github.com/twitter/finagle/blob/develop/finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/PeakEwma.scala
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        available: Callable[[str], bool] = _always,
        since: Callable[[str], float | None] = _ever,
        fade_s: float = 10.0,
    ) -> None:
        """Begin with nothing measured.

        Args:
            clock: Seconds of the monotonic clock.
            available: Who knows whether calls may be sent to a model, such as its circuit breaker.
            since: Who knows when a model came back, in seconds of the same clock.
            fade_s: Time in which an old latency loses two thirds of its weight, in seconds.
        """
        self._clock = clock
        self._fade_s = fade_s
        self._figures: dict[str, _Figure] = {}
        self.available = available
        self.since = since

    def begin(self, name: str) -> None:
        """Count a call that is sent; each is to be ended by `end`."""
        figure = self._figures.get(name) or self._track(name)
        figure.in_flight += 1

    def end(self, name: str) -> None:
        """Count a call as over, however it ended."""
        figure = self._figures.get(name)
        if figure is not None and figure.in_flight:
            figure.in_flight -= 1

    def observe(self, name: str, latency_s: float) -> None:
        """Take in how long a first token took, in seconds."""
        figure = self._figures.get(name) or self._track(name)
        now = self._clock()
        before = figure.latency_s
        if before is not None:
            kept = exp((figure.seen_at - now) / self._fade_s)
            before *= kept
            if latency_s < before:
                latency_s = before + latency_s * (1 - kept)
        figure.latency_s, figure.seen_at = latency_s, now

    def failed(self, name: str, latency_s: float) -> None:
        """Take in a call that failed after `latency_s`: it counts as twice what was known, or as long as it took.

        So a model that fails at once never looks quick, and one that goes on failing is soon left alone.
        """
        known = self.latency_s(name)
        doubled = FAILED_S if known is None else min(2 * known, MAX_FAILED_S)
        figure = self._figures.get(name) or self._track(name)
        figure.latency_s, figure.seen_at = max(latency_s, doubled, known or 0.0), self._clock()

    def in_flight(self, name: str) -> int:
        """Return how many calls are under way."""
        figure = self._figures.get(name)
        return figure.in_flight if figure is not None else 0

    def latency_s(self, name: str) -> float | None:
        """Return the faded peak of the time to the first token, in seconds; None if none was measured."""
        figure = self._figures.get(name)
        if figure is None or figure.latency_s is None:
            return None
        return figure.latency_s * exp((figure.seen_at - self._clock()) / self._fade_s)

    def _track(self, name: str) -> _Figure:
        if len(self._figures) >= MAX_TRACKED:
            self._figures = {known: figure for known, figure in self._figures.items() if figure.in_flight}
        figure = self._figures[name] = _Figure()
        return figure
