"""Counters as plain integers, rendered for Prometheus when scraped.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Final

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the histograms' buckets, in seconds."""

MAX_SERIES: Final = 2_000
"""Combinations of model and outcome that are told apart; more are counted under `other`."""

WELL: Final = frozenset({"ok", "replayed"})
"""Outcomes of calls that did not fail."""


class Histogram:
    """How often a time fell into each bucket."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.total_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one time."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s += seconds


class Series:
    """The counters of one model with one outcome."""

    __slots__ = ("duration", "first_frame", "input_tokens", "output_tokens", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.duration = Histogram()
        self.first_frame = Histogram()


class Tally:
    """The counters of calls of one kind.

    Attributes:
        active: Calls under way.
    """

    def __init__(self) -> None:
        self.active = 0
        self._series: dict[tuple[str, str, str], Series] = {}

    def series(self, operation: str, model: str, outcome: str) -> Series:
        """Return the counters of calls with this model; `outcome` is `ok`, `replayed` or an error code."""
        key = (operation, model, outcome)
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= MAX_SERIES:
                key = (operation, "other", outcome)
                series = self._series.get(key)
            if series is None:
                series = self._series[key] = Series()
        return series

    @property
    def total(self) -> int:
        """Calls begun."""
        return self.active + sum(series.requests for series in self._series.values())

    @property
    def failed(self) -> int:
        """Calls that ended without a whole answer."""
        return sum(series.requests for (_, _, outcome), series in self._series.items() if outcome not in WELL)

    @property
    def input_tokens(self) -> int:
        """Tokens read, of all calls."""
        return sum(series.input_tokens for series in self._series.values())

    @property
    def output_tokens(self) -> int:
        """Tokens written, of all calls."""
        return sum(series.output_tokens for series in self._series.values())

    def lines(self, prefix: str, calls: str) -> Iterator[str]:
        """Render all series.

        Args:
            prefix: Of the names of the metrics.
            calls: What these are the counters of, as the help texts call it.
        """
        series = sorted(self._series.items())
        yield f"# HELP {prefix}_requests_total {calls} ended, by outcome."
        yield f"# TYPE {prefix}_requests_total counter"
        for labels, one in series:
            yield f"{prefix}_requests_total{{{_labels(labels)}}} {one.requests}"
        yield f"# HELP {prefix}_tokens_total Tokens counted, by direction."
        yield f"# TYPE {prefix}_tokens_total counter"
        for labels, one in series:
            yield f'{prefix}_tokens_total{{{_labels(labels)},direction="input"}} {one.input_tokens}'
            yield f'{prefix}_tokens_total{{{_labels(labels)},direction="output"}} {one.output_tokens}'
        yield from _histogram(f"{prefix}_request_duration_seconds", f"{calls}: time of each.", series, "duration")
        yield from _histogram(f"{prefix}_first_frame_seconds", "Time to the first frame.", series, "first_frame")


class Metrics(Tally):
    """All counters of this process; its own tally is that of callers' calls.

    Attributes:
        shadows: The tally of copies of calls, so that none of them is ever taken for a caller's.
        log_lines_dropped: Lines of the request log that were lost.
        sources: Render the lines of counters that others keep.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shadows = Tally()
        self.started_at = time.time()
        self.log_lines_dropped = 0
        self.sources: list[Callable[[], Iterator[str]]] = []

    def render(self) -> str:
        """Return all of it in Prometheus's text format."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from _single("narthex_requests_active", "gauge", "Model calls under way.", self.active)
        yield from _single("narthex_start_time_seconds", "gauge", "Unix time of the start.", self.started_at)
        yield from _single(
            "narthex_request_log_dropped_total", "counter", "Request log lines lost.", self.log_lines_dropped
        )
        yield from self.lines("narthex", "Model calls")
        for source in self.sources:
            yield from source()
        yield from _single("narthex_shadow_requests_active", "gauge", "Copies of calls under way.", self.shadows.active)
        yield from self.shadows.lines("narthex_shadow", "Copies of calls")


def _single(name: str, kind: str, text: str, value: float) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    yield f"{name} {value}"


def _histogram(
    name: str, text: str, series: list[tuple[tuple[str, str, str], Series]], attribute: str
) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} histogram"
    for labels, one in series:
        histogram: Histogram = getattr(one, attribute)
        running = 0
        for bound, count in zip((*BUCKETS_S, "+Inf"), histogram.counts, strict=True):
            running += count
            yield f'{name}_bucket{{{_labels(labels)},le="{bound}"}} {running}'
        yield f"{name}_sum{{{_labels(labels)}}} {histogram.total_s:.6f}"
        yield f"{name}_count{{{_labels(labels)}}} {running}"


def _labels(labels: tuple[str, str, str]) -> str:
    operation, model, outcome = labels
    return f'operation="{operation}",model="{escaped(model)}",outcome="{outcome}"'


def escaped(value: str) -> str:
    """Return the value of a label as it is written between quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
