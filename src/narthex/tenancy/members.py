"""Who is in a workspace, and as what."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, and_, delete, func, select

from narthex.errors import Conflict, NotFound
from narthex.stores.database.schema import members, users
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import changed, found, made
from narthex.tenancy.permissions import OWNER
from narthex.tenancy.records import Member
from narthex.tenancy.roles import permissions_of
from narthex.tenancy.room import collaborators, room
from narthex.tenancy.workspaces import workspace
from narthex.types.limits import Measure


def member(connection: Connection, workspace_id: str, user_id: str) -> Member:
    """Return a member."""
    where = and_(members.c.workspace_id == workspace_id, members.c.user_id == user_id)
    return found(connection, members, Member, where, what=f"member {user_id[:64]!r} of this workspace")


def add_member(
    connection: Connection,
    acting: Acting,
    *,
    workspace_id: str,
    user_id: str,
    role: str,
    source: Literal["hand", "groups"] = "hand",
) -> Member:
    """Take a user of the same organisation into a workspace.

    Raises:
        AlreadyExists: They are in it.
        LimitExceeded: As many are in it as may be.
        NotFound: There is no such user, or no such role.
        PermissionDenied: The role may do more than the one who gives it.
    """
    where = workspace(connection, workspace_id)
    known = connection.execute(
        select(users.c.id).where(users.c.id == user_id, users.c.organisation_id == where.organisation_id)
    ).first()
    if known is None:
        raise NotFound(f"this organisation has no user {user_id[:64]!r}", param="user_id")
    acting.may_give(permissions_of(connection, where.organisation_id, role))
    values = {
        "workspace_id": workspace_id,
        "user_id": user_id,
        "role": role,
        "source": source,
        "created_at": acting.now,
        "version": 1,
    }
    place = {"organisation_id": where.organisation_id, "workspace_id": workspace_id}
    with room(connection, Measure.COLLABORATORS, count=collaborators, now=acting.now, **place):
        new = made(connection, members, values, Member, taken="they are in this workspace already")
    _changed(connection, acting, "member.add", new, where.organisation_id)
    return new


def change_member(
    connection: Connection, acting: Acting, *, workspace_id: str, user_id: str, role: str, version: int | None = None
) -> Member:
    """Give a member another role.

    Raises:
        Conflict: They are the last owner.
        PermissionDenied: The role, or the one they have, may do more than the one who gives it.
    """
    before, where = member(connection, workspace_id, user_id), workspace(connection, workspace_id)
    acting.may_give(permissions_of(connection, where.organisation_id, before.role))
    acting.may_give(permissions_of(connection, where.organisation_id, role))
    if before.role == OWNER != role:
        _leave_an_owner(connection, workspace_id, user_id)
    row = and_(members.c.workspace_id == workspace_id, members.c.user_id == user_id)
    changed(connection, members, row, {"role": role, "source": "hand"}, version=version)
    after = member(connection, workspace_id, user_id)
    _changed(connection, acting, "member.update", after, where.organisation_id)
    return after


def remove_member(
    connection: Connection, acting: Acting, *, workspace_id: str, user_id: str, version: int | None = None
) -> None:
    """Take a user out of a workspace; keys of theirs in it open nothing any more.

    Raises:
        Conflict: They are the last owner.
    """
    before, where = member(connection, workspace_id, user_id), workspace(connection, workspace_id)
    acting.may_give(permissions_of(connection, where.organisation_id, before.role))
    if before.role == OWNER:
        _leave_an_owner(connection, workspace_id, user_id)
    row = and_(members.c.workspace_id == workspace_id, members.c.user_id == user_id)
    changed(connection, members, row, {"role": before.role}, version=version)
    connection.execute(delete(members).where(row))
    _changed(connection, acting, "member.remove", before, where.organisation_id)


def is_last_owner(connection: Connection, workspace_id: str, user_id: str) -> bool:
    """Tell whether nobody else owns a workspace."""
    others = (
        select(func.count())
        .select_from(members.join(users, users.c.id == members.c.user_id))
        .where(
            members.c.workspace_id == workspace_id,
            members.c.role == OWNER,
            members.c.user_id != user_id,
            users.c.disabled_at.is_(None),
        )
    )
    return not connection.execute(others).scalar_one()


def _leave_an_owner(connection: Connection, workspace_id: str, user_id: str) -> None:
    if is_last_owner(connection, workspace_id, user_id):
        raise Conflict("this is the last owner of the workspace; make somebody else an owner first")


def _changed(connection: Connection, acting: Acting, action: str, about: Member, organisation_id: str) -> None:
    acting.changed(connection, "member", f"{about.workspace_id}/{about.user_id}")
    acting.note(
        connection,
        action,
        target=about.user_id,
        organisation_id=organisation_id,
        workspace_id=about.workspace_id,
        details={"role": about.role},
    )
