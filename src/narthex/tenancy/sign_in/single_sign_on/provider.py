"""What a provider says of itself, its keys, and the exchange of a code for tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from narthex.config.addresses import is_loopback
from narthex.config.sign_in_settings import OidcSettings
from narthex.errors import Overloaded, SingleSignOnFailed
from narthex.tenancy.sign_in.single_sign_on.id_tokens import Claims, Expected, UnknownKey, verified

if TYPE_CHECKING:
    from joserfc.jwk import KeySet, KeySetSerialization

_FRESH_S: Final = 3_600.0
_AGAIN_S: Final = 10.0
"""How soon keys are read again for the sake of one that is unknown: a token may name any."""
_TIMEOUT_S: Final = 10.0
_MOST_BYTES: Final = 1_048_576
_UNREACHABLE: Final = "the provider of the single sign-on cannot be reached; try again in a moment"

Address = Annotated[str, Meta(min_length=1, max_length=2_000)]


class Metadata(msgspec.Struct, frozen=True):
    """What a provider says of itself.

    https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
    """

    issuer: str
    authorization_endpoint: Address
    token_endpoint: Address
    jwks_uri: Address
    userinfo_endpoint: Address | None = None
    end_session_endpoint: Address | None = None
    token_endpoint_auth_methods_supported: list[str] = msgspec.field(default_factory=lambda: ["client_secret_basic"])


class Vouched(NamedTuple):
    """What a provider vouches for."""

    claims: Claims
    id_token: str


class _Client(Protocol):
    """What is used of Authlib's client, which has no types."""

    def create_authorization_url(self, url: str, **details: object) -> tuple[str, str]: ...

    async def fetch_token(self, url: str, **details: object) -> Mapping[str, object]: ...

    async def aclose(self) -> None: ...


class Provider:
    """A provider of single sign-on, asked over HTTP."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float], now_s: Callable[[], float]) -> None:
        """Know nothing of it yet.

        Args:
            settings: Where it is.
            clock: Seconds, never going back.
            now_s: Unix time.
        """
        self.settings = settings
        self._clock, self._now_s = clock, now_s
        self._metadata: Metadata | None = None
        self._read_at = self._keys_at = float("-inf")
        self._keys: KeySet | None = None
        self._reading = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """Return what the provider says of itself, as read within the last hour.

        Raises:
            SingleSignOnFailed: It is another issuer than the one configured, or what it says is not usable.
            Overloaded: It cannot be reached.
        """
        async with self._reading:
            if self._metadata is None or self._clock() - self._read_at > _FRESH_S:
                address = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
                self._metadata = self._usable(await self._get(address))
                self._read_at = self._clock()
            return self._metadata

    async def address_to_go_to(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return where to send a browser: to the provider, and from there back to us with a code."""
        metadata = await self.metadata()
        async with aclosing(self._client(metadata)) as client:
            address, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=state,
                code_verifier=verifier,
                nonce=nonce,
                redirect_uri=redirect_uri,
                scope=" ".join(self.settings.scopes),
            )
        return address

    async def vouched(self, code: str, *, redirect_uri: str, nonce: str, verifier: str) -> Vouched:
        """Return what the provider vouches for, in exchange for a code.

        Raises:
            SingleSignOnFailed: It does not take the code, or its token may not be believed.
            Overloaded: It cannot be reached.
        """
        metadata = await self.metadata()
        token, access = await self._exchanged(metadata, code, redirect_uri=redirect_uri, verifier=verifier)
        expected = Expected(
            issuer=self.settings.issuer, client_id=self.settings.client_id, nonce=nonce, now_s=self._now_s()
        )
        claims = await self._believed(metadata, token, expected)
        lacking = {"email", "email_verified", self.settings.group_claim if self.settings.groups else "email"}
        if metadata.userinfo_endpoint is None or not access or lacking <= claims.keys():
            return Vouched(claims, token)
        more = await self._get(metadata.userinfo_endpoint, bearer=access)
        if more.get("sub") != claims["sub"]:
            raise SingleSignOnFailed("the provider tells of somebody else than its token is of")
        return Vouched({**more, **claims}, token)

    async def _believed(self, metadata: Metadata, token: str, expected: Expected) -> Claims:
        try:
            return verified(token, await self._key_set(metadata, again=False), expected)
        except UnknownKey:
            pass
        try:
            # Providers change their keys without a word.
            return verified(token, await self._key_set(metadata, again=True), expected)
        except UnknownKey as error:
            raise SingleSignOnFailed("the ID token is signed with a key that its provider does not publish") from error

    async def _key_set(self, metadata: Metadata, *, again: bool) -> KeySet:
        from joserfc.errors import JoseError  # noqa: PLC0415 - an extra, loaded when somebody signs in with it
        from joserfc.jwk import KeySet  # noqa: PLC0415 - as above

        async with self._reading:
            age_s = self._clock() - self._keys_at
            if self._keys is None or age_s > _FRESH_S or (again and age_s > _AGAIN_S):
                published = await self._get(metadata.jwks_uri)
                try:
                    self._keys = KeySet.import_key_set(_for_signatures(published))
                except (JoseError, ValueError, TypeError, KeyError) as error:
                    raise SingleSignOnFailed("the provider publishes no keys that can be used") from error
                self._keys_at = self._clock()
            return self._keys

    async def _exchanged(self, metadata: Metadata, code: str, *, redirect_uri: str, verifier: str) -> tuple[str, str]:
        from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415 - as above
        from httpx import HTTPError  # noqa: PLC0415 - as above

        try:
            async with aclosing(self._client(metadata)) as client:
                answer = await client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=redirect_uri,
                    code_verifier=verifier,
                )
        except AuthlibBaseError as error:
            raise SingleSignOnFailed("the provider does not take the code: it was used, or is too old") from error
        except (HTTPError, ValueError) as error:
            raise Overloaded(_UNREACHABLE, retry_after_s=5) from error
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str):
            raise SingleSignOnFailed("the provider gave no ID token; is `openid` among the scopes?")
        return token, access if isinstance(access, str) else ""

    def _client(self, metadata: Metadata) -> _Client:
        try:
            from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: PLC0415 - as above
        except ImportError as error:
            raise SingleSignOnFailed("single sign-on needs packages: pip install 'narthex[sso]'") from error
        secret = self.settings.client_secret
        offered = metadata.token_endpoint_auth_methods_supported
        method = "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
        client: object = AsyncOAuth2Client(
            self.settings.client_id,
            None if secret is None else secret.get_secret_value(),
            token_endpoint_auth_method="none" if secret is None else method,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
            trust_env=False,
        )
        return cast("_Client", client)

    async def _get(self, address: str, *, bearer: str = "") -> dict[str, object]:
        import httpx  # noqa: PLC0415 - as above

        headers = {"accept": "application/json", **({"authorization": f"Bearer {bearer}"} if bearer else {})}
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
                answer = await client.get(address, headers=headers)
        except httpx.HTTPError as error:
            raise Overloaded(_UNREACHABLE, retry_after_s=5) from error
        if answer.status_code != 200 or len(answer.content) > _MOST_BYTES:
            raise Overloaded(_UNREACHABLE, retry_after_s=5)
        try:
            return msgspec.json.decode(answer.content, type=dict[str, object])
        except msgspec.MsgspecError as error:
            raise SingleSignOnFailed("the provider answers with something that is not JSON") from error

    def _usable(self, said: Mapping[str, object]) -> Metadata:
        try:
            metadata = msgspec.convert(said, Metadata)
        except msgspec.ValidationError as error:
            raise SingleSignOnFailed(f"what the provider says of itself is not complete: {error}") from error
        if metadata.issuer != self.settings.issuer:
            raise SingleSignOnFailed(
                "the provider calls itself otherwise than `sign_in.oidc.issuer`, which must be the same to the letter"
            )
        named = (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri)
        more = (metadata.userinfo_endpoint, metadata.end_session_endpoint)
        if not all(_is_guarded(one) for one in (*named, *more) if one is not None):
            raise SingleSignOnFailed("the provider names addresses without TLS")
        return metadata


def _for_signatures(published: Mapping[str, object]) -> KeySetSerialization:
    """Return the keys of a set that sign; of those that are secret, none."""
    keys = published.get("keys")
    listed = [one for one in keys if isinstance(one, dict)] if isinstance(keys, list) else []
    fit = [one for one in listed if one.get("use", "sig") == "sig" and one.get("kty") in {"RSA", "EC", "OKP"}]
    return cast("KeySetSerialization", {"keys": fit})


def _is_guarded(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
