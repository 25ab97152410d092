"""What users sign in with, as rows."""

from __future__ import annotations

from narthex.stores.database import Database
from narthex.tenancy.sign_in import credentials
from narthex.tenancy.sign_in.credentials import Credentials
from narthex.tenancy.sign_in.session_rows import every_session
from narthex.tenancy.users import create_user
from tests.tenancy.sign_in.test_session_rows import opened
from tests.tenancy.towns import NOW, Town


def known(town: Town, user_id: str) -> Credentials:
    """Return what a user signs in with."""
    found = town.do(credentials.by_id, user_id)
    assert found is not None
    return found


def test_somebody_is_there_once_they_can_sign_in(database: Database) -> None:
    """Neither a person without anything nor a service account is meant."""
    town = Town(database)
    home = town.organisation()
    robot = town.do(lambda one: create_user(one, town.by(), organisation_id=home.id, name="r", kind="service"))
    user = town.user(home)
    assert not town.do(credentials.anybody)
    town.do(credentials.set_password, town.by(), robot.id, "$argon2id$")
    assert not town.do(credentials.anybody)
    town.do(credentials.set_password, town.by(), user.id, "$argon2id$")
    assert town.do(credentials.anybody)
    assert known(town, user.id).may_sign_in
    assert not known(town, robot.id).may_sign_in


def test_a_new_password_ends_every_session(database: Database) -> None:
    """In the same transaction, with a row in the audit log."""
    town = Town(database)
    user = town.user(town.organisation())
    opened(town, user.id)
    opened(town, user.id)
    town.do(credentials.set_password, town.by(), user.id, "$argon2id$")
    assert town.do(every_session) == []
    action, fields = town.audit.rows[-1]
    assert (action, fields["target"], fields["details"]) == ("user.password_changed", user.id, {"ended_sessions": 2})
    town.do(credentials.renew_hash, user.id, "another", "$new")
    assert known(town, user.id).password_hash == "$argon2id$"
    town.do(credentials.renew_hash, user.id, "$argon2id$", "$new")
    assert known(town, user.id).password_hash == "$new"


def test_a_secret_is_asked_for_once_it_is_confirmed(database: Database) -> None:
    """And no other takes its place meanwhile."""
    town = Town(database)
    user = town.user(town.organisation()).id
    assert town.do(credentials.begin_totp, user, b"one")
    assert town.do(credentials.begin_totp, user, b"two")
    assert not known(town, user).has_second_factor

    def confirm(sealed: bytes) -> bool:
        return town.do(
            lambda one: credentials.confirm_totp(one, town.by(), user, sealed=sealed, step=7, recovery=["x", "y"])
        )

    assert not confirm(b"one")
    assert confirm(b"two")
    assert known(town, user).has_second_factor
    assert not town.do(credentials.begin_totp, user, b"three")
    town.do(credentials.remove_totp, town.by(), user)
    gone = known(town, user)
    assert (gone.totp_sealed, gone.totp_last_step, gone.recovery_hashes) == (None, None, None)


def test_codes_are_used_up(database: Database) -> None:
    """A step, with all before it; a recovery code, and no other."""
    town = Town(database)
    user = town.user(town.organisation()).id
    assert town.do(credentials.use_step, user, 5)
    assert not town.do(credentials.use_step, user, 5)
    assert not town.do(credentials.use_step, user, 4)
    assert town.do(credentials.use_step, user, 6)
    assert not town.do(credentials.use_recovery, town.by(), user, "x")
    town.do(credentials.set_recovery, town.by(), user, ["x", "y"])
    assert town.do(credentials.use_recovery, town.by(), user, "x")
    assert not town.do(credentials.use_recovery, town.by(), user, "x")
    assert known(town, user).recovery_hashes == ["y"]


def test_somebody_is_known_by_single_sign_on(database: Database) -> None:
    """Under issuer and subject, both."""
    town = Town(database)
    user = town.user(town.organisation())
    town.do(credentials.link, town.by(now=NOW), user.id, "https://login", "subject")
    for issuer, subject, found in (("https://login", "subject", user.id), ("https://login", "other", None)):
        one = town.do(credentials.by_subject, issuer, subject)
        assert (one.id if one else None) == found
    assert town.do(credentials.anybody)
