"""Who it is that a provider vouches for."""

from __future__ import annotations

import pytest

from narthex.config.sign_in_settings import OidcSettings
from narthex.errors import SingleSignOnFailed
from narthex.tenancy.sign_in.single_sign_on.identity import identity_of

SETTINGS = OidcSettings(issuer="https://login.example.com", client_id="n", allowed_domains=("Example.org",))
CLAIMS: dict[str, object] = {
    "sub": "s",
    "email": "Ada@Example.org",
    "email_verified": True,
    "name": "Ada\u202e Lovelace",
    "groups": ["a", "b", 3],
}


def test_somebody_is_told_in_our_words() -> None:
    """The address in its one form, the name without signs that are not printed, the groups that are words."""
    one = identity_of(CLAIMS, SETTINGS)
    assert (one.email, one.name, one.groups) == ("ada@example.org", "Ada Lovelace", frozenset({"a", "b"}))
    bare = identity_of({**CLAIMS, "name": None, "groups": "a"}, SETTINGS)
    assert (bare.name, bare.groups) == ("ada@example.org", frozenset({"a"}))
    assert identity_of({**CLAIMS, "groups": None}, SETTINGS).groups == frozenset()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"email": None}, "names no e-mail"),
        ({"email": "no address"}, "is none"),
        ({"email_verified": False}, "not verified"),
        ({"email_verified": None}, "not verified"),
        ({"email_verified": 1}, "not verified"),
        ({"email": "ada@example.org.evil.example"}, "may not sign in here"),
        ({"email": "ada@evil-example.org"}, "may not sign in here"),
    ],
)
def test_who_is_not_vouched_for_is_refused(changes: dict[str, object], why: str) -> None:
    """No verified address, or one of another domain."""
    with pytest.raises(SingleSignOnFailed, match=why):
        identity_of({**CLAIMS, **changes}, SETTINGS)
