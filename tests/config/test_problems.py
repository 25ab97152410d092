"""Problems as lines."""

from __future__ import annotations

import datetime as dt

from narthex.config.origins import Origin
from narthex.config.problems import Problem, did_you_mean, kind_of, lines, nearest, shown


def test_a_line_has_place_path_and_message() -> None:
    """What is missing leaves no gap in the line."""
    place = Origin(kind="file", name="narthex.toml", line=42, column=7)
    assert str(Problem(message="bad", origin=place, path=("log", "level"))) == "narthex.toml:42:7 log.level: bad"
    assert str(Problem(message="bad", path=("log",))) == "log: bad"
    assert str(Problem(message="bad")) == "bad"


def test_lines_follow_the_file_and_come_once() -> None:
    """The file comes first, from top to bottom, then the environment, then flags; nothing is said twice."""
    problems = [
        Problem(message="e", origin=Origin(kind="flag", name="--port")),
        Problem(message="d", origin=Origin(kind="environment", name="NARTHEX_DATA_DIR")),
        Problem(message="c", origin=Origin(kind="file", name="f", line=10, column=1)),
        Problem(message="b", origin=Origin(kind="file", name="f", line=9, column=1)),
        Problem(message="b", origin=Origin(kind="file", name="f", line=9, column=1)),
    ]
    assert lines(problems) == ("f:9:1: b", "f:10:1: c", "NARTHEX_DATA_DIR: d", "--port: e")


def test_the_nearest_word_begins_alike() -> None:
    """Typing errors are recognised, chance likeness is not."""
    assert nearest("prot", ["port", "host"]) == "port"
    assert nearest("Tls-Cert", ["tls_cert"]) == "tls_cert"
    assert nearest("mine", ["gemini"]) is None
    assert did_you_mean("grok", ["groq"]) == '; did you mean "groq"?'
    assert did_you_mean("x", ["groq"], otherwise="!") == "!"


def test_values_are_shown_in_bounds() -> None:
    """A long value is cut; a secret one is named by its kind only."""
    assert shown("é") == '"é"'
    assert len(shown("x" * 1000)) <= 61
    kinds: list[object] = [None, True, 1, 1.5, "x", {}, [], dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]
    expected = ["nothing", "true or false", "a number", "a number", "text", "a table", "a list", "a date or time"]
    assert [kind_of(value) for value in kinds] == expected
