"""`narthex ledger`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from narthex.cli.exits import Exit
from narthex.cli.opened import opened_services
from narthex.cli.parameters import config_option, json_option
from narthex.cli.reconcile import reconcile
from narthex.cli.terminal import counted, note, print_json, print_table, printable
from narthex.cli.usage import asked, asked_options, write_export
from narthex.config.load import load
from narthex.config.prices import prices
from narthex.ledger.days import unfold
from narthex.ledger.exporting import entry_columns, entry_row
from narthex.ledger.listing import newest
from narthex.ledger.money import usd
from narthex.ledger.periods import kept_since
from narthex.ledger.recovering import take_over
from narthex.ledger.rows import LedgerRows
from narthex.ledger.unfit import FILE, Sieve
from narthex.ledger.verifying import Verdict, repair, told, verify, wrong_hours, wrongly_folded

_HELP = """
See the entries of the ledger, write them into files, and check that all of it is right.

\b
Examples:
  narthex ledger list --only request=req_1234
  narthex ledger export --format parquet -o entries.parquet
  narthex ledger verify
  narthex ledger reconcile costs.json
"""
_VERIFY = """
Hold the ledger against all that it must agree with. Ends with 1 if something is wrong.

The sums of each hour are those of its entries; each cost is that of the entry's tokens at its price; the attempts of
each call are all there, and one of them is counted as the request; organisations, workspaces, users and keys are known;
what the journals have is in the database. With --repair sums that are wrong are summed up again; entries are never
changed.
"""
_RECOVER = """
Write into the ledger what processes that were killed have left in their journals.

A server does so at its start for its own data folder. This is for a node that does not come back: give the folder
`ledger` of its data folder, wherever that can be reached now. Journals of processes that live are left alone, and what
is in the ledger already is not written twice. It may be run again at any time, while servers run.

Only on the machine of a folder is it known which processes live: take a folder that several machines share only once
the node whose it is has ended.

\b
Examples:
  narthex ledger recover                 those of the data folder
  narthex ledger recover --journal /mnt/node-b/narthex/ledger
"""
_SHOWN = ("at", "id", "status", "model", "key_id", "input_tokens", "output_tokens", "cost_usd")


@click.group(help=_HELP)
def command() -> None:
    """See and check the ledger."""


@command.command("list", short_help="List the entries, the newest first.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@asked_options
@json_option
@config_option
def list_(
    *, limit: int, since: str | None, until: str | None, only: tuple[str, ...], as_json: bool, file: Path | None
) -> None:
    """List the entries, the newest first."""
    wanted = asked(since or "1970-01-01", until, only)
    with opened_services(file) as opened:
        found, more = opened.read(lambda connection: newest(connection, wanted, limit=limit))
    names = [column.name for column in entry_columns()]
    rows = [dict(zip(names, entry_row(one), strict=True)) for one in found]
    if as_json:
        print_json(rows)
        return
    cells = ([printable(str(row[name])) for name in _SHOWN] for row in rows)
    print_table([name.upper() for name in _SHOWN], cells)
    if more is not None:
        note("there are more: --limit, --from, --to and --only tell which are shown")


@command.command(short_help="Write the entries into a file.")
@click.option(
    "--format", "form", type=click.Choice(["csv", "json", "jsonl", "parquet"]), default="csv", show_default=True
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="By default standard output.")
@asked_options
@config_option
def export(**said: object) -> None:
    """Write the entries into a file."""
    write_export({**said, "what": "entries", "since": said["since"] or "1970-01-01"})


@command.command("verify", help=_VERIFY, short_help="Check that all of it is right.")
@click.option("--repair", "is_repair", is_flag=True, help="Sum up again what is summed up wrong.")
@json_option
@config_option
def verify_(*, is_repair: bool, as_json: bool, file: Path | None) -> None:
    """Check that all of it is right."""
    settings = load(file=file, environ=os.environ).settings
    journals, base = settings.data_dir.expanduser() / "ledger", tuple(prices(settings).values())
    since = kept_since(settings.retention.ledger_days, int(time.time() * 1_000))
    with opened_services(file) as opened:
        verdict = verify(opened.read, journals, base, since=since)
        hours, days = wrong_hours(verdict), wrongly_folded(verdict)
        if is_repair and (hours or days):
            for hour in hours:
                opened.database.write_now(lambda connection: repair(connection, hour))  # noqa: B023 - called at once
            # A server folds them again; until then the hours are asked.
            opened.database.write_now(lambda connection: unfold(connection, days))
            note(f"summed up {counted(len(hours), 'hour')} and {counted(len(days), 'day')} again")
            verdict = verify(opened.read, journals, base, since=since)
    _tell(verdict, as_json=as_json)
    if verdict.findings:
        sys.exit(Exit.FAILURE)


def _tell(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        print_json(told(verdict))
        return
    for check, where, says in verdict.findings:
        click.echo(f"{check}: {printable(where)}: {printable(says)}")
    entries, hours = counted(verdict.entries, "entry", "entries"), counted(verdict.hours, "hour")
    sums = f"{entries} in {hours}, {usd(verdict.cost_picousd)} US dollars"
    click.echo(f"{sums}: {f'{len(verdict.findings):,} faults' if verdict.findings else 'all of it is right'}")
    if verdict.not_checked:
        note(f"the prices of {verdict.not_checked:,} entries were configured and are not any more: not checked")


command.add_command(reconcile)


@command.command(help=_RECOVER, short_help="Take over what killed processes have left.")
@click.option(
    "--journal",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of the journals; by default `ledger` in the data folder.",
)
@config_option
def recover(*, journal: Path | None, file: Path | None) -> None:
    """Take over what processes that are gone have left behind."""
    days = load(file=file, environ=os.environ).settings.retention.ledger_days
    with opened_services(file) as opened:
        folder, since = journal or opened.data_dir / "ledger", kept_since(days, int(time.time() * 1_000))
        sieve = Sieve(LedgerRows(opened.database.write_now, opened.sealer), folder)
        taken = take_over(folder, sieve, set(), since=since)
    if sieve.unfit:
        note(f"{counted(sieve.unfit, 'entry', 'entries')} set aside in {folder / FILE}: the log of a server tells why")
    if taken.kept:
        note(f"{taken.kept} journals were left alone: their processes live, or they cannot be read")
    click.echo(f"{taken.journals} journals taken over: {taken.entries} entries that the ledger did not have")
