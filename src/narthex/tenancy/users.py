"""People and service accounts."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from narthex.errors import Conflict, InvalidRequest, NotFound
from narthex.stores.database.schema import members, users
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import changed, found, made
from narthex.tenancy.members import is_last_owner
from narthex.tenancy.organisations import organisation
from narthex.tenancy.permissions import OF_ALL, OWNER
from narthex.tenancy.records import User, UserKind
from narthex.tenancy.roles import permissions_of
from narthex.tenancy.sign_in.session_rows import end_sessions
from narthex.tenancy.workspaces import workspace
from narthex.types.ids import new_id

_TAKEN = "there is a user of this e-mail address already"


def user(connection: Connection, user_id: str) -> User:
    """Return a user."""
    return found(connection, users, User, users.c.id == user_id, what=f"user {user_id[:64]!r}")


def create_user(
    connection: Connection,
    acting: Acting,
    *,
    organisation_id: str,
    name: str,
    email: str | None = None,
    kind: UserKind = "person",
    role: str = "member",
) -> User:
    """Make a user, who cannot sign in before they were given something to sign in with.

    Raises:
        AlreadyExists: Another one has the e-mail address.
        InvalidRequest: A person without one, or a service account with one; or there is no such role.
        PermissionDenied: The role may do more than the one who gives it.
    """
    organisation(connection, organisation_id)
    if kind == "person" and email is None:
        raise InvalidRequest("a person has an e-mail address", param="email")
    acting.may_give(everywhere(connection, organisation_id, role))
    values = {
        "id": new_id("usr"),
        "organisation_id": organisation_id,
        "kind": kind,
        "email": None if email is None else address_of(email),
        "name": name,
        "role": role,
        "created_at": acting.now,
        "version": 1,
    }
    new = made(connection, users, values, User, taken=_TAKEN)
    acting.changed(connection, "user", new.id)
    _note(connection, acting, "user.create", new, {"kind": kind, "role": role})
    return new


def update_user(
    connection: Connection, acting: Acting, user_id: str, values: Mapping[str, object], *, version: int | None = None
) -> User:
    """Change `name`, `email`, `role` or `disabled` of a user; who is disabled is signed out everywhere.

    Raises:
        Conflict: They are the last owner of the organisation, or of a workspace.
        PermissionDenied: The role, or the one they have, may do more than the one who gives it; or, where the e-mail
            address is changed, which is as good as the account, one of theirs in a workspace may.
    """
    before = user(connection, user_id)
    acting.may_give(everywhere(connection, before.organisation_id, before.role))
    written = dict(values)
    if "role" in written:
        acting.may_give(everywhere(connection, before.organisation_id, str(written["role"])))
    if written.get("email") is not None:
        written["email"] = address_of(str(written["email"]))
        if written["email"] != before.email:
            acting.may_give(_anywhere(connection, before))
    if "disabled" in written:
        written["disabled_at"] = (before.disabled_at or acting.now) if written.pop("disabled") else None
    leave_owners(connection, before, written)
    changed(connection, users, users.c.id == user_id, written, version=version, taken=_TAKEN)
    acting.changed(connection, "user", user_id)
    if written.get("disabled_at") is not None:
        end_sessions(connection, acting, user_id)
    _note(connection, acting, "user.update", before, {"fields": sorted(values)})
    return user(connection, user_id)


def set_current_workspace(connection: Connection, acting: Acting, user_id: str, workspace_id: str) -> User:
    """Have a user work in a workspace from now on; that they may was looked at before."""
    before, where = user(connection, user_id), workspace(connection, workspace_id)
    if where.organisation_id != before.organisation_id:
        raise NotFound("this workspace is another organisation's", param="workspace_id")
    changed(connection, users, users.c.id == user_id, {"current_workspace_id": workspace_id}, version=None)
    acting.changed(connection, "user", user_id)
    return user(connection, user_id)


def address_of(email: str) -> str:
    """Return an e-mail address in its one written form.

    Raises:
        InvalidRequest: It is none.
    """
    name, at, host = email.strip().rpartition("@")
    if (
        not (at and name and host)
        or len(email) > 320
        or any(one.isspace() or not one.isprintable() for one in name + host)
    ):
        raise InvalidRequest(f"{email[:100]!r} is no e-mail address", param="email")
    return f"{name}@{host}".lower()


def everywhere(connection: Connection, organisation_id: str, role: str) -> frozenset[str]:
    """Return what a role allows in all of the organisation; that of a plain member nothing."""
    return frozenset() if role == "member" else permissions_of(connection, organisation_id, role)


def _anywhere(connection: Connection, about: User) -> frozenset[str]:
    """Return what a user may do in at least one workspace."""
    roles = connection.scalars(select(members.c.role).where(members.c.user_id == about.id).distinct()).all()
    return frozenset[str]().union(*(permissions_of(connection, about.organisation_id, one) for one in roles)) - OF_ALL


def leave_owners(connection: Connection, before: User, written: Mapping[str, object]) -> None:
    """Make sure that an organisation and its workspaces still have an owner after a change of a user.

    Raises:
        Conflict: One of them would have none.
    """
    ends = written.get("disabled_at") is not None
    if before.role == OWNER and (ends or written.get("role", OWNER) != OWNER):
        others = select(func.count()).where(
            users.c.organisation_id == before.organisation_id,
            users.c.role == OWNER,
            users.c.id != before.id,
            users.c.disabled_at.is_(None),
        )
        if not connection.execute(others).scalar_one():
            raise Conflict("this is the last owner of the organisation; make somebody else an owner first")
    if ends:
        owned = select(members.c.workspace_id).where(members.c.user_id == before.id, members.c.role == OWNER)
        for workspace_id in connection.scalars(owned).all():
            if is_last_owner(connection, workspace_id, before.id):
                raise Conflict(f"this is the last owner of the workspace {workspace_id}; make somebody else one first")


def _note(connection: Connection, acting: Acting, action: str, about: User, details: Mapping[str, object]) -> None:
    acting.note(connection, action, target=about.id, organisation_id=about.organisation_id, details=details)
