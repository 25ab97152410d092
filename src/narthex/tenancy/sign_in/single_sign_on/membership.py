"""What groups of the single sign-on may do here: given, and taken away, at each sign-in.

Members that a person put into a workspace by hand stay as they are, whatever the groups say.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, select

from narthex.config.sign_in_settings import GroupSettings, OidcSettings
from narthex.errors import Conflict, SingleSignOnFailed
from narthex.stores.database.schema import members, organisations, workspaces
from narthex.tenancy.acting import Acting
from narthex.tenancy.invitations import join, open_for
from narthex.tenancy.members import add_member
from narthex.tenancy.permissions import OWNER
from narthex.tenancy.sign_in import credentials
from narthex.tenancy.sign_in.credentials import Credentials
from narthex.tenancy.sign_in.single_sign_on.identity import Identity
from narthex.tenancy.users import create_user, update_user


def admitted(connection: Connection, acting: Acting, identity: Identity, settings: OidcSettings) -> Credentials:
    """Return the user that somebody is here, with the roles that their groups give them; made if need be.

    Raises:
        SingleSignOnFailed: They are not known and nobody is made, may not sign in, or belong to another organisation.
    """
    organisation_id = connection.execute(
        select(organisations.c.id).where(organisations.c.slug == settings.organisation)
    ).scalar_one_or_none()
    if organisation_id is None:
        raise SingleSignOnFailed(f"there is no organisation {settings.organisation!r}, which `sign_in.oidc` names")
    user_id = _user_id(connection, acting, identity, settings, organisation_id)
    _follow_groups(connection, acting, user_id, organisation_id, identity=identity, settings=settings)
    known = credentials.by_id(connection, user_id)
    assert known is not None, "it was read in this transaction"
    return known


def role_of(groups: frozenset[str], settings: OidcSettings) -> str:
    """Return the role in the organisation: of the first entry that fits, in their order."""
    fitting = (one.role for one in settings.groups if one.workspace is None and one.group in groups)
    return next(fitting, settings.default_role)


def workspace_roles(groups: frozenset[str], listed: tuple[GroupSettings, ...]) -> dict[str, str]:
    """Return the role in each workspace, by its slug: of the first entry that fits, in their order."""
    roles: dict[str, str] = {}
    for one in listed:
        if one.workspace is not None and one.group in groups:
            roles.setdefault(one.workspace, one.role)
    return roles


def _user_id(
    connection: Connection, acting: Acting, identity: Identity, settings: OidcSettings, organisation_id: str
) -> str:
    known = credentials.by_subject(connection, identity.issuer, identity.subject)
    if known is None:
        known = credentials.by_email(connection, identity.email)
        if known is not None and known.issuer is not None:
            raise SingleSignOnFailed("this e-mail address belongs to somebody else of the single sign-on")
    if known is None:
        return _made(connection, acting, identity, settings, organisation_id)
    if not known.may_sign_in or known.organisation_id != organisation_id:
        raise SingleSignOnFailed("you may not sign in here")
    if known.issuer is None:
        # The provider has verified the address: this is whoever was invited under it.
        credentials.link(connection, acting, known.id, identity.issuer, identity.subject)
    return known.id


def _made(
    connection: Connection, acting: Acting, identity: Identity, settings: OidcSettings, organisation_id: str
) -> str:
    invited = open_for(connection, organisation_id, identity.email, acting.now)
    if not settings.create_users and not invited:
        raise SingleSignOnFailed("nobody here knows you yet: ask for an invitation")
    new = create_user(
        connection,
        acting,
        organisation_id=organisation_id,
        name=identity.name,
        email=identity.email,
        role=role_of(identity.groups, settings),
    )
    credentials.link(connection, acting, new.id, identity.issuer, identity.subject)
    for invitation in invited:
        # The provider has verified the address, which a link handed over by hand does not.
        join(connection, acting, invitation, new.id)
    return new.id


def _follow_groups(
    connection: Connection,
    acting: Acting,
    user_id: str,
    organisation_id: str,
    *,
    identity: Identity,
    settings: OidcSettings,
) -> None:
    known = credentials.by_id(connection, user_id)
    assert known is not None, "it was read in this transaction"
    if any(one.workspace is None for one in settings.groups):
        _set_role(connection, acting, known, role_of(identity.groups, settings))
    wanted = _by_id(connection, organisation_id, workspace_roles(identity.groups, settings.groups))
    rows = connection.execute(
        select(members.c.workspace_id, members.c.role, members.c.source).where(members.c.user_id == user_id)
    ).all()
    by_groups = {where: role for where, role, source in rows if source == "groups"}
    by_hand = {where for where, _, source in rows if source != "groups"}
    for where in by_groups.keys() - {one for one, role in wanted.items() if by_groups.get(one) == role}:
        _remove(connection, acting, where, user_id, organisation_id)
    for where, role in wanted.items():
        if where not in by_hand and by_groups.get(where) != role:
            add_member(connection, acting, workspace_id=where, user_id=user_id, role=role, source="groups")


def _set_role(connection: Connection, acting: Acting, known: Credentials, role: str) -> None:
    if known.role == role:
        return
    try:
        update_user(connection, acting, known.id, {"role": role})
    except Conflict:
        # The last owner stays one: an organisation without any could not be mended.
        assert known.role == OWNER, "nothing else is in conflict with a role"


def _by_id(connection: Connection, organisation_id: str, roles: dict[str, str]) -> dict[str, str]:
    """Return roles by the IDs of workspaces; those that are not there, or put away, are left out."""
    query = select(workspaces.c.id, workspaces.c.slug).where(
        workspaces.c.organisation_id == organisation_id, workspaces.c.archived_at.is_(None)
    )
    return {where: roles[slug] for where, slug in connection.execute(query).all() if slug in roles}


def _remove(connection: Connection, acting: Acting, workspace_id: str, user_id: str, organisation_id: str) -> None:
    connection.execute(
        delete(members).where(and_(members.c.workspace_id == workspace_id, members.c.user_id == user_id))
    )
    acting.changed(connection, "member", f"{workspace_id}/{user_id}")
    acting.note(
        connection,
        "member.remove",
        target=user_id,
        organisation_id=organisation_id,
        workspace_id=workspace_id,
        details={"source": "groups"},
    )
