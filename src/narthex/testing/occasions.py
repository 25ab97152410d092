"""Which scenarios are due in a call: their rhythm, their chance, their memory."""

from __future__ import annotations

from collections.abc import Callable

from narthex.testing.chance import random_for
from narthex.testing.scenarios import Flap, Limits, Scenario

_MINUTE_S = 60.0


class Occasions:
    """Tells which of a provider's faults are due at each call; keeps count of calls and limits."""

    def __init__(self, faults: tuple[Scenario, ...], *, seed: int, clock: Callable[[], float]) -> None:
        self._faults = faults
        self._seed = seed
        self._clock = clock
        self._began_at = clock()
        self._played = [0] * len(faults)
        self._buckets: dict[Limits, _Bucket] = {}
        self.calls = 0

    def due(self) -> list[Scenario]:
        """Count one more call and return what goes wrong in it."""
        self.calls += 1
        found = [place for place, scenario in enumerate(self._faults) if self._is_due(place, scenario)]
        for place in found:
            self._played[place] += 1
        return [self._faults[place] for place in found]

    def _is_due(self, place: int, scenario: Scenario) -> bool:
        if scenario.times is not None and self._played[place] >= scenario.times:
            return False
        if isinstance(scenario, Flap) and not self._is_down(scenario):
            return False
        if scenario.every is not None:
            return self.calls % scenario.every == 0
        if scenario.probability is not None:
            return random_for(self._seed, "fault", place, self.calls).random() < scenario.probability
        return True

    def _is_down(self, scenario: Flap) -> bool:
        return int((self._clock() - self._began_at) / scenario.period_s) % 2 == (scenario.starts == "up")

    def limited_s(self, scenario: Limits, tokens: int) -> float | None:
        """Charge a call of so many input tokens; return how long to wait if it is over the limits."""
        bucket = self._buckets.setdefault(scenario, _Bucket(scenario, self._clock()))
        return bucket.charge(tokens, self._clock())


class _Bucket:
    """The limits of one scenario: refilled evenly, full at the start."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._at = now
        self._requests = float(limits.requests_per_minute or 0)
        self._tokens = float(limits.tokens_per_minute or 0)

    def charge(self, tokens: int, now: float) -> float | None:
        """Take one request and its tokens, or return the seconds until there are enough of both."""
        self._refill(now)
        waits = [
            (needed - held) * _MINUTE_S / limit
            for needed, held, limit in (
                (1, self._requests, self._limits.requests_per_minute),
                (tokens, self._tokens, self._limits.tokens_per_minute),
            )
            if limit is not None and held < needed
        ]
        if waits:
            return max(waits)
        self._requests -= 1
        self._tokens -= tokens
        return None

    def _refill(self, now: float) -> None:
        share = (now - self._at) / _MINUTE_S
        self._at = now
        requests, tokens = self._limits.requests_per_minute or 0, self._limits.tokens_per_minute or 0
        self._requests = min(requests, self._requests + share * requests)
        self._tokens = min(tokens, self._tokens + share * tokens)
