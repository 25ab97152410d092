"""What a provider says of itself, and its keys."""

from __future__ import annotations

import pytest

from narthex.config.sign_in_settings import OidcSettings
from narthex.errors import SingleSignOnFailed
from narthex.tenancy.sign_in.single_sign_on.provider import Provider, _for_signatures

SETTINGS = OidcSettings(issuer="https://login.example.com", client_id="n")
SAID = {
    "issuer": "https://login.example.com",
    "authorization_endpoint": "https://login.example.com/a",
    "token_endpoint": "https://login.example.com/t",
    "jwks_uri": "https://login.example.com/k",
}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"issuer": "https://evil.example"}, "to the letter"),
        ({"token_endpoint": "http://login.example.com/t"}, "without TLS"),
        ({"end_session_endpoint": "javascript:alert(1)"}, "without TLS"),
        ({"jwks_uri": None}, "not complete"),
    ],
)
def test_what_it_says_must_be_usable(changes: dict[str, object], why: str) -> None:
    """It is who was configured, and every address is guarded by TLS."""
    provider = Provider(SETTINGS, lambda: 0.0, lambda: 0.0)
    assert provider._usable(SAID).token_endpoint.endswith("/t")
    with pytest.raises(SingleSignOnFailed, match=why):
        provider._usable({**SAID, **changes})


def test_keys_that_are_not_for_signatures_are_left_out() -> None:
    """Nor is a secret ever one: whoever reads it could sign."""
    keys = [{"kty": "RSA"}, {"kty": "RSA", "use": "enc"}, {"kty": "oct", "k": "x"}, "no key"]
    assert _for_signatures({"keys": keys}) == {"keys": [{"kty": "RSA"}]}
    assert _for_signatures({}) == {"keys": []}
