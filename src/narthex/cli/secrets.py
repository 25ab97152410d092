"""`narthex secrets`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from narthex.cli.accounts import Opened, opened_accounts, operator
from narthex.cli.parameters import config_option, json_option
from narthex.cli.terminal import note, print_json

if TYPE_CHECKING:
    from sqlalchemy import Connection

_HELP = """
See and change the master key, under which secrets are sealed in the database.

\b
Examples:
  narthex secrets status
  narthex secrets rotate
  narthex secrets rotate --finish
"""
_STATUS = """
Tell which master keys there are, by their fingerprints, and how much is sealed under each.

\b
Examples:
  narthex secrets status
"""
_ROTATE = """
Seal everything under a new master key, while a server goes on working.

A key that is kept in a file is made here, and the old one stays beside it until `--finish`. One that is in the
configuration is changed there first: the new one as `master_key`, the old one in `previous_master_keys`.

\b
Examples:
  narthex secrets rotate               make a new key, and wrap everything anew under it
  narthex secrets rotate --finish      then let go of the old ones, in the file
"""


@click.group(help=_HELP)
def command() -> None:
    """See and change the master key."""


@command.command(help=_STATUS, short_help="Tell which master keys there are.")
@json_option
@config_option
def status(*, as_json: bool, file: Path | None) -> None:
    """Tell which master keys there are."""
    from narthex.stores.master_keys import key_id  # noqa: PLC0415 - slow to load, and of no use to `--help`
    from narthex.stores.sealed_columns import count_by_key  # noqa: PLC0415 - as above

    with opened_accounts(file) as opened:
        counts = opened.database.read_now(count_by_key)
        held = [key_id(key).hex() for key in opened.sealer.keys.all()]
    if as_json:
        print_json({"where": opened.sealer.keys.where, "keys": held, "sealed": counts})
        return
    click.echo(f"master keys in {opened.sealer.keys.where}, the newest first:")
    for name in [*held, *sorted(set(counts) - set(held))]:
        lost = "" if name in held else ", LOST"
        click.echo(f"  {name}: {counts.get(name, 0):,} sealed{lost}")


def _rotated(opened: Opened, *, finish: bool) -> int:
    """Seal everything under the newest key, within `changing`; return how many records changed."""
    from narthex.stores.master_keys import key_id  # noqa: PLC0415 - as above
    from narthex.stores.sealed_columns import rewrap  # noqa: PLC0415 - as above

    keys = opened.sealer.keys
    if keys.path is not None and not finish:
        keys.add()

    def work(connection: Connection) -> int:
        count = rewrap(connection, opened.sealer)
        details = {"key": key_id(keys.newest()).hex(), "records": count}
        opened.audit.write(connection, "secrets.rotate", actor=operator(), details=details)
        return count

    count = opened.database.write_now(work)
    if finish and keys.path is not None:
        # First on the disk: a loss of power must not bring back records of keys that are gone.
        opened.database.flush_log()
        keys.keep_newest()
    return count


@command.command(help=_ROTATE, short_help="Seal everything under a new one.")
@click.option("--finish", is_flag=True, help="Let go of the old keys in the file, if nothing is sealed under them.")
@config_option
def rotate(*, finish: bool, file: Path | None) -> None:
    """Seal everything under a new master key."""
    from narthex.stores.master_keys import key_id  # noqa: PLC0415 - as above

    with opened_accounts(file) as opened, opened.sealer.keys.changing():
        keys = opened.sealer.keys
        count = _rotated(opened, finish=finish)
    click.echo(f"{count:,} records are now sealed under the master key {key_id(keys.newest()).hex()}")
    if keys.path is None:
        note("take the old key out of `previous_master_keys` once every server has the new one")
    elif not finish:
        note(
            f"the old key is still in {keys.path}: copy that file to every server, then narthex secrets rotate --finish"
        )
