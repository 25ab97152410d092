"""Tests of the options of merges."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from narthex.config.checks import contradictions
from narthex.config.merge_settings import MergeSettings, merge_problems
from tests.gateways import settings_for

MODELS = ("a/x", "b/y")
DUEL = {"duel": {"models": ["demo/a", "demo/b"]}}


def places(merge: MergeSettings, **others: MergeSettings) -> list[tuple[str | int, ...]]:
    """Return where something cannot hold in a merge named `duel`; there are `a/x`, `b/y` and the provider `b`."""
    known = {*MODELS, "j/z"}
    problems = merge_problems(
        {"duel": merge, **others},
        taken={"b"},
        unknown=lambda name: None if name in known else "there is no such model",
    )
    return [path for path, _ in problems]


def test_what_can_hold() -> None:
    """Models alone race; a judge goes with the best of several, and only with it."""
    assert places(MergeSettings(models=MODELS)) == []
    assert places(MergeSettings(models=MODELS, mode="best_of", judge="j/z", criteria="Short.")) == []


@pytest.mark.parametrize(
    ("merge", "place"),
    [
        (MergeSettings(models=("a/x", "nobody/z")), ("merges", "duel", "models", 1)),
        (MergeSettings(models=("a/x", "duel")), ("merges", "duel", "models", 1)),
        (MergeSettings(models=("a/x", "merge:a/x,b/y")), ("merges", "duel", "models", 1)),
        (MergeSettings(models=MODELS, mode="best_of"), ("merges", "duel")),
        (MergeSettings(models=MODELS, mode="best_of", judge="nobody/z"), ("merges", "duel", "judge")),
        (MergeSettings(models=MODELS, judge="j/z"), ("merges", "duel", "judge")),
        (MergeSettings(models=MODELS, criteria="Short."), ("merges", "duel", "criteria")),
    ],
)
def test_what_cannot_hold(merge: MergeSettings, place: tuple[str | int, ...]) -> None:
    """Each fault is told at its place."""
    assert places(merge) == [place]


def test_names_are_not_taken_twice() -> None:
    """A merge named as a provider, an alias or a virtual model is refused."""
    assert places(MergeSettings(models=MODELS), b=MergeSettings(models=MODELS)) == [("merges", "b")]


@pytest.mark.parametrize("count", [1, 9])
def test_how_many(count: int) -> None:
    """One model is nothing to merge, and more than eight are refused."""
    with pytest.raises(ValidationError):
        MergeSettings(models=("a/x",) * count)


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"aliases": {"both": "duel"}, "default_model": "both"}, []),
        ({"aliases": {"both": "merge:demo/a,demo/b"}}, [("aliases", "both")]),
        ({"aliases": {"both": "duel"}, "fallbacks": {"demo/a": ["both"]}}, [("fallbacks", "demo/a", 0)]),
        (
            {"aliases": {"both": "duel"}, "merges": {**DUEL, "more": {"models": ["demo/a", "both"]}}},
            [("merges", "more", "models", 1)],
        ),
        ({"answers": [{"models": ["duel"], "text": "Later."}]}, []),
    ],
)
def test_where_one_may_be_named(changes: dict[str, object], places: list[tuple[str | int, ...]]) -> None:
    """An alias and the default model may lead to one; where one model has to serve, none may."""
    settings = settings_for(Path(), providers={"demo": {"kind": "scripted"}}, **{"merges": DUEL, **changes})
    assert [one.path for one in contradictions(settings) if one.path[0] != "data_dir"] == places
