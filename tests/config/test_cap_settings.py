"""Limits in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.config.cap_settings import CapSettings, MeteringSettings, cap_problems, caps
from narthex.config.load import load
from narthex.errors import ConfigError
from narthex.types.limits import Measure, Period, SubjectKind


def cap(**given: object) -> CapSettings:
    """Return a limit of the configuration."""
    fields: dict[str, object] = {"name": "one", "key": "app", "measure": "requests", "amount": 10, "period": "minute"}
    return CapSettings.model_validate(fields | given)


def problems(*given: CapSettings) -> dict[tuple[str | int, ...], str]:
    """Return what is wrong, by where it stands."""
    return dict(cap_problems(given, keys=["app"]))


def test_a_limit_of_the_configuration_is_a_limit() -> None:
    """Its key is that of the configuration; a virtual one, the local user and each have their own names."""
    (one,) = caps([cap(burst=5, window="rolling", hard=False)])
    assert (one.id, one.subject_kind, one.subject) == ("cap:one", SubjectKind.KEY, "config:app")
    assert (one.measure, one.amount, one.period, one.burst) == (Measure.REQUESTS, 10, Period.MINUTE, 5)
    assert (one.window, one.hard, one.organisation_id, one.workspace_id) == ("rolling", False, "", None)
    assert [caps([cap(key=name)])[0].subject for name in ("key_1", "local", "*")] == ["key_1", "local", "*"]


def test_without_a_subject_it_is_everybodys() -> None:
    """All calls that this server makes for its own organisation are counted together."""
    (one,) = caps([cap(key=None)])
    assert (one.subject_kind, one.subject) == (SubjectKind.ORGANISATION, "org_default")
    (other,) = caps([cap(key=None, tag="team=*")])
    assert (other.subject_kind, other.subject) == (SubjectKind.TAG, "team=*")


@pytest.mark.parametrize(
    ("given", "option", "says"),
    [
        ({"amount": -5}, "amount", "below zero"),
        ({"currency": "EUR"}, "currency", "`USD`"),
        ({"key": "apq"}, "key", '"app"'),
        ({"model": "openai/*"}, "model", "one subject"),
        ({"key": None, "tag": "red"}, "tag", "name=value"),
        ({"key": None, "model": "gpt-[45]"}, "model", "no pattern"),
        ({"burst": 3}, "burst", "rolling"),
        ({"period": "total", "window": "rolling"}, "window", "roll"),
        ({"measure": "parallel"}, "period", "total"),
        ({"alert_percents": (80,)}, "alert_percents", "an hour"),
    ],
)
def test_what_cannot_hold_is_told_where_it_stands(given: dict[str, object], option: str, says: str) -> None:
    """At its option, with the remedy."""
    found = problems(cap(**given))
    assert says in found["caps", 0, option], found


def test_good_limits_are_taken() -> None:
    """Zero too, which lets nothing pass; and two that have one subject."""
    assert problems(cap(), cap(name="two", amount=0)) == {}
    assert "name of its own" in problems(cap(), cap())["caps", 1, "name"]


def test_the_file_is_refused_with_its_line(tmp_path: Path) -> None:
    """As every other contradiction."""
    file = tmp_path / "narthex.toml"
    file.write_text('[[caps]]\nname = "a"\nmeasure = "cost_microusd"\namount = 5\ncurrency = "CHF"\nperiod = "day"\n')
    with pytest.raises(ConfigError, match=r"narthex\.toml:5.*CHF"):
        load(file=file, environ={"HOME": str(tmp_path)})


def test_money_is_safe_by_default() -> None:
    """Where Redis is away calls with a budget wait, and others go on."""
    assert (MeteringSettings().money_when_away, MeteringSettings().rates_when_away) == ("closed", "open")
