"""`narthex doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from narthex.cli import doctor
from narthex.cli.health.findings import Finding, bad, good, poor
from tests.cli.conftest import Invoke

QUIET = {"NARTHEX_DISCOVERY__OLLAMA": "false", "NARTHEX_SERVER__PORT": "0"}


def test_a_fresh_machine_works(invoke: Invoke) -> None:
    """With nothing configured nothing fails; what could be better is a remark with its command."""
    result = invoke("doctor", "--offline", **QUIET)
    assert result.exit_code == 0
    assert "fail" not in result.stdout
    assert "→ narthex models install smollm2" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("All works, ")


def test_every_fault_of_the_configuration_is_a_finding(invoke: Invoke, home: Path) -> None:
    """A configuration that cannot be used fails, line by line."""
    (home / "narthex.toml").write_text("[server]\nprot = 1\nhots = 2\n")
    result = invoke("doctor", "--offline", **QUIET)
    assert result.exit_code == 1
    assert result.stdout.count("fail  Configuration: narthex.toml:") == 2
    assert "2 things to mend" in result.stdout


def test_the_findings_for_programs(invoke: Invoke) -> None:
    """JSON holds the same findings."""
    told = json.loads(invoke("doctor", "--offline", "--json", NARTHEX_PORT="1", **QUIET).stdout)
    assert told["ok"] is True
    found = {finding["name"]: finding for finding in told["findings"]}
    assert found["Environment"]["status"] == "warn"
    assert found["Environment"]["remedy"] == "unset NARTHEX_PORT, or correct its name"
    assert set(found["Python"]) == {"name", "status", "detail", "remedy"}


@pytest.mark.parametrize(
    ("findings", "code", "last"),
    [
        ([good("A", "a")], 0, "All is well."),
        ([good("A", "a"), poor("B", "b", "c")], 0, "All works, 1 remark."),
        ([bad("A", "a", "b"), poor("B", "b", "c"), poor("B", "b", "c")], 1, "1 thing to mend, 2 remarks."),
    ],
)
def test_the_sum(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, findings: list[Finding], code: int, last: str
) -> None:
    """The last line says whether anything must be done, and so does the exit code."""
    monkeypatch.setattr(doctor, "examine", lambda **_: iter(findings))
    result = invoke("doctor")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (code, last)
