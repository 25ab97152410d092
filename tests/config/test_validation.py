"""Values against the declared options."""

from __future__ import annotations

from narthex.config.layers import Layers
from narthex.config.origins import Origin
from narthex.config.validation import Validated, validate

FILE = Origin(kind="file", name="f", line=1, column=1)


def validated(**values: object) -> Validated:
    """Validate values as if a file had given them."""
    layers = Layers()
    for name, value in values.items():
        layers.add((name,), value, FILE)
    return validate(layers)


def test_what_fits_is_kept_beside_what_does_not() -> None:
    """The settings that remain have the default in place of each misfit."""
    result = validated(server={"port": "x", "host": "::1"}, log={"level": "debug"})
    assert (result.settings.server.port, result.settings.server.host) == (8484, "::1")
    assert result.settings.log.level == "debug"
    assert result.pruned == (("server", "port"),)


def test_a_misfit_in_a_list_takes_the_list_with_it() -> None:
    """Removing one item would move the others from their lines; each misfit is told all the same."""
    result = validated(keys=[{"name": "a"}, {"name": "b", "key": 1}, {"name": "c", "key": "k", "x": 1}])
    assert result.settings.keys == ()
    assert [problem.path for problem in result.problems] == [("keys", 0, "key"), ("keys", 1, "key"), ("keys", 2, "x")]


def test_a_misfit_is_told_once() -> None:
    """What was left out is not then missed."""
    assert [str(problem) for problem in validated(keys=[{"name": "a", "key": 1}]).problems] == [
        "f:1:1 keys.0.key: expected text in quotes, got a number"
    ]


def test_a_bad_name_is_told_as_a_name() -> None:
    """The name is at fault, not what stands under it."""
    (problem,) = validated(aliases={"a b": "x/y"}).problems
    assert problem.path == ("aliases", "a b")
    assert "not a usable name" in problem.message


def test_an_unknown_key_that_looks_like_a_mark_is_unknown() -> None:
    """A key called as validation calls its own places is a key like any other."""
    assert [problem.path for problem in validated(**{"[key]": None}).problems] == [("[key]",)]


def test_whole_numbers_are_numbers() -> None:
    """Seconds may be written without a fraction; whole numbers may not be written with one."""
    assert validated(timeouts={"total_s": 5}).settings.timeouts.total_s == 5.0
    assert validated(server={"port": 5.0}).problems
