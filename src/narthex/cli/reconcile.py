"""`narthex ledger reconcile`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from sqlalchemy import Connection, select

from narthex.cli.exits import Exit
from narthex.cli.opened import Opened, opened_services
from narthex.cli.parameters import config_option, json_option
from narthex.cli.terminal import counted, note, print_json, print_table, printable
from narthex.config.load import load
from narthex.errors import InvalidRequest
from narthex.ledger.money import usd
from narthex.ledger.periods import iso, kept_since, moment_of
from narthex.ledger.reconciling.comparing import Difference, Scope, apply, compare, told
from narthex.ledger.reconciling.lines import Statement, money_of
from narthex.ledger.reconciling.statements import MAX_BYTES, read_statement
from narthex.ledger.verifying import repair, wrong_sums
from narthex.stores.database.schema import workspaces
from narthex.tenancy.acting import Acting
from narthex.types.accounts import DEFAULT_WORKSPACE

_HELP = """
Hold the ledger against what a provider says that it has billed. Ends with 1 if something differs.

STATEMENT is a file, or `-` for standard input: what the costs or usage report of OpenAI or Anthropic answers, in JSON,
a page or several of them one a line; a file in the FOCUS format; or a table in CSV with a day, a model, and a cost or
tokens, such as what consoles of providers export. Days are those of UTC.

With --apply every difference becomes one entry of the kind `correction`, which may be below zero; then the sums of the
ledger are those of the statement, and doing it again changes nothing. Limits of money count corrections. Sums of hours
that are not those of their entries are summed up again.

\b
Examples:
  narthex ledger reconcile costs.json
  narthex ledger reconcile export.csv --provider openai --map gpt-4o-2024-08-06=gpt-4o
  narthex ledger reconcile costs.json --tolerance 0.01 --apply
"""
_HEAD = ("day", "model", "statement_usd", "ledger_usd", "difference_usd", "tokens", "explained")


def _pairs(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> Mapping[str, str]:
    pairs = [one.partition("=") for one in given]
    if not all(theirs and equals and ours for theirs, equals, ours in pairs):
        raise click.BadParameter("write THEIRS=OURS, the name in the statement and the one in the ledger")
    return {theirs: ours for theirs, _, ours in pairs}


@click.command(help=_HELP, short_help="Hold it against what a provider has billed.")
@click.argument("statement", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True))
@click.option("--provider", default="", help="Whose statement it is, by the name in the configuration.")
@click.option("--workspace", help="The statement is about the calls of this workspace alone; by default about all.")
@click.option(
    "--map", "names", multiple=True, callback=_pairs, metavar="THEIRS=OURS", help="How a model is called here."
)
@click.option("--from", "since", metavar="DAY", help="Leave out the days before this one.")
@click.option("--to", "until", metavar="DAY", help="Leave out this day and those after it.")
@click.option(
    "--tolerance", default="0", show_default=True, metavar="USD", help="Say nothing of less, for a model a day."
)
@click.option("--apply", "is_applied", is_flag=True, help="Write corrections.")
@json_option
@config_option
def reconcile(**said: object) -> None:
    """Hold the ledger against a statement."""
    path, file = said["statement"], said["file"]
    assert isinstance(path, Path)
    statement = _within(read_statement(_read(path)), said)
    config = file if isinstance(file, Path) else None
    days = load(file=config, environ=os.environ).settings.retention.ledger_days
    since = kept_since(days, int(time.time() * 1_000))
    with opened_services(config) as opened:
        scope = _scope(opened, said)
        found = opened.read(lambda connection: compare(connection, statement, scope))
        hours = opened.read(lambda connection: wrong_sums(connection, sorted(statement.days), since=since))
        _tell(found, hours, as_json=bool(said["as_json"]))
        if not said["is_applied"]:
            sys.exit(Exit.FAILURE if found or hours else Exit.OK)
        written = opened.write(lambda connection, acting: _apply(connection, acting, (statement, scope, found), hours))
    note(f"wrote {counted(written, 'correction')}, and summed up {counted(len(hours), 'hour')} again")


def _read(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with path.open("rb") as source:
        return source.read(MAX_BYTES + 1)


def _within(statement: Statement, said: Mapping[str, object]) -> Statement:
    since = moment_of(str(said["since"]), param="from") if said["since"] else 0
    until = moment_of(str(said["until"]), param="to") if said["until"] else max(statement.days, default=0) + 1
    days = frozenset(day for day in statement.days if since <= day < until)
    if not days:
        raise InvalidRequest("the statement has no day of that time")
    return statement._replace(days=days, lines=tuple(line for line in statement.lines if line.day in days))


def _scope(opened: Opened, said: Mapping[str, object]) -> Scope:
    named, names = said["workspace"], said["names"]
    workspace_id = DEFAULT_WORKSPACE if named is None else opened.workspace_id(str(named))
    query = select(workspaces.c.organisation_id).where(workspaces.c.id == workspace_id)
    assert isinstance(names, dict)
    return Scope(
        provider=str(said["provider"]),
        organisation_id=str(opened.read(lambda connection: connection.scalar(query))),
        workspace_id=workspace_id,
        alone=named is not None,
        names=names,
        tolerance_picousd=abs(money_of(said["tolerance"], "USD")),
    )


def _apply(
    connection: Connection,
    acting: Acting,
    what: tuple[Statement, Scope, Sequence[Difference]],
    hours: Sequence[int],
) -> int:
    """Write corrections and what is to be known of them, in one transaction."""
    statement, scope, found = what
    for hour in hours:
        repair(connection, hour)
    written = apply(connection, statement, scope, found)
    if written:
        acting.changed(connection, "correction", *(entry.id for entry in written))
    sums = {"corrections": len(written), "cost_usd": usd(sum(entry.cost_picousd for entry in written))}
    acting.note(
        connection,
        "ledger.reconcile",
        target=statement.form,
        organisation_id=scope.organisation_id,
        workspace_id=scope.workspace_id,
        details={**sums, "hours": len(hours)},
    )
    return len(written)


def _tell(found: Sequence[Difference], hours: Sequence[int], *, as_json: bool) -> None:
    if as_json:
        print_json({"differences": [told(one) for one in found], "wrong_hours": [iso(hour) for hour in hours]})
        return
    if found:
        print_table([name.upper() for name in _HEAD], (_cells(one) for one in found))
    for hour in hours:
        click.echo(f"the sums of the hour {iso(hour)} are not those of its entries")
    missing = sum(one.missing.get("cost_picousd", 0) for one in found)
    click.echo(
        f"{counted(len(found), 'difference')}, {usd(missing)} US dollars"
        if found
        else "the ledger agrees with the statement"
    )


def _cells(one: Difference) -> Sequence[str]:
    cost = "cost_picousd"
    has_cost = cost in one.stated
    tokens = ", ".join(f"{name} {amount:+}" for name, amount in one.missing.items() if amount and name != cost)
    return [
        iso(one.day)[:10],
        printable(one.model),
        usd(one.stated[cost]) if has_cost else "-",
        usd(one.booked[cost]),
        usd(one.missing[cost]) if has_cost else "-",
        tokens or "-",
        printable("; ".join(one.explained)),
    ]
