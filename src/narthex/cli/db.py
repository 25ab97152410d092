"""`narthex db`."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from narthex.cli.exits import Exit
from narthex.cli.parameters import config_option, json_option
from narthex.cli.terminal import note, print_json, print_table
from narthex.config.load import load
from narthex.errors import StoreUnreachable
from narthex.stores.database.configured import address_in, open_configured_now, options_of

if TYPE_CHECKING:
    from narthex.stores.database import Database

_HELP = """
See, bring up, back up, restore and check the database.

It is the one that the configuration names: `[database] url`, or `main.db` in the data folder. No server is needed, and
one may run; before `restore` it should be stopped.

\b
Examples:
  narthex db status
  narthex db backup monday.nxb
  narthex db restore monday.nxb --force
"""
_STATUS = """
Tell where the database is, which schema it has, how large it is, and how many rows there are.

\b
Examples:
  narthex db status
  narthex db status --json | jq .rows.ledger_entries
"""
_MIGRATE = """
Bring the schema of the database up to this version, as `narthex serve` does at its start.

\b
Examples:
  narthex db migrate
"""
_BACKUP = """
Write all that the database holds into one file, as it is at one moment, while a server goes on working.

The file restores into SQLite and into PostgreSQL. What is sealed in it is opened with the master key alone: keep that
too, apart from it.

\b
Examples:
  narthex db backup                      a name with the time, here
  narthex db backup /backups/monday.nxb
"""
_RESTORE = """
Give the database what a backup holds, all or nothing. Stop the server before.

The backup may be from either kind of database, and from an older version of Narthex.

\b
Examples:
  narthex db restore monday.nxb
  narthex db restore monday.nxb --force      delete what is in the database now
"""
_CHECK = """
Read the whole database and tell what is wrong with it. Ends with 1 if something is.

\b
Examples:
  narthex db check
"""
_PATH = click.Path(path_type=Path, dir_okay=False)


@click.group(help=_HELP)
def command() -> None:
    """See, back up and restore the database."""


@contextmanager
def _opened(file: Path | None, *, migrate: bool = False) -> Iterator[Database]:
    settings = load(file=file, environ=os.environ).settings
    address = address_in(settings)
    if not migrate and address.path is not None and not address.path.exists():
        raise StoreUnreachable(
            f"there is no database at {address.shown} yet: `narthex db migrate` or `narthex serve` makes it"
        )
    database = open_configured_now(settings, migrate=migrate)
    try:
        yield database
    finally:
        database.close_now()


@command.command(help=_STATUS, short_help="Tell how it stands.")
@json_option
@config_option
def status(*, as_json: bool, file: Path | None) -> None:
    """Tell how it stands."""
    # SQLAlchemy is slow to load, and `--help` does not need it; as below.
    from narthex.stores.database.inspection import standing_of  # noqa: PLC0415

    with _opened(file) as database:
        standing = standing_of(database)
    if as_json:
        print_json(dataclasses.asdict(standing))
        return
    schema = standing.schema or "none yet"
    due = "" if standing.schema == standing.newest else f"; this version of Narthex has {standing.newest}"
    click.echo(f"{standing.database} {standing.server}: {standing.address}")
    click.echo(f"schema {schema}{due}, {standing.size_bytes:,} bytes")
    print_table(("TABLE", "ROWS"), ((name, f"{count:,}") for name, count in standing.rows.items()))


@command.command(help=_MIGRATE, short_help="Bring its schema up to this version.")
@config_option
def migrate(*, file: Path | None) -> None:
    """Bring its schema up to this version."""
    from narthex.stores.database.migrations.running import version_of  # noqa: PLC0415

    before = None
    with suppress(StoreUnreachable), _opened(file) as database:
        before = database.read_now(version_of)
    with _opened(file, migrate=True) as database:
        now = database.read_now(version_of)
    click.echo(f"schema {now} already" if before == now else f"from schema {before or 'none'} to {now}")


@command.command(help=_BACKUP, short_help="Write all of it into a file.")
@click.argument("path", type=_PATH, required=False)
@click.option("--force", is_flag=True, help="Replace a file of that name.")
@json_option
@config_option
def backup(*, path: Path | None, force: bool, as_json: bool, file: Path | None) -> None:
    """Write all of it into a file."""
    from narthex.stores.database.copying import back_up  # noqa: PLC0415

    path = path or Path(time.strftime("narthex-%Y%m%d-%H%M%S.nxb", time.gmtime()))
    with _opened(file) as database:
        manifest = back_up(database, path, force=force)
    size = path.stat().st_size
    if as_json:
        print_json({"path": str(path), "schema": manifest.schema, "rows": manifest.rows, "size_bytes": size})
        return
    click.echo(f"wrote {path}: {manifest.rows:,} rows, schema {manifest.schema}, {size:,} bytes")
    note("what is sealed in it needs the master key: NARTHEX_MASTER_KEY, or master.key in the data folder")


@command.command(help=_RESTORE, short_help="Give it what a backup holds.")
@click.argument("path", type=_PATH)
@click.option("--force", is_flag=True, help="Delete what is in the database now.")
@config_option
def restore(*, path: Path, force: bool, file: Path | None) -> None:
    """Give it what a backup holds."""
    from narthex.stores.database.copying import restore as restored  # noqa: PLC0415

    settings = load(file=file, environ=os.environ).settings
    manifest = restored(address_in(settings), options_of(settings), path, force=force)
    click.echo(f"restored {manifest.rows:,} rows of schema {manifest.schema}, from {manifest.database}")


@command.command(help=_CHECK, short_help="Tell what is wrong with it.")
@json_option
@config_option
def check(*, as_json: bool, file: Path | None) -> None:
    """Tell what is wrong with it."""
    from narthex.stores.database.inspection import faults_of  # noqa: PLC0415

    with _opened(file) as database:
        faults = faults_of(database)
    if as_json:
        print_json({"faults": faults})
    else:
        click.echo("\n".join(faults) if faults else "it is whole")
    sys.exit(Exit.FAILURE if faults else Exit.OK)
