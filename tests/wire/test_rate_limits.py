"""What answers tell of rate limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from narthex.providers.transport.headers import Headers
from narthex.wire.rate_limits import MOST_S, Side, are_told, duration_s, read_limits

WALL = 1_793_491_200.0
"""2026-11-01 00:00:00 UTC."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h2m3.5s", 3_723.5),
        ("2m59.56s", 179.56),
        ("12.5", 12.5),
        ("7m", 420.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("1s1h", None),
    ],
)
def test_durations_are_read(text: str, seconds: float | None) -> None:
    """As each provider writes them."""
    assert duration_s(text) == seconds


def test_openai_tells_both() -> None:
    """With how long it takes until all of it is there again."""
    told = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert are_told(told)
    assert read_limits(told, wall=WALL) == (Side(60, 59, 1.0), Side(150_000, 149_984, 360.0))


def test_anthropic_tells_moments() -> None:
    """And input tokens beside all tokens: what is left of the tighter one counts."""
    told = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2026-11-01T00:00:30Z",
        "anthropic-ratelimit-tokens-limit": "50000",
        "anthropic-ratelimit-tokens-remaining": "20000",
        "anthropic-ratelimit-tokens-reset": "2026-11-01T00:00:10Z",
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "10000",
        "anthropic-ratelimit-input-tokens-reset": "2026-11-01T00:00:20Z",
    }
    assert are_told(told)
    assert read_limits(told, wall=WALL) == (Side(50, 0, 30.0), Side(40_000, 10_000, 20.0))


def test_what_has_no_time_is_not_gone_by() -> None:
    """But where the answer says when to come back; nothing is believed for longer than a day."""
    left = {"x-ratelimit-remaining-requests": "0"}
    assert read_limits(left, wall=WALL) == (None, None)
    assert read_limits({**left, "retry-after": "7"}, wall=WALL).requests == Side(None, 0, 7.0)
    assert read_limits({**left, "x-ratelimit-reset-requests": "9999h"}, wall=WALL).requests == Side(None, 0, MOST_S)


@pytest.mark.parametrize("name", ["x-ratelimit-remaining-requests", "X-RateLimit-Remaining-Requests"])
def test_headers_as_they_came_are_known_by_their_names(name: str) -> None:
    """Without one being decoded; of others nothing is told."""
    headers = Headers({name.encode(): b"3", b"retry-after": b"1"})
    assert are_told(headers)
    assert read_limits(headers, wall=WALL).requests == Side(None, 3, 1.0)
    assert not are_told(Headers({b"content-type": b"a"}))
    assert not are_told({"content-type": "a"})


@given(
    some.dictionaries(
        some.sampled_from(
            [
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
                "x-ratelimit-limit-requests",
                "retry-after",
            ]
        ),
        some.text(max_size=25) | some.sampled_from(["1e400", "-5", "inf", "9" * 20, "1.5", "٣"]),
    )
)
def test_nonsense_is_not_told(headers: dict[str, str]) -> None:
    """Whatever stands there, nothing fails, and no figure is below zero."""
    told = read_limits(headers, wall=WALL)
    if told.requests is not None:
        assert told.requests.remaining >= 0
        assert 0 <= told.requests.resets_s <= MOST_S
