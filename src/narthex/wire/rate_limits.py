"""What providers tell in the headers of their answers of their rate limits: how much is left, and when there is more.

- OpenAI and those that speak like it, such as Groq, Azure, Together or vLLM's gateways:
  https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
- Anthropic: https://docs.anthropic.com/en/api/rate-limits#response-headers
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

MOST_S: Final = 86_400.0
"""Longest time that is believed: limits are counted by the day at most."""
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS_S: Final = (3_600.0, 60.0, 1.0, 0.001)


class Side(NamedTuple):
    """One limit, as it was told."""

    limit: int | None
    """How much may be used at all; None if that is not told."""
    remaining: int
    resets_s: float
    """In how many seconds all of it is there again."""


class Told(NamedTuple):
    """What an answer tells; None where it tells nothing."""

    requests: Side | None
    tokens: Side | None


def are_told(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer's headers tell of limits; asked of every answer, so it decodes none."""
    raw = getattr(headers, "raw", None)
    if raw is None:
        return "x-ratelimit-remaining-requests" in headers or any("ratelimit" in name for name in headers)
    return (
        b"x-ratelimit-remaining-requests" in raw
        or b"anthropic-ratelimit-requests-remaining" in raw
        or b"x-ratelimit-remaining-tokens" in raw
        or b"X-RateLimit-Remaining-Requests" in raw
        or b"X-Ratelimit-Remaining-Requests" in raw
    )


def read_limits(headers: Mapping[str, str], *, wall: float) -> Told:
    """Return what headers tell of limits; what cannot be understood is taken for not told.

    Args:
        headers: By names in lower case.
        wall: Now, in seconds of Unix time.
    """
    requests = _openai(headers, "requests") or _anthropic(headers, "requests", wall)
    tokens = [_openai(headers, "tokens")]
    tokens += [_anthropic(headers, name, wall) for name in ("input-tokens", "tokens")]
    told = [side for side in tokens if side is not None]
    return Told(requests, min(told, key=lambda side: side.remaining) if told else None)


def _openai(headers: Mapping[str, str], what: str) -> Side | None:
    remaining = _count(headers.get(f"x-ratelimit-remaining-{what}"))
    if remaining is None:
        return None
    resets_s = duration_s(headers.get(f"x-ratelimit-reset-{what}", ""))
    return _side(_count(headers.get(f"x-ratelimit-limit-{what}")), remaining, resets_s, headers)


def _anthropic(headers: Mapping[str, str], what: str, wall: float) -> Side | None:
    remaining = _count(headers.get(f"anthropic-ratelimit-{what}-remaining"))
    if remaining is None:
        return None
    resets_s = _until_s(headers.get(f"anthropic-ratelimit-{what}-reset", ""), wall)
    return _side(_count(headers.get(f"anthropic-ratelimit-{what}-limit")), remaining, resets_s, headers)


def _side(limit: int | None, remaining: int, resets_s: float | None, headers: Mapping[str, str]) -> Side | None:
    if resets_s is None:
        resets_s = duration_s(headers.get("retry-after", ""))
    if resets_s is None:
        # Without a time nobody knows for how long it holds.
        return None
    return Side(limit, remaining, min(max(resets_s, 0.0), MOST_S))


def duration_s(text: str) -> float | None:
    """Return a duration such as `6m0s`, `20ms`, `1h2m3.5s` or `12.5`, in seconds; None if it is none."""
    text = text.strip()
    try:
        plain = float(text)
    except ValueError:
        plain = math.nan
    if math.isfinite(plain):
        return plain
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    return sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS_S, strict=True) if part)


def _until_s(text: str, wall: float) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() - wall


def _count(text: str | None) -> int | None:
    if text is None or len(text) > 20:
        return None
    try:
        value = int(float(text))
    except (ValueError, OverflowError):
        return None
    return max(value, 0)
