"""Functions that the configuration names are found, or it is said why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from narthex.config.functions import NoFunction, function_at


def test_a_function_is_found() -> None:
    """By its module and name, also one inside a class."""
    assert function_at("json:dumps") is json.dumps
    assert function_at("pathlib:Path.home")() == Path.home()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("json.dumps", "names no function"),
        ("json:", "names no function"),
        (":dumps", "names no function"),
        ("json:dumps()", "names no function"),
        ("no_such_module:f", 'there is no module "no_such_module"'),
        ("json.no_such:f", 'there is no module "json.no_such"'),
        ("json:nothing", 'has no "nothing"'),
        ("json:__name__", "cannot be called"),
    ],
)
def test_what_is_none_is_refused(path: str, said: str) -> None:
    """Not of the form, not there, or not to be called: each with its own words."""
    with pytest.raises(NoFunction, match=said):
        function_at(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("import no_such_module", 'needs "no_such_module"'),
        ("def (", "cannot be imported: SyntaxError"),
    ],
)
def test_a_module_that_breaks_is_told(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever importing it raises is said, and ends nothing."""
    (tmp_path / "broken_answers.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NoFunction, match=said):
        function_at("broken_answers:f")
