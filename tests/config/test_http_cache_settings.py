"""Rules of what clients may keep."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from narthex.config.http_cache_settings import HttpCacheSettings, http_cache_problems


def settings(*said: str) -> HttpCacheSettings:
    """Return settings with rules that say this."""
    return HttpCacheSettings.model_validate({"rules": [{"path": "/api/*", "cache_control": one} for one in said]})


def test_directives_are_taken_as_they_are() -> None:
    """Those of RFC 9111 and RFC 5861 hold."""
    fine = settings("private, max-age=60", "no-store", 'max-age=5, stale-while-revalidate=10, x="y, z"')
    assert [told for _, told in http_cache_problems(settings("private, max-age=60", "no-store"))] == []
    assert fine.rules[1].cache_control == "no-store"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("max age", "no directive"),
        ("private,", "no directive"),
        ("no-store\r\nset-cookie: a=b", "no directive"),
        ("public, max-age=60", "one caller's answer to another"),
        ("S-maxage=5", "one caller's answer to another"),
    ],
)
def test_what_cannot_hold_is_refused_with_its_place(said: str, why: str) -> None:
    """What is no directive, and what lets caches give one caller's answer to another, is told with its place."""
    ((place, told),) = http_cache_problems(settings("no-store", said))
    assert place == ("rules", 1, "cache_control")
    assert why in told


def test_a_path_is_a_path() -> None:
    """A pattern begins like a path or with anything."""
    with pytest.raises(ValidationError):
        HttpCacheSettings.model_validate({"rules": [{"path": "api", "cache_control": "no-store"}]})
