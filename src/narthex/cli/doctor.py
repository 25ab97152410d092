"""`narthex doctor`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

import click

from narthex.cli.exits import Exit
from narthex.cli.health.examinations import examine
from narthex.cli.health.findings import Finding
from narthex.cli.parameters import config_option, json_option
from narthex.cli.terminal import print_json

_HELP = """
Say what is wrong with this set-up, and how to mend it.

Looks at Python and its packages, the machine, the configuration and the environment, the data folder, TLS files, the
port, the embedded models, and asks each provider for its models, and the database for pgvector where that is of use.
Changes nothing. Ends with 1 if something does not work.

\b
Examples:
  narthex doctor
  narthex doctor --offline               ask no other machine
  narthex doctor --json | jq '.findings[] | select(.status != "ok")'
"""

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(help=_HELP)
@config_option
@click.option("--offline", "is_offline", is_flag=True, help="Ask no provider.")
@json_option
def command(*, file: Path | None, is_offline: bool, as_json: bool) -> None:
    """Examine the set-up."""
    findings = examine(file=file, environ=os.environ, is_offline=is_offline)
    if as_json:
        found = list(findings)
        is_well = all(finding.status != "fail" for finding in found)
        print_json({"ok": is_well, "findings": [dataclasses.asdict(finding) for finding in found]})
    else:
        is_well = _told(findings)
    if not is_well:
        raise click.exceptions.Exit(Exit.FAILURE)


def _told(findings: Iterable[Finding]) -> bool:
    """Print each finding as it comes, then the sum; return whether all works."""
    counts = {"ok": 0, "warn": 0, "fail": 0}
    for finding in findings:
        counts[finding.status] += 1
        mark = click.style(finding.status.ljust(4), fg=_COLOURS[finding.status], bold=finding.status != "ok")
        click.echo(f"{mark}  {finding.name}: {finding.detail}")
        if finding.remedy:
            click.echo(f"      → {finding.remedy}")
    click.echo(_sum(counts["warn"], counts["fail"]))
    return not counts["fail"]


def _sum(warnings: int, failures: int) -> str:
    if failures:
        return f"\n{_counted(failures, 'thing')} to mend, {_counted(warnings, 'remark')}."
    return f"\nAll works, {_counted(warnings, 'remark')}." if warnings else "\nAll is well."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
