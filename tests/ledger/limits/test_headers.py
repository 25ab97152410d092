"""What a call is told of its limits."""

from __future__ import annotations

import pytest

from narthex.ledger.limits.counters import Gauge
from narthex.ledger.limits.headers import ANTHROPIC, OPENAI, duration, headers_of
from tests.ledger.limits.making import NOON, limit

STANDS = [
    (limit(amount=10), Gauge(used=3, reserved=1, resets_s=60.0)),
    (limit(amount=1_000, period="day"), Gauge(used=995, reserved=0, resets_s=43_200.0)),
    (limit(amount=5, hard=False), Gauge(used=5, reserved=0, resets_s=1.0)),
    (limit(measure="tokens", amount=50), Gauge(used=60, reserved=0, resets_s=None)),
    (limit(measure="input_tokens", amount=50), Gauge(used=1, reserved=0, resets_s=0.5)),
    (limit(measure="parallel", amount=5, period="total"), Gauge(used=0, reserved=1, resets_s=None)),
]


def test_the_tightest_of_each_kind_is_told_to_openais_clients() -> None:
    """The one of which least is left; soft limits refuse nothing and are left out, and nothing is ever below zero."""
    assert headers_of(STANDS, OPENAI, NOON) == (
        ("x-ratelimit-limit-requests", "1000"),
        ("x-ratelimit-remaining-requests", "5"),
        ("x-ratelimit-reset-requests", "12h0m0s"),
        ("x-ratelimit-limit-tokens", "50"),
        ("x-ratelimit-remaining-tokens", "0"),
    )


def test_anthropics_clients_are_told_in_their_own_words() -> None:
    """With moments instead of durations."""
    told = dict(headers_of(STANDS, ANTHROPIC, NOON))
    assert told["anthropic-ratelimit-requests-reset"] == "2026-09-29T00:00:00Z"
    assert told["anthropic-ratelimit-input-tokens-remaining"] == "49"
    assert "anthropic-ratelimit-output-tokens-limit" not in told


def test_of_a_bucket_its_burst_is_what_is_left() -> None:
    """As much as may pass at once."""
    stands = [(limit(window="rolling", burst=4), Gauge(used=1, reserved=0, resets_s=6.0))]
    told = dict(headers_of(stands, OPENAI, NOON))
    assert told["x-ratelimit-remaining-requests"] == "3"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0171, "17ms"), (1, "1s"), (59.2, "1m0s"), (360, "6m0s"), (93_601, "26h0m1s")],
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    """Below a second in milliseconds, above it rounded up to whole seconds."""
    assert duration(seconds) == text
