"""What an entry may be given for; how it is told is in the tests of `Recall` and of what means the same."""

from __future__ import annotations

import pytest

from narthex.cache.directives import read
from narthex.cache.store import Found
from narthex.cache.tiers.memory import Held
from narthex.pipeline.giving import against, pace_of
from tests.cache.kept import entry

NOW = 1_000_000


@pytest.mark.parametrize(
    ("control", "age_ms", "why"),
    [
        ("max-age=60", 59_000, None),
        ("max-age=60", 61_000, "too old"),
        ("min-fresh=60", 3_550_000, "too old"),
        ("max-stale=10", 3_605_000, None),
        ("max-stale=10", 3_611_000, "expired"),
        ("min-fresh=0", 3_601_000, "too old"),
    ],
)
def test_what_a_request_says_of_age(control: str, age_ms: int, why: str | None) -> None:
    """As RFC 9111 has it."""
    one = entry(made_ms=NOW - age_ms, fresh_ms=3_600_000, error_ms=9_999_999)
    found = Found(Held(one), one.standing(NOW), "memory", age_ms)
    assert against(found, read(None, control.encode())) == why


def test_pace() -> None:
    """By its tokens and its time; None where either is not known."""
    pace = pace_of(entry(took_ms=2_000, output_tokens=100))
    assert pace is not None
    assert pace.tokens_per_s == 50
    assert pace_of(entry(took_ms=0)) is None
