"""The configuration and the variables beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.cli.health.settings import access, configuration, script_problems
from narthex.config.load import load


def test_a_good_configuration(home: Path) -> None:
    """Its file is named, or that there is none."""
    loaded, (finding,) = configuration(None, {"HOME": str(home)})
    assert loaded is not None
    assert (finding.status, finding.detail) == ("ok", "no file; the defaults")
    (home / "narthex.toml").write_text("")
    assert configuration(None, {"HOME": str(home)})[1][0].detail == str(home / "narthex.toml")


def test_a_bad_configuration(home: Path) -> None:
    """Each problem is a finding, and there is nothing to go on with."""
    loaded, findings = configuration(None, {"HOME": str(home), "NARTHEX_SERVER__PORT": "x", "NARTHEX_LOG__X": "y"})
    assert loaded is None
    assert [finding.status for finding in findings] == ["fail", "fail"]


def test_warnings_are_remarks(home: Path) -> None:
    """A variable that means nothing, and a setting that is probably not meant."""
    _, findings = configuration(None, {"HOME": str(home), "NARTHEX_PORT": "1", "NARTHEX_EMBEDDED__ENABLED": "0"})
    assert [(finding.name, finding.status) for finding in findings[1:]] == [
        ("Environment", "warn"),
        ("Configuration", "warn"),
    ]


def test_the_script_of_a_provider_is_read_too(home: Path) -> None:
    """What only the scripted provider knows about its options is found before the server starts."""
    (home / "narthex.toml").write_text('[providers.demo]\nkind = "scripted"\nscript = { repply = "x" }\n')
    loaded = load(environ={"HOME": str(home)}, directory=home)
    (problem,) = script_problems(loaded)
    assert problem.startswith("narthex.toml:3:12 providers.demo.script.repply: ")
    assert configuration(None, {"HOME": str(home)})[1][0].status == "fail"


@pytest.mark.parametrize(("keys", "detail"), [("", "this machine only"), ("0123456789abcdef", "1 configured")])
def test_who_gets_in(home: Path, keys: str, detail: str) -> None:
    """With keys, whoever has one; without, only this machine."""
    loaded = load(environ={"HOME": str(home), "NARTHEX_API_KEYS": keys}, directory=home)
    assert detail.replace("this machine only", "only this machine") in access(loaded).detail
