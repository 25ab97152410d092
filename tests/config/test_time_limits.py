"""Limits of time that can never be reached."""

from __future__ import annotations

import pytest

from narthex.config.origins import dotted
from narthex.config.settings import Settings
from narthex.config.time_limits import too_long

SCRIPTED = {"kind": "scripted"}


def found(**values: object) -> list[str]:
    """Return the paths of the limits that are too long."""
    return [dotted(path) for path, _, _ in too_long(Settings.model_validate(values))]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"timeouts": {"total_s": 2}},
        {"timeouts": {"first_token_s": 60, "total_s": 60}},
        {"timeouts": {"first_token_s": 30}, "providers": {"a": {**SCRIPTED, "timeouts": {"total_s": 2}}}},
        {"providers": {"a": {**SCRIPTED, "timeouts": {"first_token_s": 900, "total_s": 1_000}}}},
        {
            "providers": {"a": {**SCRIPTED, "timeouts": {"total_s": 1_000}}},
            "models": {"a/m": {"timeouts": {"first_token_s": 900}}},
        },
        {"models": {"fast": {"timeouts": {"idle_s": 900}}}},
    ],
)
def test_what_is_only_inherited_ends_with_the_shorter_one(values: dict[str, object]) -> None:
    """Who sets one limit need not set the others; one that is longer elsewhere may be so where it counts."""
    assert found(**values) == []


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"timeouts": {"idle_s": 601}}, ["timeouts.idle_s"]),
        ({"timeouts": {"connect_s": 5, "total_s": 4}}, ["timeouts.connect_s"]),
        ({"timeouts": {"headers_s": 20, "first_token_s": 10}}, ["timeouts.headers_s"]),
        (
            {"timeouts": {"total_s": 60}, "providers": {"a": {**SCRIPTED, "timeouts": {"first_token_s": 100}}}},
            ["providers.a.timeouts.first_token_s"],
        ),
        ({"models": {"local/m": {"timeouts": {"first_token_s": 700}}}}, ['models."local/m".timeouts.first_token_s']),
        (
            {
                "providers": {"a": {**SCRIPTED, "timeouts": {"total_s": 50}}},
                "models": {"a/m": {"timeouts": {"idle_s": 55}}},
            },
            ['models."a/m".timeouts.idle_s'],
        ),
        ({"models": {"fast": {"timeouts": {"idle_s": 9, "total_s": 8}}}}, ["models.fast.timeouts.idle_s"]),
    ],
)
def test_a_limit_that_is_set_must_be_within_reach(values: dict[str, object], paths: list[str]) -> None:
    """It must not exceed the one that ends the call first, wherever that one is set."""
    assert found(**values) == paths


def test_the_message_names_the_bound_and_the_remedy() -> None:
    """And what the conclusion rests on, so that nothing is concluded from a faulty value."""
    settings = Settings.model_validate({"timeouts": {"idle_s": 9, "total_s": 8}})
    ((path, message, depends),) = too_long(settings)
    assert path == ("timeouts", "idle_s")
    assert message == "longer than `total_s`, 8 s, which is over first; raise that, or lower this"
    assert ("timeouts", "total_s") in depends
