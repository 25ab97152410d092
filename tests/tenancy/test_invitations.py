"""Invitations: whom one may invite as what, and that each link is good once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from narthex.errors import (
    AlreadyExists,
    Conflict,
    InvalidRequest,
    InvitationUnusable,
    NotFound,
    PermissionDenied,
    VersionConflict,
)
from narthex.stores.database import Database
from narthex.stores.database.schema import invitations, users
from narthex.tenancy.acting import Acting
from narthex.tenancy.invitations import (
    PREFIX,
    USUAL_S,
    Invitation,
    Wish,
    by_token,
    invitation,
    invite,
    join,
    marker,
    open_for,
    revoke,
)
from narthex.tenancy.members import member, remove_member
from narthex.tenancy.permissions import BUILT_IN
from narthex.tenancy.records import Organisation, Workspace
from narthex.tenancy.sign_in import credentials
from narthex.tenancy.users import update_user, user
from narthex.tenancy.workspaces import archive_workspace
from tests.tenancy.towns import NOW, Town

MARK = marker(b"k" * 32)
EMAIL = "ada@example.org"


class Hall(Town):
    """A town with an organisation, a workspace, and people who are invited there."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.home: Organisation = self.organisation()
        self.lab: Workspace = self.workspace(self.home)

    def ask(
        self, email: str = EMAIL, role: str = "member", *, to_all: bool = False, by: Acting | None = None
    ) -> tuple[str, Invitation]:
        """Invite somebody to the workspace, or to all of the organisation."""
        where = None if to_all else self.lab.id
        wish = Wish(organisation_id=self.home.id, workspace_id=where, email=email, role=role)
        return self.do(invite, by or self.by(), wish, mark=MARK)

    def known(self, *, way_in: bool, role: str = "member") -> str:
        """Make somebody with the address that is invited; return their ID."""
        made = self.user(self.home, role).id
        values = {"email": EMAIL, "password_hash": "x" if way_in else None}
        self.do(lambda c: c.execute(update(users).where(users.c.id == made).values(values)).close())
        return made


def test_of_a_link_only_the_hash_is_kept(database: Database) -> None:
    """It is told once, in the one written form of the address, and written down."""
    hall = Hall(database)
    token, one = hall.ask(" Ada@Example.ORG")
    assert token.startswith(PREFIX)
    assert (one.email, one.state(NOW), one.expires_at) == (EMAIL, "open", NOW + USUAL_S * 1_000)
    rows = hall.database.read_now(lambda c: [tuple(row) for row in c.execute(select(invitations))])
    assert token not in repr(rows)
    assert hall.do(by_token, token, mark=MARK, now=NOW) == one
    assert hall.audit.actions[-1] == "invitation.create"
    assert token not in repr(hall.audit.rows)


def test_nobody_invites_above_themselves(database: Database) -> None:
    """Neither into a workspace nor into the organisation; a plain member of the organisation may do nothing there."""
    hall = Hall(database)
    weak = hall.by(BUILT_IN["viewer"] | {"members:write", "users:write"})
    with pytest.raises(PermissionDenied, match="nobody gives more"):
        hall.ask(role="owner", by=weak)
    with pytest.raises(PermissionDenied):
        hall.ask(role="admin", to_all=True, by=weak)
    assert hall.ask(role="viewer", by=weak)[1].role == "viewer"
    assert hall.ask(role="member", to_all=True, by=weak)[1].workspace_id is None


def test_a_place_that_is_not_there_is_told(database: Database) -> None:
    """A role, a workspace of another organisation, one that is put away, and what is no address."""
    hall = Hall(database)
    with pytest.raises(NotFound, match="role"):
        hall.ask(role="chief")
    with pytest.raises(InvalidRequest, match="e-mail"):
        hall.ask("ada")
    elsewhere = Wish(organisation_id=hall.organisation().id, workspace_id=hall.lab.id, email=EMAIL)
    with pytest.raises(NotFound, match="another organisation"):
        hall.do(invite, hall.by(), elsewhere, mark=MARK)
    token, one = hall.ask()
    ada = hall.known(way_in=True)
    hall.do(archive_workspace, hall.by(), hall.lab.id)
    with pytest.raises(Conflict, match="archived"):
        hall.ask("eve@example.org")
    with pytest.raises(Conflict, match="put away"):
        hall.do(join, hall.by(), one, ada)
    assert hall.do(by_token, token, mark=MARK, now=NOW) == one


def test_a_new_link_takes_the_place_of_the_old_one(database: Database) -> None:
    """Of the same to the same place; those to other places stay."""
    hall = Hall(database)
    first, _ = hall.ask()
    everywhere, _ = hall.ask(to_all=True)
    second, _ = hall.ask()
    with pytest.raises(InvitationUnusable, match="taken back"):
        hall.do(by_token, first, mark=MARK, now=NOW)
    assert hall.do(by_token, second, mark=MARK, now=NOW).workspace_id == hall.lab.id
    assert hall.do(by_token, everywhere, mark=MARK, now=NOW).workspace_id is None
    assert len(hall.do(open_for, hall.home.id, EMAIL, NOW)) == 2


def test_a_link_ends(database: Database) -> None:
    """By its time, by being taken back, or with another key; which is told, but for one that never was."""
    hall = Hall(database)
    token, one = hall.ask()
    with pytest.raises(InvitationUnusable, match="too old"):
        hall.do(by_token, token, mark=MARK, now=one.expires_at)
    assert hall.do(open_for, hall.home.id, EMAIL, one.expires_at) == []
    for bad in (token + "x", "", "\udcff"):
        with pytest.raises(InvitationUnusable, match="not known"):
            hall.do(by_token, bad, mark=MARK, now=NOW)
    with pytest.raises(InvitationUnusable, match="not known"):
        hall.do(by_token, token, mark=marker(b"o" * 32), now=NOW)
    with pytest.raises(VersionConflict):
        hall.do(revoke, hall.by(), one.id, version=2)
    gone = hall.do(revoke, hall.by(), one.id, version=1)
    assert gone.state(NOW) == "revoked"
    assert hall.do(revoke, hall.by(), one.id).revoked_at == gone.revoked_at
    with pytest.raises(InvitationUnusable, match="taken back"):
        hall.do(by_token, token, mark=MARK, now=NOW)


def test_a_link_is_good_once_side_by_side_too(database: Database) -> None:
    """Of many who come by it at the same moment one gets in."""
    hall = Hall(database)
    _, one = hall.ask()
    people = [hall.user(hall.home).id for _ in range(6)]

    def come(user_id: str) -> bool:
        try:
            hall.do(join, hall.by(), one, user_id)
        except InvitationUnusable:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        came = list(pool.map(come, people))
    assert came.count(True) == 1
    (joined,) = [name for name, did in zip(people, came, strict=True) if did]
    assert hall.do(member, hall.lab.id, joined).role == "member"
    assert hall.do(user, joined).current_workspace_id == hall.lab.id
    used = hall.do(invitation, one.id)
    assert (used.accepted_by, used.state(NOW), used.version) == (joined, "accepted", 2)
    with pytest.raises(Conflict, match="was accepted"):
        hall.do(revoke, hall.by(), one.id)


def test_who_is_there_already_is_not_invited(database: Database) -> None:
    """Nor who is locked out, nor somebody of another organisation; nothing is used up by who cannot join."""
    hall = Hall(database)
    _, one = hall.ask()
    ada = hall.known(way_in=True)
    with pytest.raises(AlreadyExists, match="in this organisation"):
        hall.ask(to_all=True)
    hall.do(join, hall.by(), one, ada)
    with pytest.raises(AlreadyExists, match="in this workspace"):
        hall.ask()
    hall.do(remove_member, hall.by(), workspace_id=hall.lab.id, user_id=ada)
    _, again = hall.ask()
    hall.do(update_user, hall.by(), ada, {"disabled": True})
    with pytest.raises(Conflict, match="locked out"):
        hall.ask()
    stranger = hall.user(hall.organisation())
    with pytest.raises(AlreadyExists, match="another organisation"):
        hall.do(join, hall.by(), again, stranger.id)
    with pytest.raises(AlreadyExists, match="another organisation"):
        hall.ask(str(stranger.email))
    assert hall.do(invitation, again.id).state(NOW) == "open"


def test_an_account_is_handed_over_by_who_may_do_as_much(database: Database) -> None:
    """One that was made for somebody, and that nobody can sign in with: else whoever invites could take it over."""
    hall = Hall(database)
    ada = hall.known(way_in=False, role="admin")
    assert hall.ask()[1].opens_account
    weak = hall.by(BUILT_IN["member"] | {"members:write", "users:write"})
    assert not hall.ask(by=weak)[1].opens_account
    with pytest.raises(PermissionDenied):
        hall.ask(to_all=True, by=weak)
    _, one = hall.ask(to_all=True, role="billing")
    assert one.opens_account
    hall.do(join, hall.by(), one, ada)
    assert hall.do(user, ada).role == "billing"
    hall.do(credentials.link, hall.by(), ada, "https://login", "subject")
    assert not hall.ask()[1].opens_account
