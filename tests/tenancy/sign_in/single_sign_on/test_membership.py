"""What groups may do here follows them at each sign-in."""

from __future__ import annotations

import pytest

from narthex.config.sign_in_settings import GroupSettings, OidcSettings
from narthex.errors import NotFound, SingleSignOnFailed
from narthex.stores.database import Database
from narthex.tenancy.invitations import Wish, invitation, invite, marker
from narthex.tenancy.members import add_member, member
from narthex.tenancy.organisations import create_organisation
from narthex.tenancy.records import Organisation
from narthex.tenancy.sign_in import credentials
from narthex.tenancy.sign_in.credentials import Credentials
from narthex.tenancy.sign_in.single_sign_on.identity import Identity
from narthex.tenancy.sign_in.single_sign_on.membership import admitted, role_of, workspace_roles
from narthex.tenancy.users import create_user, update_user
from tests.tenancy.towns import Town

ISSUER = "https://login.example.com"
GROUPS = (
    GroupSettings(group="chiefs", role="admin"),
    GroupSettings(group="money", role="billing"),
    GroupSettings(group="chiefs", role="owner", workspace="lab"),
    GroupSettings(group="crew", role="member", workspace="lab"),
    GroupSettings(group="crew", role="viewer", workspace="gone"),
)


def settings(**changes: object) -> OidcSettings:
    """Return settings of an organisation called `home`."""
    values = {"issuer": ISSUER, "client_id": "n", "organisation": "home", "groups": GROUPS, **changes}
    return OidcSettings.model_validate(values)


def identity(*groups: str, subject: str = "s", email: str = "ada@example.org") -> Identity:
    """Return a person of these groups."""
    return Identity(issuer=ISSUER, subject=subject, email=email, name="Ada", groups=frozenset(groups))


class Home(Town):
    """A town with an organisation called `home`, and a workspace called `lab`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.home: Organisation = self.do(lambda one: create_organisation(one, self.by(), slug="home", name="Home"))
        self.lab = self.workspace(self.home, slug="lab")

    def admit(self, who: Identity, **changes: object) -> Credentials:
        """Let somebody in."""
        return self.do(lambda one: admitted(one, self.by(), who, settings(**changes)))

    def role_in_lab(self, user_id: str) -> tuple[str, str] | None:
        """Return role and source of a member; None if they are none."""
        try:
            found = self.do(member, self.lab.id, user_id)
        except NotFound:
            return None
        return found.role, found.source


def test_the_first_entry_that_fits_counts() -> None:
    """In the organisation, and in each workspace."""
    assert role_of(frozenset({"money", "chiefs"}), settings()) == "admin"
    assert role_of(frozenset({"crew"}), settings(default_role="viewer")) == "viewer"
    assert workspace_roles(frozenset({"crew", "chiefs"}), GROUPS) == {"lab": "owner", "gone": "viewer"}


def test_roles_follow_the_groups(database: Database) -> None:
    """Given at the first sign-in, changed and taken away at the next ones."""
    town = Home(database)
    first = town.admit(identity("crew"))
    assert (first.role, town.role_in_lab(first.id)) == ("member", ("member", "groups"))
    again = town.admit(identity("crew", "chiefs"))
    assert again.id == first.id
    assert (again.role, town.role_in_lab(first.id)) == ("admin", ("owner", "groups"))
    assert town.admit(identity()).role == "member"
    assert town.role_in_lab(first.id) is None
    before = len(town.audit.rows)
    town.admit(identity())
    assert len(town.audit.rows) == before


def test_what_was_done_by_hand_stays(database: Database) -> None:
    """A member by hand keeps the role; the last owner stays one; without groups in the settings the role stays."""
    town = Home(database)
    user = town.admit(identity())
    town.do(
        lambda one: add_member(one, town.by(), workspace_id=town.lab.id, user_id=user.id, role="viewer", source="hand")
    )
    town.admit(identity("crew"))
    town.admit(identity())
    assert town.role_in_lab(user.id) == ("viewer", "hand")
    town.do(update_user, town.by(), user.id, {"role": "owner"})
    assert town.admit(identity("money")).role == "owner"
    town.user(town.home, role="owner")
    assert town.admit(identity("money")).role == "billing"
    assert town.admit(identity(), groups=()).role == "billing"


def test_what_groups_gave_goes_with_the_last_of_them(database: Database) -> None:
    """Also where the settings name no groups any more."""
    town = Home(database)
    user = town.admit(identity("crew"))
    assert town.role_in_lab(user.id) == ("member", "groups")
    town.admit(identity("crew"), groups=())
    assert town.role_in_lab(user.id) is None


def test_who_was_invited_is_known_by_the_address(database: Database) -> None:
    """And from then on by issuer and subject, whatever the address becomes."""
    town = Home(database)
    invited = town.do(
        lambda one: create_user(one, town.by(), organisation_id=town.home.id, name="Ada", email="ada@example.org")
    )
    assert town.admit(identity(), create_users=False).id == invited.id
    assert town.admit(identity(email="new@example.org"), create_users=False).id == invited.id
    with pytest.raises(SingleSignOnFailed, match="somebody else"):
        town.admit(identity(subject="another"))


def test_some_are_not_let_in(database: Database) -> None:
    """Unknown where nobody is made, disabled, a service account, of another organisation, or of none."""
    town = Home(database)
    with pytest.raises(SingleSignOnFailed, match="invitation"):
        town.admit(identity(), create_users=False)
    with pytest.raises(SingleSignOnFailed, match="no organisation"):
        town.admit(identity(), organisation="nowhere")
    assert not town.do(credentials.anybody)
    user = town.admit(identity())
    town.do(update_user, town.by(), user.id, {"disabled": True})
    town.do(
        lambda one: create_user(
            one, town.by(), organisation_id=town.home.id, name="r", email="r@example.org", kind="service"
        )
    )
    abroad = town.user(town.organisation())
    for who in (
        identity(),
        identity(subject="r", email="r@example.org"),
        identity(subject="a", email=str(abroad.email)),
    ):
        with pytest.raises(SingleSignOnFailed, match="may not sign in"):
            town.admit(who)


def test_who_is_invited_comes_in_by_single_sign_on(database: Database) -> None:
    """Even where nobody else is taken in; with the role of the invitation, which is used up."""
    home = Home(database)
    wish = Wish(organisation_id=home.home.id, workspace_id=home.lab.id, email="ada@example.org", role="viewer")
    _, invited = home.do(invite, home.by(), wish, mark=marker(b"k" * 32))
    with pytest.raises(SingleSignOnFailed, match="invitation"):
        home.admit(identity(subject="t", email="eve@example.org"), create_users=False)
    ada = home.admit(identity(), create_users=False)
    assert home.role_in_lab(ada.id) == ("viewer", "hand")
    assert home.do(invitation, invited.id).accepted_by == ada.id


def test_what_was_set_up_before_an_address_was_verified_is_gone(database: Database) -> None:
    """Whoever had a link to the account may have chosen its password."""
    home = Home(database)
    ada = home.user(home.home)
    home.do(credentials.set_password, home.by(), ada.id, "a hash")
    home.do(credentials.begin_totp, ada.id, b"sealed")
    known = home.admit(identity(email=str(ada.email)))
    assert known.id == ada.id
    assert (known.password_hash, known.totp_sealed, known.subject) == (None, None, "s")
    assert "user.linked" in home.audit.actions
