"""The places at all targets: a limit on calls at once for each, by name."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from narthex.resilience.allowances import Allowances
from narthex.resilience.concurrency import AdaptiveLimit, LimitPolicy, LimitReport
from narthex.telemetry.metrics import escaped

MOST: Final = 4_096
"""Targets whose places are kept; beyond it one makes room of which nothing was learned and which nobody asks."""


class Places:
    """Every target's limit, made when the target is first called.

    Attributes:
        policy: For targets whose provider has no maximum of its own.
        allowances: What targets still allow, by what they tell.
    """

    def __init__(
        self,
        policy: LimitPolicy | None = None,
        *,
        maximums: Mapping[str, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without any.

        Args:
            policy: How limits move.
            maximums: Most calls at once to each target of these providers, in place of the policy's.
            clock: Says the seconds.
        """
        self.policy = policy or LimitPolicy()
        self._maximums = dict(maximums or {})
        self._clock = clock
        self._limits: dict[str, AdaptiveLimit] = {}
        self.allowances = Allowances(clock=clock)
        self.allowances.adopt(follows=self.policy.follows)

    def of(self, name: str) -> AdaptiveLimit:
        """Return the limit of the target `provider/model`."""
        limit = self._limits.get(name)
        if limit is None:
            if len(self._limits) >= MOST:
                self._make_room()
            limit = self._limits[name] = AdaptiveLimit(self._policy_of(name), clock=self._clock)
        return limit

    def has_spare(self, name: str) -> bool:
        """Tell whether a call that nobody waits for would be in nobody's way at a target."""
        return self.of(name).has_spare and self.allowances.has_spare(name)

    def adopt(self, policy: LimitPolicy, maximums: Mapping[str, int]) -> None:
        """Go by other settings from now on; what was learned of targets is kept."""
        self.policy = policy
        self.allowances.adopt(follows=policy.follows)
        self._maximums = dict(maximums)
        for name, limit in self._limits.items():
            limit.adopt(self._policy_of(name))

    def snapshot(self) -> tuple[tuple[str, LimitReport], ...]:
        """Return how every limit stands, by name."""
        return tuple((name, self._limits[name].report()) for name in sorted(self._limits))

    def lines(self) -> Iterator[str]:
        """Yield the figures in Prometheus's text format.

        https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        reports = self.snapshot()
        for metric, kind, text, of in _FIGURES:
            yield f"# HELP {metric} {text}"
            yield f"# TYPE {metric} {kind}"
            for name, report in reports:
                figure = of(report)
                if figure is not None:
                    yield f'{metric}{{model="{escaped(name)}"}} {figure}'
        yield from self.allowances.lines()

    def _policy_of(self, name: str) -> LimitPolicy:
        maximum = self._maximums.get(name.partition("/")[0])
        return self.policy if maximum is None else dataclasses.replace(self.policy, maximum=maximum)

    def _make_room(self) -> None:
        """Drop the oldest limit that nothing is lost with; where each is in use there is one more."""
        idle = next((name for name, limit in self._limits.items() if limit.idle), None)
        if idle is not None:
            del self._limits[idle]


_FIGURES: Final[tuple[tuple[str, str, str, Callable[[LimitReport], int | None]], ...]] = (
    ("narthex_model_in_flight", "gauge", "Calls under way at a model.", lambda report: report.in_flight),
    ("narthex_model_waiting", "gauge", "Calls that wait for a place at a model.", lambda report: report.waiting),
    ("narthex_model_limit", "gauge", "Calls at once to a model, where they are limited.", lambda report: report.limit),
    ("narthex_model_no_place_total", "counter", "Calls that got no place in time.", lambda report: report.refused),
    (
        "narthex_model_crowded_total",
        "counter",
        "How often a provider said that there were too many calls.",
        lambda report: report.crowded,
    ),
)
