"""`narthex user`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from narthex.cli import invitations
from narthex.cli.opened import list_accounts, opened_services
from narthex.cli.parameters import config_option, json_option
from narthex.cli.rows import show_one
from narthex.cli.terminal import note
from narthex.errors import InvalidRequest
from narthex.stores.database.schema import users
from narthex.tenancy import users as service
from narthex.tenancy.records import User
from narthex.tenancy.sign_in import credentials
from narthex.tenancy.sign_in.passwords import Passwords, checked_password

_HELP = """
Make and change people and service accounts.

\b
Examples:
  narthex user create Ada --email ada@example.org --role admin
  narthex user create deploy --service
  narthex user invite ada@example.org --workspace research --role member
  narthex user password ada@example.org
  narthex user disable ada@example.org
"""
_COLUMNS = ("id", "kind", "name", "email", "role", "disabled_at")


@click.group(help=_HELP)
def command() -> None:
    """Hold the commands about users."""


@command.command("list", short_help="List the users.")
@click.option("--organisation", help="Only those of this organisation: ID or slug.")
@json_option
@config_option
def list_(*, organisation: str | None, as_json: bool, file: Path | None) -> None:
    """List the users, the newest first."""
    list_accounts(file, users, User, _COLUMNS, as_json=as_json, organisation=organisation)


@command.command(short_help="Show a user.")
@click.argument("user")
@json_option
@config_option
def show(*, user: str, as_json: bool, file: Path | None) -> None:
    """Show a user, by ID or e-mail address."""
    with opened_services(file) as opened:
        found = opened.user_id(user)
        show_one(opened.read(lambda connection: service.user(connection, found)), as_json)


@command.command(short_help="Make a user.")
@click.argument("name")
@click.option("--email", help="Of a person.")
@click.option("--service", "is_service", is_flag=True, help="A service account.")
@click.option("--role", default="member", show_default=True, help="In the organisation.")
@click.option("--organisation", help="Whose: ID or slug.")
@json_option
@config_option
def create(
    *,
    name: str,
    email: str | None,
    is_service: bool,
    role: str,
    organisation: str | None,
    as_json: bool,
    file: Path | None,
) -> None:
    """Make a person or a service account."""
    with opened_services(file) as opened:
        home = opened.organisation_id(organisation)
        made = opened.write(
            lambda one, who: service.create_user(
                one,
                who,
                organisation_id=home,
                name=name,
                email=email,
                kind="service" if is_service else "person",
                role=role,
            )
        )
        show_one(made, as_json)


def _switch(name: str, disabled: bool, text: str) -> None:
    @command.command(name, help=text, short_help=text)
    @click.argument("user")
    @json_option
    @config_option
    def switch(*, user: str, as_json: bool, file: Path | None) -> None:
        with opened_services(file) as opened:
            found = opened.user_id(user)
            show_one(
                opened.write(lambda one, who: service.update_user(one, who, found, {"disabled": disabled})), as_json
            )

    assert switch is not None


_switch("disable", True, "Have a user, and keys of theirs, act no more.")
_switch("enable", False, "Have a user act again.")


@command.command(short_help="Set a password.")
@click.argument("user")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read it from standard input, the first line.")
@config_option
def password(*, user: str, from_stdin: bool, file: Path | None) -> None:
    """Set a password for a person; every session of theirs ends."""
    with opened_services(file) as opened:
        user_id = opened.user_id(user)
        found = opened.read(lambda one: credentials.by_id(one, user_id))
        if found is None or found.kind != "person":
            raise InvalidRequest("a service account has keys, and no password", param="user")
        prompted = sys.stdin.readline().rstrip("\n") if from_stdin else _asked()
        new = checked_password(prompted, about=(found.name, found.email or ""))
        hashed = Passwords().hashed_now(new)
        opened.write(lambda one, who: credentials.set_password(one, who, found.id, hashed))
        note(f"{found.email} signs in with this password from now on")


@command.command("totp-reset", short_help="Ask a person for no second factor any more.")
@click.argument("user")
@config_option
def totp_reset(*, user: str, file: Path | None) -> None:
    """Ask a person for no second factor any more, until they set one up again."""
    with opened_services(file) as opened:
        found = opened.user_id(user)
        opened.write(lambda one, who: credentials.remove_totp(one, who, found))
        note("the password alone is asked for from now on")


command.add_command(invitations.invite)
command.add_command(invitations.list_)
command.add_command(invitations.uninvite)


def _asked() -> str:
    return str(click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
