"""The desk lets in who proves to be somebody, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from pyotp.totp import TOTP

from narthex.config.sign_in_settings import OidcSettings, SignInSettings
from narthex.errors import (
    Conflict,
    InvalidRequest,
    PermissionDenied,
    SecondFactorFailed,
    SignInExpired,
    SignInFailed,
    SignInThrottled,
)
from narthex.tenancy.sign_in import credentials
from narthex.tenancy.sign_in.desk import SecondFactorWanted, checked_name
from narthex.tenancy.sign_in.own import OwnAccount
from narthex.tenancy.sign_in.passwords import Cost, Passwords
from narthex.tenancy.sign_in.session_rows import Opened
from narthex.tenancy.users import create_user
from narthex.types.accounts import DEFAULT_ORGANISATION
from tests.tenancy.sign_in.receptions import HERE, PASSWORD, Lobby, lobby


async def with_second_factor(one: Lobby) -> tuple[str, list[str]]:
    """Set a second factor up; return its secret and the recovery codes."""
    await one.person()
    opened = await one.desk.sign_in("ada@example.org", PASSWORD, HERE)
    assert isinstance(opened, Opened)
    guest = one.reception.guest(opened.token)
    assert guest is not None
    own = OwnAccount(one.desk)
    new = await own.begin_second_factor(guest, PASSWORD, HERE)
    codes = await own.confirm_second_factor(guest, TOTP(new.secret).at(int(one.clock())), HERE)
    one.clock.now_s += 30
    return new.secret, codes


async def wanted(one: Lobby) -> str:
    """Give the password; return the ticket for the second step."""
    outcome = await one.desk.sign_in("ada@example.org", PASSWORD, HERE)
    assert isinstance(outcome, SecondFactorWanted)
    return outcome.ticket


async def test_a_password_lets_its_owner_in(database_url: str) -> None:
    """However the address is written; it is kept when, and written down from where."""
    async with lobby(database_url) as one:
        user = await one.person()
        opened = await one.desk.sign_in(" Ada@Example.ORG ", PASSWORD, HERE)
        assert isinstance(opened, Opened)
        assert (opened.session.how, opened.session.address, opened.session.agent) == ("password", "192.0.2.7", "a test")
        assert one.office.directory.users[user.id].last_sign_in_at == one.reception.now
        action, fields = one.audit.rows[-1]
        assert (action, fields["target"], fields["address"]) == ("session.sign_in", user.id, "192.0.2.7")


async def robot(one: Lobby) -> None:
    """Make a service account, with a password that it should not have."""
    about = {"organisation_id": DEFAULT_ORGANISATION, "name": "r", "email": "robot@example.org"}
    new = await one.office.write(lambda connection: create_user(connection, one.acting(), kind="service", **about))
    hashed = one.reception.passwords.hashed_now(PASSWORD)
    await one.office.write(lambda connection: credentials.set_password(connection, one.acting(), new.id, hashed))


async def test_whoever_is_not_let_in_learns_nothing(database_url: str) -> None:
    """A wrong password, an unknown address, a disabled user, a service account, and one without a password."""
    async with lobby(database_url) as one:
        await one.person()
        await one.person("grace", password=None)
        gone = await one.person("gone")
        await one.disable(gone.id)
        await robot(one)
        said = set()
        for name, password in (
            ("ada", PASSWORD + "x"),
            ("nobody", PASSWORD),
            ("grace", PASSWORD),
            ("gone", PASSWORD),
            ("robot", PASSWORD),
        ):
            with pytest.raises(SignInFailed) as caught:
                await one.desk.sign_in(f"{name}@example.org", password, HERE)
            said.add((type(caught.value), caught.value.message))
        assert len(said) == 1
        failed = [fields for action, fields in one.audit.rows if action == "session.sign_in"]
        assert [fields["outcome"] for fields in failed] == ["failed"] * 5
        assert PASSWORD not in repr(failed)
        assert "nobody" not in repr(failed)


async def test_an_unknown_address_takes_as_long(database_url: str) -> None:
    """The same work is done for it: one hash of the same cost is checked."""
    async with lobby(database_url) as one:
        await one.person()
        asked: list[str | None] = []
        fits = one.reception.passwords.fits_now

        def seen(password: str, known: str | None) -> bool:
            asked.append(known)
            return fits(password, known)

        one.reception.passwords.fits_now = seen  # type: ignore[method-assign]  # to be watched
        for name in ("ada", "nobody"):
            with pytest.raises(SignInFailed):
                await one.desk.sign_in(f"{name}@example.org", "wrong", HERE)
        assert len(asked) == 2
        assert asked[1] is None


async def test_guesses_are_slowed_down_side_by_side_too(database_url: str) -> None:
    """Of a hundred at once only the free ones are looked at."""
    async with lobby(database_url) as one:
        await one.person()
        tries = [one.desk.sign_in("ada@example.org", f"guess {number}", HERE) for number in range(100)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(outcome, SignInThrottled) for outcome in outcomes) == 95
        with pytest.raises(SignInThrottled) as caught:
            await one.desk.sign_in("ada@example.org", PASSWORD, HERE)
        assert 0 < (caught.value.retry_after_s or 0) <= 2


async def test_guesses_are_counted_over_all_nodes(database_url: str) -> None:
    """Who goes from one to the other gets no more of them; what one lets in is forgiven in the other."""
    async with lobby(database_url) as one, lobby(database_url) as other:
        await one.person()
        for node in (one, other, one, other, other):
            with pytest.raises(SignInFailed):
                await node.desk.sign_in("ada@example.org", "a guess", HERE)
        for node in (one, other):
            with pytest.raises(SignInThrottled):
                await node.desk.sign_in("ada@example.org", PASSWORD, HERE)
            node.clock.now_s += 3
        await other.desk.sign_in("ada@example.org", PASSWORD, HERE)
        with pytest.raises(SignInFailed):
            await one.desk.sign_in("ada@example.org", "a guess", HERE)


async def test_a_hash_follows_the_cost(database_url: str) -> None:
    """At the next sign-in, with no session ended."""
    async with lobby(database_url) as one:
        user = await one.person()
        first = await one.desk.sign_in("ada@example.org", PASSWORD, HERE)
        assert isinstance(first, Opened)
        one.reception.passwords = Passwords(Cost(time=2, memory_kib=64, lanes=1))
        await one.desk.sign_in("ada@example.org", PASSWORD, HERE)
        known = await one.office.read(lambda connection: credentials.by_id(connection, user.id))
        assert known is not None
        assert "t=2" in (known.password_hash or "")
        assert one.reception.guest(first.token) is not None


async def test_a_hash_that_follows_stands_in_nobodys_way(database_url: str) -> None:
    """The code that is asked for beside the password is still taken."""
    async with lobby(database_url) as one:
        secret, _ = await with_second_factor(one)
        one.reception.passwords = Passwords(Cost(time=2, memory_kib=64, lanes=1))
        code = TOTP(secret).at(int(one.clock()))
        assert (await one.desk.second_factor(await wanted(one), code, HERE)).session.how == "second_factor"


async def test_who_is_locked_out_while_they_are_let_in_stays_out(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that was changed, and a user who was locked out, while it was hashed, let nobody in."""
    async with lobby(database_url) as one:
        user = await one.person()
        fits = one.reception.passwords.fits

        async def change() -> None:
            await one.office.write(lambda c: credentials.set_password(c, one.acting(), user.id, "x"))

        for meanwhile in (change, lambda: one.disable(user.id)):
            hashed = one.reception.passwords.hashed_now(PASSWORD)
            give = partial(credentials.set_password, acting=one.acting(), user_id=user.id, password_hash=hashed)
            await one.office.write(give)

            async def late(
                password: str, known: str | None, meanwhile: Callable[[], Awaitable[None]] = meanwhile
            ) -> bool:
                found = await fits(password, known)
                await meanwhile()
                return found

            monkeypatch.setattr(one.reception.passwords, "fits", late)
            with pytest.raises(SignInExpired):
                await one.desk.sign_in("ada@example.org", PASSWORD, HERE)
        assert one.reception.sessions.of(user.id, one.reception.now) == []


async def test_a_second_factor_is_asked_for(database_url: str) -> None:
    """A code lets in, once; a password that was changed meanwhile, and time, void the ticket."""
    async with lobby(database_url) as one:
        secret, _ = await with_second_factor(one)
        ticket, code = await wanted(one), TOTP(secret).at(int(one.clock()))
        for bad in ("000000", "", code + "0"):
            with pytest.raises(SecondFactorFailed):
                await one.desk.second_factor(ticket, bad, HERE)
        opened = await one.desk.second_factor(ticket, code, HERE)
        assert opened.session.how == "second_factor"
        with pytest.raises(SecondFactorFailed):
            await one.desk.second_factor(await wanted(one), code, HERE)
        one.clock.now_s += 301
        with pytest.raises(SignInExpired):
            await one.desk.second_factor(ticket, TOTP(secret).at(int(one.clock())), HERE)
        late = await wanted(one)
        hashed = one.reception.passwords.hashed_now("another good long one")
        await one.office.write(
            lambda connection: credentials.set_password(connection, one.acting(), opened.session.user_id, hashed)
        )
        with pytest.raises(SignInExpired):
            await one.desk.second_factor(late, TOTP(secret).at(int(one.clock())), HERE)


async def test_a_code_is_good_once_side_by_side_too(database_url: str) -> None:
    """Of several who come with the same code one gets in."""
    async with lobby(database_url) as one:
        secret, _ = await with_second_factor(one)
        ticket, code = await wanted(one), TOTP(secret).at(int(one.clock()))
        tries = [one.desk.second_factor(ticket, code, HERE) for _ in range(4)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(outcome, Opened) for outcome in outcomes) == 1


async def test_a_recovery_code_is_good_once(database_url: str) -> None:
    """However it is written."""
    async with lobby(database_url) as one:
        _, codes = await with_second_factor(one)
        await one.desk.second_factor(await wanted(one), codes[0].upper(), HERE)
        with pytest.raises(SecondFactorFailed):
            await one.desk.second_factor(await wanted(one), codes[0], HERE)
        await one.desk.second_factor(await wanted(one), codes[1].replace("-", " "), HERE)


async def test_codes_are_not_guessed(database_url: str) -> None:
    """The right password does not make pauses go away."""
    async with lobby(database_url) as one:
        await with_second_factor(one)
        for number in range(5):
            with pytest.raises(SecondFactorFailed):
                await one.desk.second_factor(await wanted(one), f"{number:06}", HERE)
        with pytest.raises(SignInThrottled):
            await one.desk.second_factor(await wanted(one), "123456", HERE)


async def test_the_first_user_owns_the_server(database_url: str) -> None:
    """There is one first user, even where two would be it at the same time; a poor password makes none."""
    async with lobby(database_url) as one:
        with pytest.raises(InvalidRequest):
            await one.desk.first_owner(name="Ada", email="ada@example.org", password="password1234", visitor=HERE)
        tries = [
            one.desk.first_owner(name=name, email=f"{name}@example.org", password=PASSWORD, visitor=HERE)
            for name in ("ada", "eve")
        ]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        (opened,) = [outcome for outcome in outcomes if isinstance(outcome, Opened)]
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1
        guest = one.reception.guest(opened.token)
        assert guest is not None
        assert "organisation:write" in guest.caller.permissions
        assert one.office.directory.keyring.required
        assert len(one.office.directory.users) == 1


async def test_passwords_may_be_switched_off(database_url: str) -> None:
    """Then none is even looked at."""
    oidc = OidcSettings(issuer="https://login.example.com", client_id="n")
    async with lobby(database_url, settings=SignInSettings(passwords=False, oidc=oidc)) as one:
        await one.person()
        with pytest.raises(PermissionDenied, match="single sign-on"):
            await one.desk.sign_in("ada@example.org", PASSWORD, HERE)


def test_names_are_printable() -> None:
    """And not empty."""
    assert checked_name("  Ada   Lovelace ") == "Ada Lovelace"
    for bad in ("", "  ", "a\u202eb", "x" * 201):
        with pytest.raises(InvalidRequest):
            checked_name(bad)
