"""The options of signing in at the dashboard, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from narthex.config.addresses import is_loopback
from narthex.config.sections import Section

LongSeconds = Annotated[float, Field(ge=60, le=31_536_000)]
"""A time in seconds, from a minute to a year."""


class GroupSettings(Section):
    """What the members of a group of the single sign-on may do here."""

    group: str = Field(min_length=1, max_length=400, description="The group, as the provider names it.")
    role: str = Field(min_length=1, max_length=64, description="The role that its members have.")
    workspace: str | None = Field(
        default=None, description="Slug of the workspace in which they have it; by default the whole organisation."
    )


class OidcSettings(Section):
    """Single sign-on with OpenID Connect."""

    issuer: str = Field(description="Address of the provider, exactly as its tokens name it.")
    client_id: str = Field(min_length=1, description="Under which this server is registered there.")
    client_secret: SecretStr | None = Field(
        default=None,
        description="What it proves itself with; better `${NAME}` or `file:/path`; none for a public client.",
    )
    name: str = Field(default="single sign-on", max_length=60, description="What the sign-in page calls it.")
    scopes: tuple[str, ...] = Field(default=("openid", "email", "profile"), description="What is asked for.")
    redirect_url: str | None = Field(
        default=None,
        description="Address of `/api/auth/oidc/callback` as browsers reach it; by default from the request's Host.",
    )
    organisation: str = Field(default="default", description="Slug of the organisation that its users belong to.")
    allowed_domains: tuple[str, ...] = Field(
        default=(), description="Domains of e-mail addresses that may sign in; none for every one."
    )
    create_users: bool = Field(default=True, description="Whether somebody unknown is taken in at the first sign-in.")
    default_role: str = Field(default="member", description="Role in the organisation of who is in no group below.")
    group_claim: str = Field(default="groups", description="Where the token names the groups of the user.")
    groups: tuple[GroupSettings, ...] = Field(
        default=(), description="What groups may do; it is given, and taken away, at each sign-in."
    )


class SignInSettings(Section):
    """How people sign in at the dashboard, and for how long."""

    idle_s: LongSeconds = Field(default=43_200.0, description="After so long without use a session ends, in seconds.")
    longest_s: LongSeconds = Field(default=604_800.0, description="After so long every session ends, in seconds.")
    passwords: bool = Field(
        default=True, description="Whether passwords are taken; without them single sign-on is the only way."
    )
    oidc: OidcSettings | None = Field(default=None, description="Single sign-on with OpenID Connect.")


def sign_in_problems(settings: SignInSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what is wrong with the section, with where."""
    if settings.idle_s > settings.longest_s:
        yield ("sign_in", "idle_s"), "longer than `longest_s`, after which every session ends; lower it"
    oidc = settings.oidc
    if oidc is None:
        if not settings.passwords:
            yield (
                ("sign_in", "passwords"),
                "off, and no `[sign_in.oidc]`: nobody could sign in; leave it on",
            )
        return
    for option in ("issuer", "redirect_url"):
        address = getattr(oidc, option)
        if address is not None and not _is_address(address):
            yield (
                ("sign_in", "oidc", option),
                "expected an address such as `https://login.example.com`; `http://` is taken on loopback alone",
            )
    if "openid" not in oidc.scopes:
        yield ("sign_in", "oidc", "scopes"), '`"openid"` must be among them: it is what makes it a sign-in'
    if any(find_spec(name) is None for name in ("authlib", "httpx", "joserfc")):
        yield ("sign_in", "oidc"), "needs packages that are not installed: pip install 'narthex[sso]'"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    return secure and bool(host) and not parts.query and not parts.fragment and parts.username is None
