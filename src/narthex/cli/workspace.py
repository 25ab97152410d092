"""`narthex workspace`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO

import click
import msgspec
from sqlalchemy import ColumnElement

from narthex.cli.opened import list_accounts, opened_services
from narthex.cli.parameters import config_option, json_option
from narthex.cli.rows import show_all, show_one
from narthex.errors import InvalidRequest
from narthex.stores.database.schema import members, workspaces
from narthex.tenancy import members as membership
from narthex.tenancy import workspaces as service
from narthex.tenancy.documents import read_document
from narthex.tenancy.editing import every
from narthex.tenancy.exporting import export_workspace
from narthex.tenancy.importing import import_document
from narthex.tenancy.records import Member, Workspace
from narthex.tenancy.virtual_keys import PREFIX

_HELP = """
Make and change workspaces, and say who is in them.

A running server knows of it within a second.

\b
Examples:
  narthex workspace create shop --name "The shop"
  narthex workspace edit shop --set default_model=openai/gpt-5 --set 'allowed_models=["openai/*"]'
  narthex workspace members add shop ada@example.org --role admin
  narthex workspace archive shop
"""
_COLUMNS = ("id", "slug", "name", "organisation_id", "archived_at")


@click.group(help=_HELP)
def command() -> None:
    """Hold the commands about workspaces."""


@command.command("list", short_help="List the workspaces.")
@click.option("--organisation", help="Only those of this organisation: ID or slug.")
@click.option("--all", "is_all", is_flag=True, help="Archived ones as well.")
@json_option
@config_option
def list_(*, organisation: str | None, is_all: bool, as_json: bool, file: Path | None) -> None:
    """List the workspaces, the newest first."""
    where = [] if is_all else [workspaces.c.archived_at.is_(None)]
    list_accounts(file, workspaces, Workspace, _COLUMNS, as_json=as_json, where=where, organisation=organisation)


@command.command(short_help="Show a workspace.")
@click.argument("workspace")
@json_option
@config_option
def show(*, workspace: str, as_json: bool, file: Path | None) -> None:
    """Show a workspace, by ID or slug."""
    with opened_services(file) as opened:
        found = opened.workspace_id(workspace)
        show_one(opened.read(lambda connection: service.workspace(connection, found)), as_json)


@command.command(short_help="Make a workspace.")
@click.argument("slug")
@click.option("--name", help="Its name for people; by default the slug.")
@click.option("--organisation", help="Whose it is: ID or slug.")
@click.option("--template", help="What it is made from: ID or slug.")
@json_option
@config_option
def create(
    *, slug: str, name: str | None, organisation: str | None, template: str | None, as_json: bool, file: Path | None
) -> None:
    """Make a workspace."""
    with opened_services(file) as opened:
        wish = service.NewWorkspace(
            organisation_id=opened.organisation_id(organisation),
            slug=slug,
            name=name or slug,
            template_id=None if template is None else opened.workspace_id(template),
        )
        show_one(opened.write(lambda one, who: service.create_workspace(one, who, wish)), as_json)


@command.command(short_help="Change a workspace.")
@click.argument("workspace")
@click.option("--name", help="Its name for people.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting; the value is JSON or a text.")
@json_option
@config_option
def edit(*, workspace: str, name: str | None, settings: tuple[str, ...], as_json: bool, file: Path | None) -> None:
    """Change a workspace; settings that are not named stay."""
    with opened_services(file) as opened:
        found = opened.workspace_id(workspace)
        values: dict[str, object] = {} if name is None else {"name": name}
        if settings:
            values["settings"] = _settings(settings)
        show_one(opened.write(lambda one, who: service.update_workspace(one, who, found, values)), as_json)


@command.command(short_help="Put a workspace away.")
@click.argument("workspace")
@json_option
@config_option
def archive(*, workspace: str, as_json: bool, file: Path | None) -> None:
    """Put a workspace away. Its keys open nothing, and what it has stays."""
    with opened_services(file) as opened:
        found = opened.workspace_id(workspace)
        show_one(opened.write(lambda one, who: service.archive_workspace(one, who, found)), as_json)


@command.command(short_help="Bring a workspace back.")
@click.argument("workspace")
@json_option
@config_option
def restore(*, workspace: str, as_json: bool, file: Path | None) -> None:
    """Bring a workspace back that was put away."""
    with opened_services(file) as opened:
        found = opened.workspace_id(workspace)
        show_one(opened.write(lambda one, who: service.restore_workspace(one, who, found)), as_json)


@command.command("export", short_help="Write a workspace as a document.")
@click.argument("workspace")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File; by default standard output."
)
@click.option("--sealed", is_flag=True, help="With what keys are held by, under NARTHEX_PASSPHRASE.")
@config_option
def export(*, workspace: str, output: Path | None, sealed: bool, file: Path | None) -> None:
    """Write a workspace as a document, without secrets; or with them, sealed."""
    passphrase = _passphrase() if sealed else None
    with opened_services(file) as opened:
        found, mark = opened.workspace_id(workspace), opened.mark(PREFIX.encode())
        document = opened.write(
            lambda one, who: export_workspace(one, who, found, passphrase=passphrase, marked_by=mark)
        )
    with click.open_file("-" if output is None else str(output), "wb", atomic=output is not None) as written:
        written.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")


@command.command("import", short_help="Make the workspaces of a document.")
@click.argument("source", type=click.File("rb"))
@click.option("--organisation", help="Whose they are to be: ID or slug.")
@json_option
@config_option
def import_(*, source: IO[bytes], organisation: str | None, as_json: bool, file: Path | None) -> None:
    """Make the workspaces of a document, or nothing of it. What is sealed opens with NARTHEX_PASSPHRASE."""
    try:
        document = read_document(json.load(source))
    except ValueError as error:
        raise InvalidRequest(f"this is no JSON: {error}") from error
    passphrase = _passphrase() if document.sealed else None
    with opened_services(file) as opened:
        home, mark = opened.organisation_id(organisation), opened.mark(PREFIX.encode())
        made = opened.write(
            lambda one, who: import_document(
                one, who, document, organisation_id=home, passphrase=passphrase, marked_by=mark
            )
        )
        show_all(made, _COLUMNS, as_json)


@command.group("members", short_help="Say who is in a workspace.")
def members_() -> None:
    """Hold the commands about members."""


@members_.command("list", short_help="List the members of a workspace.")
@click.argument("workspace")
@json_option
@config_option
def list_members(*, workspace: str, as_json: bool, file: Path | None) -> None:
    """List the members of a workspace."""
    with opened_services(file) as opened:
        where: list[ColumnElement[bool]] = [members.c.workspace_id == opened.workspace_id(workspace)]
        found = opened.read(lambda connection: every(connection, members, Member, where))
        show_all(found, ("user_id", "role", "source", "created_at"), as_json)


@members_.command("add", short_help="Take a user into a workspace.")
@click.argument("workspace")
@click.argument("user")
@click.option("--role", default="member", show_default=True, help="As what.")
@json_option
@config_option
def add(*, workspace: str, user: str, role: str, as_json: bool, file: Path | None) -> None:
    """Take a user into a workspace, by ID or e-mail address."""
    with opened_services(file) as opened:
        where, who_is = opened.workspace_id(workspace), opened.user_id(user)
        show_one(
            opened.write(
                lambda one, who: membership.add_member(one, who, workspace_id=where, user_id=who_is, role=role)
            ),
            as_json,
        )


@members_.command("remove", short_help="Take a user out of a workspace.")
@click.argument("workspace")
@click.argument("user")
@config_option
def remove(*, workspace: str, user: str, file: Path | None) -> None:
    """Take a user out of a workspace; keys of theirs in it open nothing any more."""
    with opened_services(file) as opened:
        where, who_is = opened.workspace_id(workspace), opened.user_id(user)
        opened.write(lambda one, who: membership.remove_member(one, who, workspace_id=where, user_id=who_is))


def _passphrase() -> str:
    return os.environ.get("NARTHEX_PASSPHRASE") or click.prompt("Passphrase", hide_input=True, err=True)


def _settings(said: tuple[str, ...]) -> dict[str, object]:
    values: dict[str, object] = {}
    for pair in said:
        name, equals, text = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is no setting: write NAME=VALUE")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values
