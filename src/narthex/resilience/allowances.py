"""What targets still allow, by the headers of their answers: calls are held back before a provider must refuse them.

A provider tells with each answer how many requests and tokens are left, and when all of it is there again. Until then
more comes in evenly, as most count (a token bucket); of one that refuses a call nevertheless it is believed that
nothing comes in before that (a window). Calls under way may be counted by the provider already or not: they are taken
for not counted, so that nothing is promised twice.

Of a target that tells nothing there is no allowance, and nothing is held.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from narthex.telemetry.metrics import escaped
from narthex.wire.rate_limits import Side, Told

MOST: Final = 4_096
"""Targets whose allowances are known; beyond it the one that was told first is forgotten."""
SHORT_S: Final = 0.05
"""So long a call rather waits than goes elsewhere."""


class AllowanceReport(msgspec.Struct, frozen=True, kw_only=True):
    """How one stands; None where nothing is told."""

    requests_limit: int | None
    requests_left: int | None
    requests_reset_s: float | None
    tokens_limit: int | None
    tokens_left: int | None
    tokens_reset_s: float | None
    windowed: bool
    """Whether nothing comes in before all of it does."""
    held: int
    """Calls that waited for it."""
    passed_on: int
    """Calls that went elsewhere, or were told when to come back."""


class _Bucket:
    """One limit of a target, as it was told last."""

    __slots__ = ("at_s", "full_s", "limit", "remaining", "told", "under_way")

    def __init__(self) -> None:
        self.told = False
        self.limit: int | None = None
        self.remaining = 0
        self.at_s = self.full_s = -math.inf
        self.under_way = 0

    def hear(self, side: Side, now_s: float) -> None:
        self.told = True
        self.limit, self.remaining = side.limit, side.remaining
        self.at_s, self.full_s = now_s, now_s + side.resets_s

    def left(self, now_s: float, *, windowed: bool) -> float:
        """Return how much is left, calls under way taken off."""
        if not self.told:
            return math.inf
        if now_s >= self.full_s:
            return math.inf if self.limit is None else self.limit - self.under_way
        return self.remaining + self._came_in(now_s, windowed=windowed) - self.under_way

    def wait_s(self, need: int, now_s: float, *, windowed: bool) -> float:
        """Return in how many seconds so much is left."""
        if self.limit is not None:
            # What never fits the provider may refuse itself, when all of it is there.
            need = min(need, self.limit - self.under_way) if self.under_way < self.limit else 1
        missing = need - self.left(now_s, windowed=windowed)
        if missing <= 0:
            return 0.0
        if now_s >= self.full_s:
            # Only calls under way are in the way, and what they are counted as is told with their answers.
            return SHORT_S
        rate = 0.0 if windowed or self.limit is None else (self.limit - self.remaining) / (self.full_s - self.at_s)
        return min(missing / rate, self.full_s - now_s) if rate > 0 else self.full_s - now_s

    def _came_in(self, now_s: float, *, windowed: bool) -> float:
        if windowed or self.limit is None:
            return 0.0
        return max(0, self.limit - self.remaining) * (now_s - self.at_s) / (self.full_s - self.at_s)


class Allowance:
    """What one target still allows."""

    __slots__ = ("_requests", "_tokens", "held", "passed_on", "windowed")

    def __init__(self) -> None:
        self._requests, self._tokens = _Bucket(), _Bucket()
        self.windowed = False
        self.held = self.passed_on = 0

    def wait_s(self, tokens: int, now_s: float) -> float:
        """Return in how many seconds a call with so many tokens may go out; 0 for now."""
        requests = self._requests.wait_s(1, now_s, windowed=self.windowed)
        return max(requests, self._tokens.wait_s(max(tokens, 1), now_s, windowed=self.windowed))

    def has_spare(self, now_s: float) -> bool:
        """Tell whether half of what is allowed is left, so that a call that nobody waits for is in nobody's way."""
        buckets = (self._requests, self._tokens)
        return all(2 * one.left(now_s, windowed=self.windowed) > (one.limit or 0) for one in buckets)

    def begin(self, tokens: int) -> None:
        """Take note of a call that goes out."""
        self._requests.under_way += 1
        self._tokens.under_way += tokens

    def end(self, tokens: int) -> None:
        """Take note that its answer has come, or will not."""
        self._requests.under_way -= 1
        self._tokens.under_way -= tokens

    def hear(self, told: Told, *, refused: bool, now_s: float) -> None:
        """Go by what an answer tells from now on.

        Args:
            told: It.
            refused: Whether the call was refused for the sake of the limit.
            now_s: The time.
        """
        if refused and self._requests.told:
            self.windowed = True
        if told.requests is not None:
            self._requests.hear(told.requests, now_s)
        if told.tokens is not None:
            self._tokens.hear(told.tokens, now_s)

    def report(self, now_s: float) -> AllowanceReport:
        """Return how it stands."""
        requests, tokens = (self._told(bucket, now_s) for bucket in (self._requests, self._tokens))
        return AllowanceReport(
            requests_limit=requests[0],
            requests_left=requests[1],
            requests_reset_s=requests[2],
            tokens_limit=tokens[0],
            tokens_left=tokens[1],
            tokens_reset_s=tokens[2],
            windowed=self.windowed,
            held=self.held,
            passed_on=self.passed_on,
        )

    def _told(self, bucket: _Bucket, now_s: float) -> tuple[int | None, int | None, float | None]:
        left = bucket.left(now_s, windowed=self.windowed)
        return (
            bucket.limit,
            max(0, int(left)) if math.isfinite(left) else None,
            round(max(0.0, bucket.full_s - now_s), 3) if bucket.told else None,
        )


class Allowances:
    """Those of all targets that tell any.

    Attributes:
        known: By the names of the targets; empty while nothing was told.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none."""
        self.known: dict[str, Allowance] = {}
        self.follows = True
        """Whether what is told is gone by."""
        self._clock = clock

    def adopt(self, *, follows: bool) -> None:
        """Go by what is told from now on, or forget it."""
        self.follows = follows
        if not follows:
            self.known.clear()

    def has_spare(self, name: str) -> bool:
        """Tell whether a call that nobody waits for may go to a target, as far as it tells what it allows."""
        allowance = self.known.get(name)
        return allowance is None or allowance.has_spare(self._clock())

    def hear(self, name: str, told: Told, *, refused: bool) -> None:
        """Take note of what an answer tells of a target's limits."""
        if not self.follows or told == (None, None):
            return
        allowance = self.known.get(name)
        if allowance is None:
            if len(self.known) >= MOST:
                del self.known[next(iter(self.known))]
            allowance = self.known[name] = Allowance()
        allowance.hear(told, refused=refused, now_s=self._clock())

    def snapshot(self) -> dict[str, AllowanceReport]:
        """Return how all stand, by name."""
        now_s = self._clock()
        return {name: self.known[name].report(now_s) for name in sorted(self.known)}

    def lines(self) -> Iterator[str]:
        """Yield the figures in Prometheus's text format."""
        reports = self.snapshot()
        for metric, kind, text, field in _FIGURES:
            yield f"# HELP {metric} {text}"
            yield f"# TYPE {metric} {kind}"
            for name, report in reports.items():
                figure = getattr(report, field)
                if figure is not None:
                    yield f'{metric}{{model="{escaped(name)}"}} {figure}'


_FIGURES: Final = (
    ("narthex_model_requests_left", "gauge", "Requests that a provider still allows a model.", "requests_left"),
    ("narthex_model_tokens_left", "gauge", "Tokens that a provider still allows a model.", "tokens_left"),
    ("narthex_model_held_total", "counter", "Calls that were held back for a provider's rate limit.", "held"),
    (
        "narthex_model_passed_on_total",
        "counter",
        "Calls that went elsewhere, or were told when to come back, for a provider's rate limit.",
        "passed_on",
    ),
)
