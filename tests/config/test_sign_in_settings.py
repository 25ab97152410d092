"""The options of signing in."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from narthex.config.sign_in_settings import OidcSettings, SignInSettings, sign_in_problems

GOOD = {"issuer": "https://login.example.com", "client_id": "narthex"}


def problems(**values: object) -> list[str]:
    """Return where something is wrong."""
    return [".".join(map(str, where)) for where, _ in sign_in_problems(SignInSettings.model_validate(values))]


def test_what_fits_is_taken() -> None:
    """Without anything; and a provider over TLS, or on this machine."""
    assert problems() == []
    assert problems(oidc=GOOD) == []
    assert problems(oidc={**GOOD, "issuer": "http://127.0.0.1:9000/realm"}, passwords=False) == []


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"idle_s": 1_000, "longest_s": 999}, "sign_in.idle_s"),
        ({"passwords": False}, "sign_in.passwords"),
        ({"oidc": {**GOOD, "issuer": "http://login.example.com"}}, "sign_in.oidc.issuer"),
        ({"oidc": {**GOOD, "issuer": "https://login.example.com?x=1"}}, "sign_in.oidc.issuer"),
        ({"oidc": {**GOOD, "issuer": "https://[bad"}}, "sign_in.oidc.issuer"),
        ({"oidc": {**GOOD, "redirect_url": "ftp://x"}}, "sign_in.oidc.redirect_url"),
        ({"oidc": {**GOOD, "scopes": ["email"]}}, "sign_in.oidc.scopes"),
    ],
)
def test_what_cannot_hold_is_refused(values: dict[str, object], where: str) -> None:
    """With the option at fault."""
    assert problems(**values) == [where]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    monkeypatch.setattr("narthex.config.sign_in_settings.find_spec", lambda name: None)
    ((where, message),) = sign_in_problems(SignInSettings(oidc=OidcSettings.model_validate(GOOD)))
    assert where == ("sign_in", "oidc")
    assert "narthex[sso]" in message


def test_a_session_ends_some_time() -> None:
    """Neither at once nor never."""
    for seconds in (59, 31_536_001):
        with pytest.raises(ValidationError):
            SignInSettings(idle_s=seconds)
