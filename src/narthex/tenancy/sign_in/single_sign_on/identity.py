"""Who it is that a provider vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from narthex.config.sign_in_settings import OidcSettings
from narthex.errors import InvalidRequest, SingleSignOnFailed
from narthex.tenancy.users import address_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person as a provider knows them."""

    issuer: str
    subject: str
    """Under which the provider knows them, for ever."""
    email: str
    """Verified by the provider."""
    name: str
    groups: frozenset[str]


def identity_of(claims: Mapping[str, object], settings: OidcSettings) -> Identity:
    """Return who a provider vouches for.

    Args:
        claims: Of a verified ID token, and of the provider's answer about its user.
        settings: Whom to let in.

    Raises:
        SingleSignOnFailed: The e-mail address is missing or not verified, or its domain may not sign in.
    """
    email = claims.get("email")
    if not isinstance(email, str):
        raise SingleSignOnFailed("the provider names no e-mail address; ask for the scope `email`")
    if claims.get("email_verified") is not True and claims.get("email_verified") != "true":
        raise SingleSignOnFailed("your e-mail address is not verified at the provider of the single sign-on")
    try:
        address = address_of(email)
    except InvalidRequest as error:
        raise SingleSignOnFailed("the provider names an e-mail address that is none") from error
    domain = address.rpartition("@")[2]
    if settings.allowed_domains and domain not in {one.lower().lstrip("@") for one in settings.allowed_domains}:
        raise SingleSignOnFailed(f"e-mail addresses of {domain} may not sign in here")
    return Identity(
        issuer=settings.issuer,
        subject=str(claims["sub"]),
        email=address,
        name=_name(claims, address),
        groups=_groups(claims.get(settings.group_claim)),
    )


def _name(claims: Mapping[str, object], email: str) -> str:
    said = claims.get("name") or claims.get("preferred_username")
    plain = "".join(one for one in str(said) if one.isprintable()).strip()[:200] if isinstance(said, str) else ""
    return plain or email


def _groups(said: object) -> frozenset[str]:
    if isinstance(said, str):
        return frozenset({said})
    return frozenset(one for one in said if isinstance(one, str)) if isinstance(said, list) else frozenset()
