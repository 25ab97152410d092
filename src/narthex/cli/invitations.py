"""`narthex user invite`, `invitations` and `uninvite`."""

from __future__ import annotations

from pathlib import Path

import click

from narthex.cli.opened import list_accounts, opened_services
from narthex.cli.parameters import config_option, json_option
from narthex.cli.rows import duration_s, show_one
from narthex.cli.terminal import note, print_json
from narthex.errors import InvalidRequest
from narthex.stores.database.schema import invitations
from narthex.tenancy import invitations as service
from narthex.tenancy.invitations import LONGEST_S, PATH, PURPOSE, Invitation, marker
from narthex.tenancy.workspaces import workspace as workspace_of

_COLUMNS = ("id", "email", "workspace_id", "role", "expires_at", "accepted_at", "revoked_at")


@click.command(short_help="Invite a person, by a link to hand over.")
@click.argument("email")
@click.option("--workspace", help="Into which: ID or slug; by default the organisation as a whole.")
@click.option("--organisation", help="Into which, without a workspace: ID or slug.")
@click.option("--role", default="member", show_default=True, help="That they will have there.")
@click.option("--expires-in", default="7d", show_default=True, metavar="TIME", help="For how long the link is good.")
@click.option("--address", default="", metavar="URL", help="Of the server as people reach it, to begin the link with.")
@json_option
@config_option
def invite(
    *,
    email: str,
    workspace: str | None,
    organisation: str | None,
    role: str,
    expires_in: str,
    address: str,
    as_json: bool,
    file: Path | None,
) -> None:
    """Invite a person, and print the link, this once. No mail is sent: hand it over yourself."""
    lifetime_s = duration_s(expires_in)
    if not 60 <= lifetime_s <= LONGEST_S:
        raise InvalidRequest("a link is good for a minute at least, and for 30 days at most", param="expires-in")
    with opened_services(file) as opened:
        home, where = opened.organisation_id(organisation), None
        if workspace is not None:
            where = opened.workspace_id(workspace)
            home = opened.read(lambda one: workspace_of(one, str(where))).organisation_id
        wish = service.Wish(organisation_id=home, workspace_id=where, email=email, role=role, lifetime_s=lifetime_s)
        mark = marker(opened.sealer.mac_key(PURPOSE))
        token, made = opened.write(lambda one, who: service.invite(one, who, wish, mark=mark))
    link = f"{address.rstrip('/')}{PATH}#{token}"
    if as_json:
        print_json({"link": link, "token": token, "id": made.id, "email": made.email, "role": made.role})
        return
    click.echo(link)
    note(f"told this once; hand it to {made.email}{'' if address else ' behind the address of the server'}")


@click.command("invitations", short_help="List the invitations.")
@click.option("--organisation", help="Only those of this organisation: ID or slug.")
@json_option
@config_option
def list_(*, organisation: str | None, as_json: bool, file: Path | None) -> None:
    """List the invitations, the newest first."""
    list_accounts(file, invitations, Invitation, _COLUMNS, as_json=as_json, organisation=organisation)


@click.command(short_help="Take an invitation back.")
@click.argument("invitation_id")
@json_option
@config_option
def uninvite(*, invitation_id: str, as_json: bool, file: Path | None) -> None:
    """Have an invitation let nobody in any more."""
    with opened_services(file) as opened:
        show_one(opened.write(lambda one, who: service.revoke(one, who, invitation_id)), as_json)
