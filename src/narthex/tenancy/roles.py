"""Roles that organisations make beside the built-in ones."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, and_, delete, exists, select

from narthex.errors import AlreadyExists, Conflict, NotFound
from narthex.stores.database.schema import members, roles, users, workspaces
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import changed, found, made, slug_of
from narthex.tenancy.permissions import BUILT_IN, checked
from narthex.tenancy.records import Role
from narthex.types.ids import new_id


def permissions_of(connection: Connection, organisation_id: str, name: str) -> frozenset[str]:
    """Return what a role may do.

    Raises:
        NotFound: There is none of this name.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    where = and_(roles.c.organisation_id == organisation_id, roles.c.name == name)
    given = connection.execute(select(roles.c.permissions).where(where)).scalar_one_or_none()
    if given is None:
        raise NotFound(f"there is no role {name[:64]!r}; built in are {', '.join(BUILT_IN)}", param="role")
    return frozenset(given)


def role(connection: Connection, role_id: str) -> Role:
    """Return a role."""
    return found(connection, roles, Role, roles.c.id == role_id, what=f"role {role_id[:64]!r}")


def create_role(
    connection: Connection, acting: Acting, *, organisation_id: str, name: str, permissions: Iterable[str]
) -> Role:
    """Make a role.

    Raises:
        AlreadyExists: There is one of this name.
        PermissionDenied: It would allow more than the one who makes it may do.
    """
    if name in BUILT_IN:
        raise AlreadyExists(f"{name!r} is a built-in role")
    given = checked(permissions)
    acting.may_give(frozenset(given))
    values = {
        "id": new_id("rol"),
        "organisation_id": organisation_id,
        "name": slug_of(name, param="name"),
        "permissions": given,
        "version": 1,
    }
    new = made(connection, roles, values, Role, taken=f"there is a role {name!r} already")
    acting.changed(connection, "role", new.id)
    acting.note(
        connection, "role.create", target=new.id, organisation_id=organisation_id, details={"permissions": list(given)}
    )
    return new


def update_role(
    connection: Connection, acting: Acting, role_id: str, *, permissions: Iterable[str], version: int | None = None
) -> Role:
    """Have a role allow something else.

    Raises:
        PermissionDenied: It allowed, or would allow, more than the one who changes it may do.
    """
    before, given = role(connection, role_id), checked(permissions)
    acting.may_give(frozenset(before.permissions) | frozenset(given))
    changed(connection, roles, roles.c.id == role_id, {"permissions": given}, version=version)
    acting.changed(connection, "role", role_id)
    acting.note(
        connection,
        "role.update",
        target=role_id,
        organisation_id=before.organisation_id,
        details={"permissions": list(given)},
    )
    return role(connection, role_id)


def delete_role(connection: Connection, acting: Acting, role_id: str, *, version: int | None = None) -> None:
    """Take a role away.

    Raises:
        Conflict: Somebody has it.
    """
    before = role(connection, role_id)
    acting.may_give(frozenset(before.permissions))
    in_users = exists().where(users.c.organisation_id == before.organisation_id, users.c.role == before.name)
    in_members = exists().where(
        workspaces.c.organisation_id == before.organisation_id,
        members.c.workspace_id == workspaces.c.id,
        members.c.role == before.name,
    )
    if connection.execute(select(in_users | in_members)).scalar_one():
        raise Conflict(f"somebody has the role {before.name!r}; give them another one first")
    changed(connection, roles, roles.c.id == role_id, {"name": before.name}, version=version)
    connection.execute(delete(roles).where(roles.c.id == role_id))
    acting.changed(connection, "role", role_id)
    acting.note(connection, "role.delete", target=role_id, organisation_id=before.organisation_id)
