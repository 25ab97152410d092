"""Which faults are due in a call, and those that take the place of an answer."""

from __future__ import annotations

from collections.abc import Callable

from narthex.errors import Failure, ProviderError, ProviderUnreachable
from narthex.providers.scripted.texts import random_for
from narthex.testing.scenarios import ContextOverflow, Fail, Flap, Limits, Outage, RateLimit, Scenario
from narthex.wire.failures import provider_error

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
        return int((self._clock() - self._began_at) / scenario.period_s) % 2 == 1

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


def refusal(scenario: Scenario, provider: str) -> ProviderError | None:
    """Return the error that a scenario answers with in place of an answer, if it does."""
    match scenario:
        case Fail():
            message = scenario.message or f"the script answers {scenario.status}"
            return provider_error(message, code=scenario.code, kind=None, status=scenario.status, provider=provider)
        case RateLimit():
            return limited(provider, scenario.retry_after_s)
        case ContextOverflow():
            return too_long(provider, "the script says that the request is too long")
        case Outage() | Flap():
            return _unreachable(provider, "the script says that nothing listens there")
        case _:
            return None


def limited(provider: str, retry_after_s: float) -> ProviderError:
    """Return the error of a provider whose rate limit is reached."""
    return provider_error(
        "Rate limit reached",
        code="rate_limit_exceeded",
        kind=None,
        status=429,
        provider=provider,
        retry_after_s=retry_after_s,
    )


def too_long(provider: str, message: str) -> ProviderError:
    """Return the error of a provider that finds the request longer than its window."""
    return provider_error(
        message, code="context_length_exceeded", kind=None, status=400, provider=provider, param="messages"
    )


def _unreachable(provider: str, message: str) -> ProviderUnreachable:
    return ProviderUnreachable(
        f"{provider!r} cannot be reached: {message}", provider=provider, failure=Failure.CONNECT, retryable=True
    )
