"""`narthex usage`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from narthex.cli.parameters import config_option, json_option
from narthex.cli.terminal import note, print_json, print_table, printable
from narthex.errors import InvalidRequest
from narthex.ledger.money import usd
from narthex.ledger.periods import PERIODS, iso, moment_of, start_of

if TYPE_CHECKING:
    from narthex.ledger.usage import Question

_HELP = """
Who used what, on which model, when, and what it cost.

All of it is read from the ledger in the database; no server is needed, and one may run.

\b
Examples:
  narthex usage show --by model,key
  narthex usage show --by tag:team --period month --from 2026-01-01
  narthex usage forecast --only workspace=ws_default
  narthex usage export --what focus -o costs.csv
"""
_FORECAST = """
Estimate what this period will have cost at its end.

Each day to come is expected to cost what its weekday did on average in the last eight weeks. In four of five cases the
sum lies in the interval. Where less than a week is known, the rate until now goes on, and no interval is told.
"""
_EXPORT = """
Write sums, entries, or costs in the FOCUS format (version 1.2) into a file.

Parquet needs the extra `narthex[parquet]`. In CSV no text is a formula to a spreadsheet.
"""
_FIGURES: Final = ("requests", "input_tokens", "output_tokens", "cost_usd", "estimated_cost_usd", "unpriced_tokens")

Function = TypeVar("Function", bound=Callable[..., object])


def asked_options(function: Function) -> Function:
    """Add what narrows the ledger."""
    for option in (
        click.option("--from", "since", metavar="TIME", help="A day or a time; by default the first of this month."),
        click.option("--to", "until", metavar="TIME", help="The first moment that is not meant; by default now."),
        click.option("--only", "only", multiple=True, metavar="DIMENSION=VALUE", help="Only those, such as key=local."),
    ):
        function = option(function)
    return function


def asked(
    since: str | None, until: str | None, only: Sequence[str], *, by: str = "", period: str | None = None
) -> Question:
    """Return what is asked for.

    Raises:
        InvalidRequest: It cannot be asked.
    """
    from narthex.ledger.usage import question  # noqa: PLC0415 - loads the database

    now = int(time.time() * 1_000)
    where: dict[str, list[str]] = {}
    for one in only:
        name, equals, value = one.partition("=")
        if not equals:
            raise InvalidRequest(f"--only: {one!r} is no DIMENSION=VALUE", param="only")
        where.setdefault(name, []).append(value)
    return question(
        since=start_of("month", now) if since is None else moment_of(since, param="from"),
        until=now + 1 if until is None else moment_of(until, param="to"),
        by=[name for name in by.split(",") if name],
        period=period,
        where=where,
    )


@click.group(help=_HELP)
def command() -> None:
    """Tell who used what."""


@command.command(short_help="Tell who used what, and what it cost.")
@click.option("--by", default="model", show_default=True, help="Dimensions, with commas between them.")
@click.option("--period", type=click.Choice(PERIODS), help="A row for each of these, in UTC.")
@asked_options
@json_option
@config_option
def show(
    *,
    by: str,
    period: str | None,
    since: str | None,
    until: str | None,
    only: tuple[str, ...],
    as_json: bool,
    file: Path | None,
) -> None:
    """Tell who used what, and what it cost."""
    from narthex.cli.opened import opened_services  # noqa: PLC0415 - loads the database
    from narthex.ledger.usage import with_total  # noqa: PLC0415 - as above

    wanted = asked(since, until, only, by=by, period=period)
    with opened_services(file) as opened:
        rows, whole = opened.read(lambda connection: with_total(connection, wanted))
    named = [one.name for one in wanted.by]
    told = [
        {
            **({} if row.start is None else {"start": iso(row.start)}),
            **dict(zip(named, row.values, strict=True)),
            **_figures(row.sums),
        }
        for row in rows
    ]
    if as_json:
        print_json({"data": told, "total": _figures(whole), "overlapping": wanted.is_overlapping})
        return
    head = [*(["start"] if period else []), *named, *_FIGURES]
    last = dict.fromkeys(head, "") | {head[0]: "total"} | _figures(whole)
    cells = ([printable(str(row[name])) for name in head] for row in [*told, last])
    print_table([name.upper() for name in head], cells)
    if wanted.is_overlapping:
        note("a call with several tags is in several rows: these make up more than the total")


@command.command(help=_FORECAST, short_help="Estimate what this period will have cost.")
@click.option("--period", type=click.Choice(["day", "week", "month"]), default="month", show_default=True)
@click.option("--only", "only", multiple=True, metavar="DIMENSION=VALUE", help="Only those, such as key=local.")
@json_option
@config_option
def forecast(*, period: str, only: tuple[str, ...], as_json: bool, file: Path | None) -> None:
    """Estimate what this period will have cost."""
    from narthex.cli.opened import opened_services  # noqa: PLC0415 - loads the database
    from narthex.ledger import forecasting  # noqa: PLC0415 - as above

    wanted, now = asked(None, None, only), int(time.time() * 1_000)
    with opened_services(file) as opened:
        found = opened.read(lambda connection: forecasting.forecast(connection, wanted, period=period, now=now))
    told: Mapping[str, object] = {
        "period": period,
        "start": iso(found.start),
        "end": iso(found.end),
        "estimate": True,
        "method": found.method,
        "history_days": found.history_days,
        "spent_usd": usd(found.spent),
        "expected_usd": usd(found.expected),
        "low_usd": None if found.low is None else usd(found.low),
        "high_usd": None if found.high is None else usd(found.high),
        "level": None if found.low is None else forecasting.LEVEL,
    }
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        click.echo(f"{name:<13} {'-' if value is None else value}")


@command.command(help=_EXPORT, short_help="Write all of it into a file.")
@click.option("--what", type=click.Choice(["usage", "entries", "focus"]), default="usage", show_default=True)
@click.option(
    "--format", "form", type=click.Choice(["csv", "json", "jsonl", "parquet"]), default="csv", show_default=True
)
@click.option("--by", default="model,key", show_default=True, help="Dimensions, with commas between them.")
@click.option("--period", type=click.Choice(PERIODS), default="day", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="By default standard output.")
@asked_options
@config_option
def export(**said: object) -> None:
    """Write all of it into a file."""
    write_export(said)


def write_export(said: Mapping[str, object]) -> None:
    """Write an export as the options have it."""
    from narthex.cli.opened import opened_services  # noqa: PLC0415 - loads the database
    from narthex.ledger.exporting import export as exported  # noqa: PLC0415 - as above

    since, until, only, output = said["since"], said["until"], said["only"], said["output"]
    assert since is None or isinstance(since, str)
    assert until is None or isinstance(until, str)
    assert isinstance(only, tuple)
    by, period = str(said.get("by", "")), said.get("period")
    wanted = asked(since, until, only, by=by, period=None if period is None else str(period))
    file = said["file"]
    with opened_services(file if isinstance(file, Path) else None) as opened:
        pieces = exported(opened.database.read_now, wanted, what=str(said["what"]), form=str(said["form"]))
        if not isinstance(output, Path):
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        with output.open("wb") as target:
            target.writelines(pieces)
    note(f"wrote {output}: {output.stat().st_size:,} bytes")


def _figures(sums: object) -> dict[str, object]:
    figures: dict[str, object] = {name: getattr(sums, name, 0) for name in _FIGURES}
    cost, estimated = (int(getattr(sums, name)) for name in ("cost_picousd", "estimated_picousd"))
    return {**figures, "cost_usd": usd(cost), "estimated_cost_usd": usd(estimated)}
