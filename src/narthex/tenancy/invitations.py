"""Invitations: links by which people come in, handed over by whoever invites. A link is told once, and good once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, select, update

from narthex.errors import AlreadyExists, Conflict, InvitationUnusable, NotFound, PermissionDenied
from narthex.stores.database.schema import invitations, members
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import changed, found, made
from narthex.tenancy.members import add_member
from narthex.tenancy.organisations import organisation
from narthex.tenancy.roles import permissions_of
from narthex.tenancy.rows import columns_of, record_of, records
from narthex.tenancy.sign_in import credentials
from narthex.tenancy.sign_in.credentials import Credentials
from narthex.tenancy.users import address_of, everywhere, set_current_workspace, update_user, user
from narthex.tenancy.workspaces import workspace
from narthex.types.ids import new_id

PREFIX: Final = "nxi_"
"""What every invitation's token begins with, so that those who search for leaked secrets find it."""
PATH: Final = "/invitation"
"""The page of the dashboard that takes one; the token stands behind `#`, which no browser sends anywhere."""
PURPOSE: Final = "invitations"
"""What tokens are hashed with is made for this."""
USUAL_S: Final = 604_800
LONGEST_S: Final = 2_592_000
_TOKEN_BYTES: Final = 32

Mark = Callable[[str], bytes]
"""Returns what a token is held by."""
State = Literal["open", "accepted", "revoked", "expired"]


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may come in, by their address."""

    id: str
    organisation_id: str
    workspace_id: str | None
    """None for the organisation as a whole."""
    email: str
    role: str
    created_at: int
    created_by: str
    opens_account: bool
    """Whether it lets them choose a password for an account that was made for them and has none."""
    expires_at: int
    accepted_at: int | None
    accepted_by: str | None
    revoked_at: int | None
    version: int

    def state(self, now: int) -> State:
        """Return how it stands at a moment, in milliseconds of Unix time."""
        if self.accepted_at is not None:
            return "accepted"
        if self.revoked_at is not None:
            return "revoked"
        return "open" if now < self.expires_at else "expired"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to invite, and as what."""

    organisation_id: str
    workspace_id: str | None = None
    email: str
    role: str = "member"
    lifetime_s: int = USUAL_S


def marker(key: bytes) -> Mark:
    """Return what hashes tokens with this key."""
    return lambda token: hmac.digest(key, token.encode("utf-8", "replace"), hashlib.sha256)


def invitation(connection: Connection, invitation_id: str) -> Invitation:
    """Return what is known of an invitation."""
    where = invitations.c.id == invitation_id
    return found(connection, invitations, Invitation, where, what=f"invitation {invitation_id[:64]!r}")


def invite(connection: Connection, acting: Acting, wish: Wish, *, mark: Mark) -> tuple[str, Invitation]:
    """Invite somebody; return the token, this once. An earlier invitation of the same to the same is revoked.

    Raises:
        AlreadyExists: They are there already, or their address is taken.
        Conflict: The workspace is archived, or they are locked out.
        InvalidRequest: This is no e-mail address.
        NotFound: There is no such role.
        PermissionDenied: The role may do more than the one who invites.
    """
    email = address_of(wish.email)
    _check_place(connection, acting, wish)
    opens_account = _check_known(connection, acting, wish, email)
    for earlier in records(
        connection, select(*columns_of(Invitation, invitations)).where(_same(wish, email)), Invitation
    ):
        if earlier.state(acting.now) == "open":
            revoke(connection, acting, earlier.id)
    token = PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    values = {
        "id": new_id("inv"),
        "digest": mark(token),
        "organisation_id": wish.organisation_id,
        "workspace_id": wish.workspace_id,
        "email": email,
        "role": wish.role,
        "created_at": acting.now,
        "created_by": acting.actor.id if acting.actor.kind in {"user", "key"} else acting.actor.kind,
        "opens_account": opens_account,
        "expires_at": acting.now + wish.lifetime_s * 1_000,
        "version": 1,
    }
    new = made(connection, invitations, values, Invitation, taken="there is such an invitation already")
    _note(connection, acting, "invitation.create", new, {"role": wish.role})
    return token, new


def revoke(connection: Connection, acting: Acting, invitation_id: str, *, version: int | None = None) -> Invitation:
    """Have an invitation let nobody in any more.

    Raises:
        Conflict: Somebody has come in by it already.
    """
    before = invitation(connection, invitation_id)
    if before.accepted_at is not None:
        raise Conflict("this invitation was accepted; remove the member, or lock the user out")
    written = {"revoked_at": before.revoked_at or acting.now}
    changed(connection, invitations, invitations.c.id == invitation_id, written, version=version)
    _note(connection, acting, "invitation.revoke", before, {})
    return invitation(connection, invitation_id)


def by_token(connection: Connection, token: str, *, mark: Mark, now: int) -> Invitation:
    """Return the invitation of a token, if it is good.

    Raises:
        InvitationUnusable: There is none, or it is good no more; the message says which.
    """
    known = record_of(connection, Invitation, invitations, invitations.c.digest == mark(token))
    if known is None:
        raise InvitationUnusable
    state = known.state(now)
    if state != "open":
        raise InvitationUnusable(f"this invitation {_OVER[state]}: ask whoever invited you for another one")
    return known


def open_for(connection: Connection, organisation_id: str, email: str, now: int) -> list[Invitation]:
    """Return the invitations by which somebody whose address is verified may come into an organisation."""
    where = and_(invitations.c.email == email, invitations.c.organisation_id == organisation_id)
    return [one for one in _some(connection, where) if one.state(now) == "open"]


def join(connection: Connection, acting: Acting, one: Invitation, user_id: str) -> None:
    """Use an invitation up: give somebody what it says. Of several who try at the same time one succeeds.

    Raises:
        AlreadyExists: They are in the workspace already, or in another organisation.
        Conflict: The workspace was put away.
        InvitationUnusable: It was used or revoked meanwhile.
        NotFound: The workspace, or the role, is there no more.
    """
    joining = user(connection, user_id)
    if joining.organisation_id != one.organisation_id:
        raise AlreadyExists("there is a user of this e-mail address already, in another organisation")
    where = and_(invitations.c.id == one.id, invitations.c.accepted_at.is_(None), invitations.c.revoked_at.is_(None))
    used = {"accepted_at": acting.now, "accepted_by": user_id, "version": invitations.c.version + 1}
    if not connection.execute(update(invitations).where(where).values(used)).rowcount:
        raise InvitationUnusable
    if one.workspace_id is None:
        update_user(connection, acting, user_id, {"role": one.role})
    else:
        if workspace(connection, one.workspace_id).archived_at is not None:
            raise Conflict("the workspace of this invitation was put away")
        add_member(connection, acting, workspace_id=one.workspace_id, user_id=user_id, role=one.role)
        if joining.current_workspace_id is None:
            set_current_workspace(connection, acting, user_id, one.workspace_id)
    _note(connection, acting, "invitation.accept", one, {"user": user_id})


_OVER: Final = {"accepted": "was used already", "revoked": "was taken back", "expired": "is too old"}


def _check_place(connection: Connection, acting: Acting, wish: Wish) -> None:
    organisation(connection, wish.organisation_id)
    if wish.workspace_id is None:
        acting.may_give(everywhere(connection, wish.organisation_id, wish.role))
        return
    where = workspace(connection, wish.workspace_id)
    if where.organisation_id != wish.organisation_id:
        raise NotFound("this workspace is another organisation's", param="workspace_id")
    if where.archived_at is not None:
        raise Conflict("this workspace is archived; restore it first")
    acting.may_give(permissions_of(connection, wish.organisation_id, wish.role))


def _check_known(connection: Connection, acting: Acting, wish: Wish, email: str) -> bool:
    """Return whether an account that is there already, and cannot be signed in with, is opened by an invitation."""
    known = credentials.by_email(connection, email)
    if known is None:
        return False
    if known.organisation_id != wish.organisation_id:
        raise AlreadyExists("there is a user of this e-mail address already, in another organisation", param="email")
    if known.disabled_at is not None:
        raise Conflict("this user is locked out; let them act again first")
    has_way_in = known.password_hash is not None or known.issuer is not None
    if wish.workspace_id is None and has_way_in:
        raise AlreadyExists("they are in this organisation already; give them another role instead", param="email")
    rows = connection.execute(select(members.c.workspace_id, members.c.role).where(members.c.user_id == known.id))
    roles = {where: role for where, role in rows}  # noqa: C416 - rows are no pairs for the type checkers
    if wish.workspace_id in roles:
        raise AlreadyExists("they are in this workspace already", param="email")
    return not has_way_in and _may_hand_over(connection, acting, wish, known, roles)


def _may_hand_over(
    connection: Connection, acting: Acting, wish: Wish, known: Credentials, roles: Mapping[str, str]
) -> bool:
    """Tell whether whoever invites may hand an account over: it may do no more than they do themselves.

    Raises:
        PermissionDenied: It may, and is all that the invitation is to.
    """
    own = [permissions_of(connection, wish.organisation_id, role) for role in roles.values()]
    try:
        acting.may_give(everywhere(connection, wish.organisation_id, known.role).union(*own))
    except PermissionDenied:
        if wish.workspace_id is None:
            raise
        return False
    return True


def _some(connection: Connection, where: ColumnElement[bool]) -> list[Invitation]:
    return records(connection, select(*columns_of(Invitation, invitations)).where(where), Invitation)


def _same(wish: Wish, email: str) -> ColumnElement[bool]:
    return and_(
        invitations.c.email == email,
        invitations.c.organisation_id == wish.organisation_id,
        # With None it asks for those without one.
        invitations.c.workspace_id == wish.workspace_id,
    )


def _note(connection: Connection, acting: Acting, action: str, about: Invitation, details: dict[str, object]) -> None:
    acting.note(
        connection,
        action,
        target=about.id,
        organisation_id=about.organisation_id,
        workspace_id=about.workspace_id or "",
        details=details,
    )
