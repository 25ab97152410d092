"""`narthex privacy`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from narthex.cli.accounts import Opened, opened_accounts, operator
from narthex.cli.parameters import config_option
from narthex.cli.terminal import note

if TYPE_CHECKING:
    from narthex.tenancy.persons import Traces

_HELP = """
Hand out what is kept of a person, and erase it.

\b
Examples:
  narthex privacy export ada@example.org
  narthex privacy erase ada@example.org --yes
  narthex privacy erase --end-user customer-17 --yes
"""
_EXPORT = """
Write all that is kept of a user into a ZIP file: lines of JSON for each table, and a manifest.

\b
Examples:
  narthex privacy export ada@example.org
  narthex privacy export usr_mfrggzdfmztwq2lk ada.zip
"""
_ERASE = """
Erase a person: the user by ID or e-mail address, or an end user by the name that calls carry.

Sums of the ledger and the chain of the audit log stay as they are, and tell no more who was meant. Backups that were
made before still hold the person.

\b
Examples:
  narthex privacy erase ada@example.org --yes
  narthex privacy erase --end-user customer-17 --yes
"""


SERVERS_S: Final = 0.5
"""How long servers that run take at most to write calls that have ended into the database."""


@click.group(help=_HELP)
def command() -> None:
    """Hand out what is kept of a person, and erase it."""


@command.command(help=_EXPORT, short_help="Write all that is kept of a user.")
@click.argument("user")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), required=False)
@config_option
def export(*, user: str, path: Path | None, file: Path | None) -> None:
    """Write all that is kept of a user."""
    from narthex.ledger.erasing import unfit_of  # noqa: PLC0415 - slow to load, and of no use to `--help`
    from narthex.tenancy.persons import export_of  # noqa: PLC0415 - as above

    with opened_accounts(file) as opened:
        user_id = _user_id(opened, user)
        folder = _drained(opened)
        beside = {"ledger_unfit": unfit_of(folder, user_id)}
        written = opened.database.read_now(lambda connection: export_of(connection, user_id, beside))
        opened.database.write_now(
            lambda connection: opened.audit.write(connection, "privacy.export", actor=operator(), target=user_id)
        )
    path = path or Path(f"{user_id}.zip")
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(written)
    click.echo(f"wrote {path}: {len(written):,} bytes")


@command.command(help=_ERASE, short_help="Erase a person.")
@click.argument("user", required=False)
@click.option("--end-user", help="Name of an end user, as calls carry it in `user`.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@config_option
def erase(*, user: str | None, end_user: str | None, yes: bool, file: Path | None) -> None:
    """Erase a person."""
    if (user is None) == (end_user is None):
        raise click.UsageError("name either a user or, with --end-user, an end user")
    if not yes:
        click.confirm(f"Erase {user or end_user}? This cannot be undone", abort=True)
    with opened_accounts(file) as opened:
        count = _erase_user(opened, user) if user is not None else _erase_end_user(opened, end_user or "")
        opened.database.flush_log()
    click.echo(f"erased, in {count:,} rows and lines")
    note("backups that were made before still hold the person, and so do recordings that were made in a workspace")


def _erase_user(opened: Opened, named: str) -> int:
    from narthex.tenancy.persons import ERASED, erase, erase_again, traces_of  # noqa: PLC0415 - as above

    user_id, folder = _user_id(opened, named), _drained(opened)
    # Files first: once the database does not know them any more, nobody would find there what is left.
    traces = opened.write(lambda connection, acting: traces_of(connection, acting, user_id))
    lines = _rewrite(opened, folder, traces)
    erased = opened.write(lambda connection, acting: erase(connection, acting, user_id, opened.sealer))
    # And what has come meanwhile.
    lines += _rewrite(opened, folder, erased.traces)
    lines += opened.write(lambda connection, _: erase_again(connection, erased.traces, ERASED))
    return sum(erased.rows.values()) + lines


def _rewrite(opened: Opened, folder: Path, traces: Traces) -> int:
    """Take a person out of the request logs and the entries that the database did not take; return how many lines."""
    from narthex.ledger.erasing import rename_unfit  # noqa: PLC0415 - as above
    from narthex.telemetry.redaction import redact  # noqa: PLC0415 - as above
    from narthex.tenancy.persons import ERASED  # noqa: PLC0415 - as above

    logs = opened.settings.data_dir.expanduser() / "logs"
    return redact(logs, traces.key_names, instead=ERASED) + rename_unfit(folder, traces.known_as, ERASED)


def _erase_end_user(opened: Opened, end_user: str) -> int:
    from narthex.ledger.erasing import rename_unfit  # noqa: PLC0415 - as above
    from narthex.tenancy.persons import erase_end_user, hold_end_user, pseudonym_of  # noqa: PLC0415 - as above

    opened.write(lambda connection, acting: hold_end_user(connection, acting, end_user, opened.sealer))
    folder = _drained(opened)
    instead = pseudonym_of(end_user, opened.sealer)
    aside = rename_unfit(folder, [end_user], instead)
    return opened.write(
        lambda connection, acting: erase_end_user(connection, acting, end_user, opened.sealer, beside=aside)
    )


def _drained(opened: Opened) -> Path:
    """Return the folder of the ledger, after processes that are gone have nothing in it, and others had a moment."""
    from narthex.ledger.periods import kept_since  # noqa: PLC0415 - as above
    from narthex.ledger.recovering import take_over  # noqa: PLC0415 - as above
    from narthex.ledger.rows import LedgerRows  # noqa: PLC0415 - as above
    from narthex.ledger.unfit import Sieve  # noqa: PLC0415 - as above

    folder = opened.settings.data_dir.expanduser() / "ledger"
    since = kept_since(opened.settings.retention.ledger_days, int(time.time() * 1_000))
    sieve = Sieve(LedgerRows(opened.database.write_now, opened.sealer), folder)
    taken = take_over(folder, sieve, set(), since=since)
    if taken.kept:
        time.sleep(SERVERS_S)
    return folder


def _user_id(opened: Opened, named: str) -> str:
    from sqlalchemy import or_, select  # noqa: PLC0415 - as above

    from narthex.errors import NotFound  # noqa: PLC0415 - as above
    from narthex.stores.database.schema import users  # noqa: PLC0415 - as above

    query = select(users.c.id).where(or_(users.c.id == named, users.c.email == named.lower()))
    found = opened.database.read_now(lambda connection: connection.scalar(query))
    if found is None:
        raise NotFound(f"there is no user {named!r}: give the ID or the e-mail address")
    return str(found)
