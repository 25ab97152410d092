"""Whether an ID token is genuine, meant for us, fresh, and of this very sign-in.

https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
"""

from __future__ import annotations

import hmac
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from narthex.errors import SingleSignOnFailed

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA", "Ed25519")
"""Signatures that are taken. None of them can be made with a key that is public, and `none` is not among them."""
_LEEWAY_S: Final = 60
"""How far the clocks may differ."""
_OLDEST_S: Final = 600
"""A token is made for the sign-in that waits for it."""
_MOST_BYTES: Final = 65_536

Claims = Mapping[str, object]


class UnknownKey(Exception):
    """The token names a key that the provider had not published when its keys were last read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str
    now_s: float


def verified(token: str, keys: KeySet, expected: Expected) -> Claims:
    """Return what a token says, if it may be believed.

    Raises:
        SingleSignOnFailed: It may not; the message says why, and nothing of what it says.
        UnknownKey: Its key is none of these.
    """
    from joserfc import jwt  # noqa: PLC0415 - an extra, loaded when somebody signs in with it
    from joserfc.errors import InvalidKeyIdError, JoseError, SecurityWarning  # noqa: PLC0415 - as above

    if len(token) > _MOST_BYTES:
        raise SingleSignOnFailed("the ID token is too long")
    try:
        with warnings.catch_warnings():
            # Most providers still call Ed25519 by its older name (RFC 9864).
            warnings.simplefilter("ignore", SecurityWarning)
            read = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
    except InvalidKeyIdError as error:
        raise UnknownKey from error
    except (JoseError, ValueError, TypeError, KeyError) as error:
        reason = getattr(error, "error", type(error).__name__)
        raise SingleSignOnFailed(f"the ID token is not genuine: {reason}") from error
    claims = cast("Claims", read.claims)
    _check(claims, expected)
    return claims


def _check(claims: Claims, expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise SingleSignOnFailed("the ID token is of another issuer than `sign_in.oidc.issuer`")
    _check_audience(claims, expected.client_id)
    _check_times(claims, expected.now_s)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise SingleSignOnFailed("the ID token belongs to another sign-in: its nonce is not the one sent")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise SingleSignOnFailed("the ID token names nobody")


def _check_audience(claims: Claims, client_id: str) -> None:
    audience = claims.get("aud")
    meant = [audience] if isinstance(audience, str) else audience
    if not isinstance(meant, list) or client_id not in meant:
        raise SingleSignOnFailed("the ID token is meant for another application")
    party = claims.get("azp")
    if (party is not None or len(meant) > 1) and party != client_id:
        raise SingleSignOnFailed("the ID token was made for another application")


def _check_times(claims: Claims, now_s: float) -> None:
    expires, issued, begins = claims.get("exp"), claims.get("iat"), claims.get("nbf", 0)
    if not _is_time(expires) or not _is_time(issued) or not _is_time(begins):
        raise SingleSignOnFailed("the ID token does not say when it was made, and until when it is good")
    assert isinstance(expires, int | float)
    assert isinstance(issued, int | float)
    assert isinstance(begins, int | float)
    if expires <= now_s - _LEEWAY_S:
        raise SingleSignOnFailed("the ID token has expired; if that is odd, see to the clocks")
    if max(issued, begins) > now_s + _LEEWAY_S:
        raise SingleSignOnFailed("the ID token is of the future: see to the clocks")
    if issued < now_s - _OLDEST_S:
        raise SingleSignOnFailed("the ID token is too old for a sign-in that begins now")


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
