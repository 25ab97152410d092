"""`narthex audit`."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from narthex.cli.accounts import opened_accounts, operator
from narthex.cli.exits import Exit
from narthex.cli.parameters import config_option, json_option
from narthex.cli.terminal import counted, note, print_json, print_table

if TYPE_CHECKING:
    from narthex.audit.reading import Filter, Told
    from narthex.audit.signing import PublicKey

_HELP = """
Read and check the audit log: who changed, read or was denied what, and when.

\b
Examples:
  narthex audit list --action key
  narthex audit verify
  narthex audit export > audit.jsonl
"""
_LIST = """
Show the newest entries.

\b
Examples:
  narthex audit list
  narthex audit list --action key.create --since 2026-01-31 --json
"""
_EXPORT = """
Write all entries that are wanted, oldest first, one JSON object in a line.

\b
Examples:
  narthex audit export audit.jsonl
  narthex audit export --actor usr_mfrggzdfmztwq2lk --reveal
"""
_VERIFY = """
Check every entry, and hold all of them against the signed checkpoints. Ends with 1 if something is wrong.

It finds entries that were edited, deleted, swapped or forged, and a tail that was cut off.

\b
Examples:
  narthex audit verify
  narthex audit verify --checkpoints /mnt/vault/audit --public-key audit.pem
"""
_CHECKPOINT = """
Sign which entry is the last one now, and write that beside the database.

\b
Examples:
  narthex audit checkpoint
  narthex audit checkpoint --to /mnt/vault/audit
"""
_KEY = """
Print the public key that checkpoints are signed with. Keep it where nobody changes it.

\b
Examples:
  narthex audit public-key > audit.pem
"""
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(help=_HELP)
def command() -> None:
    """Read and check the audit log."""


def _filters(function: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--reveal", is_flag=True, help="Tell who is behind pseudonyms, where that is known."),
        click.option("--until", metavar="TIME", help="Only before this moment."),
        click.option("--since", metavar="TIME", help="Only from this moment on, such as 2026-01-31T12:00."),
        click.option("--target", help="Only what was done to this."),
        click.option("--action", help="Only this action, such as `key.create`, or all of a kind, such as `key`."),
        click.option("--actor", help="Only what this user or key did, by ID."),
        click.option("--organisation", help="Only of this organisation, by ID."),
    ):
        function = option(function)
    return function


@command.command("list", help=_LIST, short_help="Show the newest entries.")
@_filters
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
@json_option
@config_option
def list_(*, limit: int, as_json: bool, file: Path | None, reveal: bool, **given: str | None) -> None:
    """Show the newest entries."""
    from narthex.audit.reading import entries, told  # noqa: PLC0415 - slow to load, and of no use to `--help`

    wanted = _wanted(given)
    with opened_accounts(file) as opened:
        sealer = opened.sealer if reveal else None
        found = opened.database.read_now(lambda connection: entries(connection, wanted, limit=limit, sealer=sealer))
    if as_json:
        print_json({"entries": [told(one) for one in found]})
        return
    print_table(("WHEN", "WHO", "WHAT", "TO WHAT", "OUTCOME"), map(_row, found))


@command.command(help=_EXPORT, short_help="Write entries, one JSON object in a line.")
@_filters
@click.argument("path", type=_FILE, required=False)
@config_option
def export(*, path: Path | None, file: Path | None, reveal: bool, **given: str | None) -> None:
    """Write entries, one JSON object in a line."""
    import msgspec  # noqa: PLC0415 - as above

    from narthex.audit.reading import all_entries, told  # noqa: PLC0415 - as above

    wanted, count = _wanted(given), 0
    if path is not None:
        path.touch(mode=0o600)
    with (
        opened_accounts(file) as opened,
        path.open("wb") if path is not None else nullcontext(sys.stdout.buffer) as out,
    ):
        details = {name: value for name, value in given.items() if value is not None}
        opened.database.write_now(
            lambda connection: opened.audit.write(connection, "audit.export", actor=operator(), details=details)
        )
        for one in all_entries(opened.database, wanted, sealer=opened.sealer if reveal else None):
            out.write(msgspec.json.encode(told(one)) + b"\n")
            count += 1
    note(counted(count, "entry", "entries"))


@command.command(help=_VERIFY, short_help="Find what was edited, deleted, swapped or cut off.")
@click.option("--checkpoints", type=_FOLDER, help="Folder of the signed checkpoints; by default that of the settings.")
@click.option("--public-key", type=_FILE, help="Who must have signed them; by default the key of the database.")
@json_option
@config_option
def verify(*, checkpoints: Path | None, public_key: Path | None, as_json: bool, file: Path | None) -> None:
    """Find what was edited, deleted, swapped or cut off."""
    from narthex.audit.checkpoints import Checkpoints  # noqa: PLC0415 - as above
    from narthex.audit.verifying import told  # noqa: PLC0415 - as above
    from narthex.audit.verifying import verify as verified  # noqa: PLC0415 - as above

    trusted = _key_in(public_key) if public_key is not None else None
    with opened_accounts(file) as opened:
        folder = Checkpoints(checkpoints) if checkpoints is not None else opened.checkpoints
        verdict = verified(opened.database, folder, trusted=trusted)
    if as_json:
        print_json(told(verdict))
    else:
        click.echo("\n".join(verdict.faults) or f"all {verdict.rows:,} entries are whole, in {verdict.seconds:.1f} s")
        covered = f"up to entry {verdict.covered_seq:,}" if verdict.covered_seq else "for none of them"
        note(f"{verdict.checkpoints:,} signed checkpoints in {folder.folder} speak {covered}, of {verdict.last_seq:,}")
    sys.exit(Exit.OK if verdict.is_whole else Exit.FAILURE)


@command.command(help=_CHECKPOINT, short_help="Sign which entry is the last one now.")
@click.option("--to", type=_FOLDER, help="Folder that it is written to; by default that of the settings.")
@config_option
def checkpoint(*, to: Path | None, file: Path | None) -> None:
    """Sign which entry is the last one now."""
    from narthex.audit.checkpoints import Checkpoints, take  # noqa: PLC0415 - as above

    with opened_accounts(file) as opened:
        folder = Checkpoints(to) if to is not None else opened.checkpoints
        made = take(opened.database, opened.sealer, folder, at=int(time.time() * 1_000))
    click.echo("nothing was added since the last one" if made is None else f"entry {made.seq:,}, hash {made.hash}")


@command.command("public-key", help=_KEY, short_help="Print the key that checkpoints are signed with.")
@config_option
def public_key_(*, file: Path | None) -> None:
    """Print the key that checkpoints are signed with."""
    from narthex.audit.signing import made_public_key  # noqa: PLC0415 - as above

    with opened_accounts(file) as opened:
        key = opened.database.write_now(lambda connection: made_public_key(connection, opened.sealer))
    click.echo(key.pem, nl=False)


def _wanted(given: dict[str, str | None]) -> Filter:
    from narthex.audit.reading import Filter  # noqa: PLC0415 - as above

    return Filter(
        organisation_id=given["organisation"],
        actor=given["actor"],
        action=given["action"],
        target=given["target"],
        since=_moment(given["since"]),
        until=_moment(given["until"]),
    )


def _key_in(path: Path) -> PublicKey:
    from narthex.audit.signing import PublicKey  # noqa: PLC0415 - as above

    key = PublicKey.from_pem(path.read_bytes()) if path.exists() else None
    if key is None:
        raise click.UsageError(f"{path} holds no public key of ed25519; `narthex audit public-key` prints one")
    return key


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r} is no moment; write it like 2026-01-31T12:00 (UTC)") from error
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000)


def _row(one: Told) -> tuple[str, str, str, str, str]:
    entry = one.entry
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(entry.at / 1_000))
    actor = one.persons.get(entry.actor.removeprefix("cli:"), entry.actor)
    return when, actor, entry.action, one.persons.get(entry.target, entry.target), entry.outcome
