"""An ID token is believed if it is genuine, meant for us, fresh, and of this sign-in."""

from __future__ import annotations

import base64
import hmac
import json
import warnings

import pytest
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from narthex.errors import SingleSignOnFailed
from narthex.tenancy.sign_in.single_sign_on.id_tokens import Expected, UnknownKey, verified

NOW = 1_700_000_000
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
KEYS = KeySet([RSA, EC, ED])
EXPECTED = Expected(issuer="https://login.example.com", client_id="narthex", nonce="n" * 43, now_s=NOW)
CLAIMS: dict[str, object] = {
    "iss": "https://login.example.com",
    "aud": "narthex",
    "sub": "subject",
    "nonce": "n" * 43,
    "iat": NOW,
    "exp": NOW + 300,
}


def token(changes: dict[str, object] | None = None, *, kid: str = "rsa", **left_out: object) -> str:
    """Return a signed token with some claims changed; None leaves one out."""
    claims = {name: value for name, value in {**CLAIMS, **(changes or {})}.items() if value is not None}
    return jwt.encode({"alg": "RS256", "kid": kid}, claims, RSA)


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA), ("ES256", EC), ("EdDSA", ED)])
def test_a_good_token_is_believed(algorithm: str, key: RSAKey | ECKey | OKPKey) -> None:
    """Signed in any of the ways that are taken."""
    with warnings.catch_warnings():
        # Its older name, under which most providers use it.
        warnings.simplefilter("ignore", SecurityWarning)
        good = jwt.encode({"alg": algorithm, "kid": key.kid}, CLAIMS, key, algorithms=[algorithm])
    assert verified(good, KEYS, EXPECTED)["sub"] == "subject"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://login.example.com/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "another"}, "another application"),
        ({"aud": None}, "another application"),
        ({"aud": ["narthex", "another"]}, "for another application"),
        ({"aud": ["narthex", "another"], "azp": "another"}, "for another application"),
        ({"azp": "another"}, "for another application"),
        ({"exp": NOW - 60}, "expired"),
        ({"exp": None}, "does not say when"),
        ({"exp": True}, "does not say when"),
        ({"exp": "tomorrow"}, "does not say when"),
        ({"iat": None}, "does not say when"),
        ({"iat": NOW + 61}, "of the future"),
        ({"nbf": NOW + 61}, "of the future"),
        ({"iat": NOW - 601}, "too old"),
        ({"nonce": "m" * 43}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"nonce": 1}, "another sign-in"),
        ({"sub": ""}, "names nobody"),
        ({"sub": "s" * 256}, "names nobody"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], why: str) -> None:
    """Issuer, audience, times, nonce and subject, each by itself."""
    with pytest.raises(SingleSignOnFailed, match=why):
        verified(token(changes), KEYS, EXPECTED)


def test_several_audiences_need_to_name_us() -> None:
    """By `azp`."""
    assert verified(token({"aud": ["narthex", "b"], "azp": "narthex"}), KEYS, EXPECTED)


def test_what_is_not_signed_is_refused() -> None:
    """Whatever the header says: `none` in any case of letters, a public key used as a secret, a changed body."""

    def plain(part: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")

    for name in ("none", "None", "NONE", "nOnE"):
        with pytest.raises(SingleSignOnFailed):
            verified(f"{plain({'alg': name})}.{plain(CLAIMS)}.", KEYS, EXPECTED)
    signed = f"{plain({'alg': 'HS256', 'kid': 'rsa'})}.{plain(CLAIMS)}"
    mac = hmac.digest(RSA.as_pem(private=False), signed.encode(), "sha256")
    confused = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    head, _, mark = token().split(".")
    changed = f"{head}.{plain({**CLAIMS, 'sub': 'another'})}.{mark}"
    for bad in (confused, changed, "", "a.b.c", "x" * 70_000, token() + "x"):
        with pytest.raises(SingleSignOnFailed):
            verified(bad, KEYS, EXPECTED)


def test_another_key_of_the_same_name_does_not_do() -> None:
    """The signature must be that of the published one."""
    other = RSAKey.generate_key(2048, {"kid": "rsa"})
    with pytest.raises(SingleSignOnFailed):
        verified(jwt.encode({"alg": "RS256", "kid": "rsa"}, CLAIMS, other), KEYS, EXPECTED)


def test_an_unknown_key_is_told_apart() -> None:
    """So that the keys are read again."""
    with pytest.raises(UnknownKey):
        verified(token(kid="new"), KEYS, EXPECTED)
