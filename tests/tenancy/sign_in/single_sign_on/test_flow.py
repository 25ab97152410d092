"""From our page to a real provider and back, as it should be, and as attackers would have it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from narthex.config.sign_in_settings import OidcSettings, SignInSettings
from narthex.errors import NarthexError, Overloaded, RouteNotFound, SealBroken, SignInExpired, SingleSignOnFailed
from narthex.tenancy.sign_in.session_rows import id_token_of
from narthex.tenancy.sign_in.single_sign_on.flow import Departure, SingleSignOn, own_path
from tests.tenancy.sign_in.receptions import HERE, Lobby, PlainSealer, lobby
from tests.tenancy.sign_in.single_sign_on.openid import CLIENT, SECRET, Claims, OpenId, openid_provider

BACK = "http://127.0.0.1:8484/api/auth/oidc/callback"


@pytest.fixture
def openid() -> Iterator[OpenId]:
    """A provider."""
    with openid_provider() as one:
        yield one


class Traveller:
    """A browser that goes there and comes back."""

    def __init__(self, one: Lobby, way: SingleSignOn) -> None:
        self.lobby, self.way, self.settings = one, way, one.reception.settings
        self.token = ""

    async def depart(self) -> tuple[Departure, dict[str, str]]:
        """Go to the provider; return what the browser takes along, and what the provider sends it back with."""
        departure = await self.way.depart(BACK, "/keys")
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(departure.address)
        assert answer.headers["location"].startswith(f"{BACK}?")
        return departure, {
            name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()
        }

    async def arrive(self, ticket: str, said: Mapping[str, str]) -> str:
        """Come back; return the ID of the user."""
        arrival = await self.way.arrive(
            ticket=ticket,
            state=said.get("state", ""),
            code=said.get("code", ""),
            error=said.get("error", ""),
            issuer=said.get("iss"),
            visitor=HERE,
        )
        assert arrival.return_to == "/keys"
        assert arrival.opened.session.how == "sso"
        self.token = arrival.opened.token
        return arrival.opened.session.user_id

    async def come(self) -> str:
        """Go there and back; return the token of the session."""
        await self.go()
        return self.token

    async def go(self) -> str:
        """Go there and back."""
        departure, said = await self.depart()
        return await self.arrive(departure.ticket, said)


@asynccontextmanager
async def traveller(database_url: str, openid: OpenId, **changes: object) -> AsyncIterator[Traveller]:
    """Open a reception with this provider."""
    # Times in tokens are those of the real clock.
    values = {"issuer": openid.issuer, "client_id": CLIENT, "client_secret": SECRET, **changes}
    settings = SignInSettings(oidc=OidcSettings.model_validate(values))
    async with lobby(database_url, settings=settings) as one:
        import time  # noqa: PLC0415 - read once, here

        one.clock.now_s = time.time()
        yield Traveller(one, SingleSignOn(one.desk))


@pytest.fixture
def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file is enough: what is told of both databases is told beside this."""
    return f"sqlite:///{tmp_path_factory.mktemp('flow')}/main.db"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_somebody_goes_there_and_comes_back(database_url: str, openid: OpenId, algorithm: str) -> None:
    """Made at the first time, known at the second; nobody without a name is let in from then on."""
    openid.algorithm = algorithm
    async with traveller(database_url, openid) as one:
        first = await one.go()
        assert await one.go() == first
        user = one.lobby.office.directory.users[first]
        assert (user.email, user.name, user.role) == ("ada@example.org", "Ada", "member")
        assert one.lobby.office.directory.keyring.required
        assert openid.seen.count("/keys") == openid.seen.count("/.well-known/openid-configuration") == 1
        assert one.lobby.audit.actions.count("session.sign_in") == 2


async def test_new_keys_are_read(database_url: str, openid: OpenId) -> None:
    """When a token names one that is unknown; not more often than every few seconds."""
    async with traveller(database_url, openid) as one:
        await one.go()
        openid.rotate()
        with pytest.raises(SingleSignOnFailed, match="does not publish"):
            await one.go()
        one.way.provider()._keys_at -= 11
        await one.go()
        assert openid.seen.count("/keys") == 2


async def test_what_the_token_lacks_is_asked_for(database_url: str, openid: OpenId) -> None:
    """At the userinfo endpoint, which must tell of the same person."""
    openid.claims = {"sub": "subject-1"}
    openid.userinfo = {"sub": "subject-1", "email": "ada@example.org", "email_verified": True}
    async with traveller(database_url, openid) as one:
        await one.go()
        openid.userinfo = {**openid.userinfo, "sub": "another"}
        with pytest.raises(SingleSignOnFailed, match="somebody else"):
            await one.go()


def unsigned(token: str) -> str:
    """Say that a token needs no signature."""
    _, body, _ = token.split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    return f"{head}.{body}."


def by_another(token: str) -> str:
    """Sign a token with a key of one's own, under the name of the right one."""
    head, body, _ = (part + "=" * (-len(part) % 4) for part in token.split("."))
    name = json.loads(base64.urlsafe_b64decode(head))["kid"]
    claims = json.loads(base64.urlsafe_b64decode(body))
    return jwt.encode({"alg": "RS256", "kid": name}, claims, RSAKey.generate_key(2048))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"aud": "another"}, "another application"),
        ({"exp": 1_000}, "expired"),
        ({"iat": 1_000}, "too old"),
        ({"email_verified": False}, "not verified"),
        ({"email": "ada@evil.example"}, "may not sign in here"),
    ],
)
async def test_bad_claims_let_nobody_in(database_url: str, openid: OpenId, changes: Claims, why: str) -> None:
    """However well they are signed."""
    openid.alter = lambda claims: {**claims, **changes}
    async with traveller(database_url, openid, allowed_domains=["example.org"]) as one:
        with pytest.raises(SingleSignOnFailed, match=why):
            await one.go()
        assert not one.lobby.office.directory.users
        assert one.lobby.audit.rows[-1][1]["outcome"] == "failed"


@pytest.mark.parametrize("forge", [unsigned, by_another, lambda token: token[:-8] + "AAAAAAAA"])
async def test_forged_tokens_let_nobody_in(database_url: str, openid: OpenId, forge: Callable[[str], str]) -> None:
    """Not signed, signed by another, signed wrongly."""
    openid.forge = forge
    async with traveller(database_url, openid) as one:
        with pytest.raises(SingleSignOnFailed):
            await one.go()


async def test_a_way_back_is_for_the_browser_that_went(database_url: str, openid: OpenId) -> None:
    """Another's state or code, no ticket, a forged or an old one: nobody gets in."""
    async with traveller(database_url, openid) as one:
        mine, said = await one.depart()
        theirs, others = await one.depart()
        for ticket, back in (
            (mine.ticket, others),
            (theirs.ticket, said),
            ("", said),
            (mine.ticket[:-1] + ("A" if mine.ticket[-1] != "A" else "B") + "x", said),
            (mine.ticket, {**said, "state": ""}),
        ):
            with pytest.raises(SignInExpired):
                await one.arrive(ticket, back)
        with pytest.raises(SingleSignOnFailed):
            await one.arrive(mine.ticket, {**said, "code": others["code"]})
        one.lobby.clock.now_s += 601
        with pytest.raises(SignInExpired):
            await one.arrive(theirs.ticket, others)


async def test_a_way_back_is_gone_once(database_url: str, openid: OpenId) -> None:
    """Even where the provider would take the code again."""
    openid.keep_codes = True
    async with traveller(database_url, openid) as one:
        departure, said = await one.depart()
        await one.arrive(departure.ticket, said)
        with pytest.raises(SignInExpired):
            await one.arrive(departure.ticket, said)


async def test_a_refusal_is_told(database_url: str, openid: OpenId) -> None:
    """Of the provider, or of the person there; and another provider's answer is none."""
    async with traveller(database_url, openid) as one:
        for changes in ({"error": "access_denied"}, {"iss": "https://evil.example"}, {"code": ""}):
            departure, said = await one.depart()
            with pytest.raises(SingleSignOnFailed):
                await one.arrive(departure.ticket, {**said, **changes})


async def test_a_provider_that_is_not_the_one_is_not_believed(database_url: str, openid: OpenId) -> None:
    """It calls itself otherwise, cannot be reached, or there is none at all."""
    openid.named_issuer = openid.issuer + "/"
    async with traveller(database_url, openid) as one:
        with pytest.raises(SingleSignOnFailed, match="to the letter"):
            await one.depart()
        openid.named_issuer, openid.is_down = "", True
        with pytest.raises(Overloaded):
            await one.depart()
        openid.is_down = False
        await one.go()
        one.lobby.reception.adopt(SignInSettings())
        with pytest.raises(RouteNotFound):
            await one.depart()


async def test_a_wrong_secret_gets_nothing(database_url: str, openid: OpenId) -> None:
    """The provider refuses the code."""
    async with traveller(database_url, openid, client_secret="wrong") as one:
        with pytest.raises(NarthexError):
            await one.go()


async def test_signing_out_goes_on_at_the_provider(database_url: str, openid: OpenId) -> None:
    """With the token that the session began with, which is nowhere in the open."""
    async with traveller(database_url, openid) as one:
        token = await one.come()
        guest = one.lobby.reception.guest(token)
        assert guest is not None
        kept = await one.lobby.office.read(lambda connection: id_token_of(connection, guest.session.id))
        assert kept is not None
        assert b"eyJ" not in kept
        address = await one.way.sign_out(guest, HERE, return_to="http://127.0.0.1:8484/")
        assert address is not None
        assert address.startswith(f"{openid.issuer}/end?id_token_hint=eyJ")
        assert address.endswith(f"&client_id={CLIENT}&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A8484%2F")
        assert one.lobby.reception.guest(token) is None


async def test_who_leaves_does_not_wait_for_the_provider(database_url: str, openid: OpenId) -> None:
    """The session ends here, whether that can be reached or not, and whoever the session is of."""
    async with traveller(database_url, openid) as one:
        for broken in ("down", "another", "gone"):
            guest = one.lobby.reception.guest(await one.come())
            assert guest is not None
            provider = one.way.provider()
            if broken == "down":
                openid.is_down, provider._metadata = True, None
            if broken == "another":
                one.lobby.reception.settings = SignInSettings(
                    oidc=OidcSettings(issuer="https://b.example", client_id="b")
                )
            if broken == "gone":
                one.lobby.reception.settings = SignInSettings()
            assert await one.way.sign_out(guest, HERE, return_to="http://127.0.0.1:8484/") is None
            assert one.lobby.reception.sessions.of(guest.session.user_id, one.lobby.reception.now) == []
            openid.is_down, one.lobby.reception.settings = False, one.settings


async def test_a_token_that_cannot_be_opened_holds_nobody_in(database_url: str, openid: OpenId) -> None:
    """Nor one that was too long to be kept: the provider asks the user then."""
    async with traveller(database_url, openid) as one:
        guest = one.lobby.reception.guest(await one.come())
        assert guest is not None

        async def lost() -> PlainSealer:
            raise SealBroken

        one.lobby.reception.sealer = lost
        address = await one.way.sign_out(guest, HERE, return_to="")
        assert address == f"{openid.issuer}/end?client_id={CLIENT}"


def test_nobody_is_sent_elsewhere() -> None:
    """Only paths of our own are returned to."""
    for good in ("/", "/keys?x=1", "/a/b"):
        assert own_path(good) == good
    for bad in ("//evil.example", "https://evil.example", "/\\evil.example", "", "keys", "/a\r\nb", "/" + "x" * 600):
        assert own_path(bad) == "/"
