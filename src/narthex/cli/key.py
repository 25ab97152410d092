"""`narthex key`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from narthex.cli.opened import list_accounts, opened_services
from narthex.cli.parameters import config_option, json_option
from narthex.cli.rows import duration_s, show_one, tags_of
from narthex.cli.terminal import note, print_json
from narthex.stores.database.schema import api_keys
from narthex.tenancy import issuing
from narthex.tenancy.records import VirtualKey
from narthex.tenancy.scopes import ROUTE_WORDS, Scopes
from narthex.types.priorities import PRIORITIES

_HELP = """
Make, rotate and revoke virtual keys.

A key is shown once, when it is made. A running server takes it, and leaves a revoked one, within a second.

\b
Examples:
  narthex key create ci --workspace shop --model "openai/*" --expires-in 90d
  narthex key list --workspace shop
  narthex key rotate key_mfrggzdfmztwq2lk --overlap 1h
  narthex key revoke key_mfrggzdfmztwq2lk
"""
_COLUMNS = ("id", "name", "workspace_id", "shown", "expires_at", "revoked_at", "last_used_at")


@click.group(help=_HELP)
def command() -> None:
    """Hold the commands about keys."""


@command.command("list", short_help="List the virtual keys.")
@click.option("--workspace", help="Only those of this workspace: ID or slug.")
@click.option("--all", "is_all", is_flag=True, help="Revoked ones as well.")
@json_option
@config_option
def list_(*, workspace: str | None, is_all: bool, as_json: bool, file: Path | None) -> None:
    """List the virtual keys, the newest first."""
    where = [] if is_all else [api_keys.c.revoked_at.is_(None)]
    list_accounts(file, api_keys, VirtualKey, _COLUMNS, as_json=as_json, where=where, workspace=workspace)


@command.command(short_help="Show what is known of a key.")
@click.argument("key_id")
@json_option
@config_option
def show(*, key_id: str, as_json: bool, file: Path | None) -> None:
    """Show what is known of a key."""
    with opened_services(file) as opened:
        show_one(opened.read(lambda connection: issuing.key(connection, key_id)), as_json)


@command.command(short_help="Make a key.")
@click.argument("name")
@click.option("--workspace", default="ws_default", show_default=True, help="Its workspace: ID or slug.")
@click.option("--user", help="Whose it is: ID or e-mail address.")
@click.option("--model", "models", multiple=True, help="A model that it may use; `*` stands for anything.")
@click.option("--route", "routes", multiple=True, type=click.Choice(ROUTE_WORDS), help="Routes that it is good for.")
@click.option("--address", "addresses", multiple=True, help="A network that it may be used from.")
@click.option("--permission", "permissions", multiple=True, help="Something that it may do beside calling models.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="What its calls are marked with.")
@click.option("--priority", type=click.Choice(list(PRIORITIES)), default="normal", help="How urgent its calls are.")
@click.option("--expires-in", metavar="TIME", help="When it ends: `90d`, `12h`, `30m`.")
@json_option
@config_option
def create(**said: object) -> None:
    """Make a key, and print it, this once."""
    file = said.pop("file")
    assert file is None or isinstance(file, Path)
    with opened_services(file) as opened:
        wish = _wish(
            said, opened.workspace_id(str(said["workspace"])), said["user"] and opened.user_id(str(said["user"]))
        )
        plain, made = opened.write(lambda one, who: issuing.issue_key(one, who, wish, mark=opened.mark))
    _print_new(plain, made, as_json=bool(said["as_json"]))


@command.command(short_help="Make the key that follows another one.")
@click.argument("key_id")
@click.option("--overlap", default="0s", show_default=True, help="For how long both are good: `1h`, `30m`.")
@json_option
@config_option
def rotate(*, key_id: str, overlap: str, as_json: bool, file: Path | None) -> None:
    """Make the key that follows another one, and print it, this once."""
    overlap_s = duration_s(overlap)
    with opened_services(file) as opened:
        plain, made = opened.write(
            lambda one, who: issuing.rotate_key(one, who, key_id, overlap_s=overlap_s, mark=opened.mark)
        )
    _print_new(plain, made, as_json=as_json)


@command.command(short_help="Have a key open nothing any more.")
@click.argument("key_id")
@json_option
@config_option
def revoke(*, key_id: str, as_json: bool, file: Path | None) -> None:
    """Have a key open nothing any more. Calls under way go on to their end."""
    with opened_services(file) as opened:
        show_one(opened.write(lambda one, who: issuing.revoke_key(one, who, key_id)), as_json)


def _wish(said: dict[str, object], workspace_id: str, user_id: object) -> issuing.Wish:
    def words(name: str) -> tuple[str, ...]:
        given = said[name]
        assert isinstance(given, tuple)
        return given

    lasts = said["expires_in"]
    return issuing.Wish(
        name=str(said["name"]),
        workspace_id=workspace_id,
        user_id=str(user_id) if user_id else None,
        scopes=Scopes(
            models=words("models"),
            routes=words("routes"),  # type: ignore[arg-type]  # click lets no others in
            addresses=words("addresses"),
            permissions=words("permissions"),
        ),
        tags=tags_of(words("tags")),
        priority=said["priority"],  # type: ignore[arg-type]  # as above
        expires_at=None if lasts is None else int(time.time() * 1_000) + duration_s(str(lasts)) * 1_000,
    )


def _print_new(plain: str, made: VirtualKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": made.id, "shown": made.shown, "workspace_id": made.workspace_id, "key": plain})
        return
    note(f"{made.id}: this key is shown once; keep it now")
    click.echo(plain)
