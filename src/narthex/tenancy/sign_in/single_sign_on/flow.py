"""The way from our page to the provider's and back.

What goes with the browser is a state, signed and in a cookie: it binds the answer to the browser that asked. Nonce and
code verifier follow from it and from a key of ours, so that no browser holds them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import msgspec
from sqlalchemy import Connection

from narthex.config.sign_in_settings import OidcSettings
from narthex.errors import NarthexError, RouteNotFound, SignInExpired, SingleSignOnFailed
from narthex.tenancy.sign_in import credentials
from narthex.tenancy.sign_in.contract import Visitor
from narthex.tenancy.sign_in.desk import Desk
from narthex.tenancy.sign_in.reception import Guest
from narthex.tenancy.sign_in.session_rows import Opened, id_token_of, keep_id_token
from narthex.tenancy.sign_in.sessions import Session
from narthex.tenancy.sign_in.single_sign_on.identity import identity_of
from narthex.tenancy.sign_in.single_sign_on.membership import admitted
from narthex.tenancy.sign_in.single_sign_on.provider import Provider, Vouched

LASTS_S: Final = 600
_PURPOSE: Final = "single sign-on"
_MOST_USED: Final = 10_000
_FAREWELL_S: Final = 3.0
"""How long a provider is waited for by somebody who leaves."""
_MOST_HINT_BYTES: Final = 4_096
"""A longer ID token fits into no address."""


class _Begun(msgspec.Struct):
    state: str
    redirect_uri: str
    return_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where a browser goes, and what it takes along."""

    address: str
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Somebody who came back, and where they wanted to go."""

    opened: Opened
    return_to: str


class SingleSignOn:
    """Lets people in whom a provider vouches for."""

    def __init__(self, desk: Desk) -> None:
        """Take the desk, which begins their sessions."""
        self._desk = desk
        self._provider: Provider | None = None
        self._used: dict[str, int] = {}

    def provider(self) -> Provider:
        """Return the provider as the settings have it now.

        Raises:
            RouteNotFound: There is none.
        """
        settings = self._desk.reception.settings.oidc
        if settings is None:
            raise RouteNotFound("there is no single sign-on here; `[sign_in.oidc]` sets it up")
        if self._provider is None or self._provider.settings != settings:
            self._provider = Provider(settings, time.monotonic, self._desk.reception.now_s)
        return self._provider

    async def depart(self, redirect_uri: str, return_to: str) -> Departure:
        """Send a browser to the provider.

        Args:
            redirect_uri: Where the provider sends it back to.
            return_to: The page of the dashboard that it wanted.
        """
        provider, tickets = self.provider(), await self._desk.tickets()
        state = secrets.token_urlsafe(32)
        address = await provider.address_to_go_to(
            redirect_uri=redirect_uri,
            state=state,
            nonce=await self._derived("nonce", state),
            verifier=await self._derived("verifier", state),
        )
        begun = _Begun(state=state, redirect_uri=redirect_uri, return_to=own_path(return_to))
        expires_at = self._desk.reception.now + LASTS_S * 1_000
        return Departure(address=address, ticket=tickets.write(_PURPOSE, begun, expires_at=expires_at))

    async def arrive(
        self, *, ticket: str, state: str, code: str, error: str, issuer: str | None, visitor: Visitor
    ) -> Arrival:
        """Let somebody in who comes back from the provider.

        Args:
            ticket: From the cookie.
            state: From the address, as all that follow.
            code: To be exchanged.
            error: What the provider says instead of a code.
            issuer: Who it says it is, if it does (RFC 9207).
            visitor: Who stands there.

        Raises:
            SingleSignOnFailed: They are not let in; the message says why.
            SignInExpired: This browser has not begun this sign-in, or too long ago.
        """
        try:
            return await self._arrived(ticket, state, code, error=error, issuer=issuer, visitor=visitor)
        except NarthexError as failure:
            self._desk.failed(None, visitor, f"single sign-on: {failure.code}")
            raise

    async def sign_out(self, guest: Guest, visitor: Visitor, *, return_to: str) -> str | None:
        """End a session; return where to send the browser to end the one at the provider, too.

        https://openid.net/specs/openid-connect-rpinitiated-1_0.html

        Args:
            guest: Whose session it is.
            visitor: Who stands there.
            return_to: Our first page, where the provider sends the browser back to.

        Returns:
            None where the session was begun otherwise, or the provider has no such place, or cannot be asked just now.
        """
        token = await self._id_token(guest)
        await self._desk.sign_out(guest, visitor)
        if token is None:
            return None
        try:
            async with asyncio.timeout(_FAREWELL_S):
                metadata = await self.provider().metadata()
        except (NarthexError, TimeoutError):
            return None
        if metadata.end_session_endpoint is None:
            return None
        asked = {
            "id_token_hint": token,
            "client_id": self.provider().settings.client_id,
            "post_logout_redirect_uri": return_to,
        }
        mark = "&" if "?" in metadata.end_session_endpoint else "?"
        told = urlencode({name: value for name, value in asked.items() if value})
        return f"{metadata.end_session_endpoint}{mark}{told}"

    async def _id_token(self, guest: Guest) -> str | None:
        """Return the ID token that a session began with; None if it was begun otherwise, empty if it was not kept."""
        settings, session = self._desk.reception.settings.oidc, guest.session
        if settings is None or session.how != "sso":
            return None
        known, sealed = await self._desk.office.read(
            lambda connection: (credentials.by_id(connection, session.user_id), id_token_of(connection, session.id))
        )
        if known is None or known.issuer != settings.issuer:
            return None
        try:
            sealer = await self._desk.reception.sealer()
            return "" if sealed is None else sealer.open(sealed, binding=_binding(session)).decode()
        except NarthexError:
            # Without it the provider asks the user; nobody has to stay signed in for that.
            return ""

    async def _arrived(
        self, ticket: str, state: str, code: str, *, error: str, issuer: str | None, visitor: Visitor
    ) -> Arrival:
        provider, tickets = self.provider(), await self._desk.tickets()
        begun = tickets.read(_PURPOSE, ticket, _Begun, now=self._desk.reception.now)
        if not hmac.compare_digest(begun.state.encode(), state.encode()):
            raise SignInExpired
        self._use_up(begun.state)
        if error:
            raise SingleSignOnFailed("the provider of the single sign-on has refused, or you have cancelled there")
        if not code or (issuer is not None and issuer != provider.settings.issuer):
            raise SingleSignOnFailed("this does not come from the provider of the single sign-on")
        vouched = await provider.vouched(
            code,
            redirect_uri=begun.redirect_uri,
            nonce=await self._derived("nonce", begun.state),
            verifier=await self._derived("verifier", begun.state),
        )
        opened = await self._admit(vouched, provider.settings, visitor)
        return Arrival(opened=opened, return_to=begun.return_to)

    async def _admit(self, vouched: Vouched, settings: OidcSettings, visitor: Visitor) -> Opened:
        system, identity = self._desk.acting("", visitor), identity_of(vouched.claims, settings)
        sealer, token = await self._desk.reception.sealer(), vouched.id_token.encode()

        def admit(connection: Connection) -> Opened:
            known = admitted(connection, system, identity, settings)
            opened = self._desk.begin(connection, self._desk.acting(known.id, visitor), known, "sso", visitor)
            if len(token) <= _MOST_HINT_BYTES:
                keep_id_token(connection, opened.session.id, sealer.seal(token, binding=_binding(opened.session)))
            return opened

        return await self._desk.office.write(admit)

    def _use_up(self, state: str) -> None:
        """Take a state once; what comes a second time is a replay."""
        if state in self._used:
            raise SignInExpired
        while len(self._used) >= _MOST_USED:
            del self._used[next(iter(self._used))]
        self._used[state] = self._desk.reception.now

    async def _derived(self, what: str, state: str) -> str:
        key = (await self._desk.reception.sealer()).mac_key(f"single sign-on {what}")
        return base64.urlsafe_b64encode(hmac.digest(key, state.encode(), hashlib.sha256)).decode().rstrip("=")


def _binding(session: Session) -> str:
    return f"sessions:{session.id}"


def own_path(path: str) -> str:
    """Return a path of our own pages; the first page for whatever leads elsewhere."""
    fits = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if fits and len(path) <= 500 else "/"
