"""Single sign-on, through the front door, with a real provider."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote_plus

import httpx

from tests.gateways import running
from tests.http.browsers import browser
from tests.tenancy.sign_in.single_sign_on.openid import CLIENT, SECRET, OpenId, openid_provider


def settings(openid: OpenId, **changes: object) -> dict[str, object]:
    """Return the section of a provider."""
    return {"oidc": {"issuer": openid.issuer, "client_id": CLIENT, "client_secret": SECRET, **changes}}


def test_a_browser_goes_there_and_comes_back(tmp_path: Path) -> None:
    """With a session, at the page that it wanted; the state says what the button is called."""
    with (
        openid_provider() as openid,
        running(tmp_path, sign_in=settings(openid, name="Acme")) as gateway,
        browser(gateway) as one,
    ):
        assert one.get("/api/auth/state").json()["single_sign_on"] == "Acme"
        there = one.get("/api/auth/oidc/start?return_to=/overview")
        assert there.status_code == 303
        assert "HttpOnly" in there.headers["set-cookie"]
        back = httpx.get(there.headers["location"], trust_env=False).headers["location"]
        home = one.get(back)
        assert (home.status_code, home.headers["location"]) == (303, "/overview")
        user = one.get("/api/auth/state").json()["user"]
        assert (user["email"], user["how"]) == ("ada@example.org", "sso")
        assert "narthex_oidc" not in one.cookies
        out = one.post("/api/auth/sign-out").json()
        assert httpx.get(out["continue_at"], trust_env=False).headers["location"] == f"{gateway.url}/"
        assert openid.ended[0]["id_token_hint"].count(".") == 2
        assert one.get("/api/auth/state").json()["user"] is None
        replayed = one.get(back)
        assert "sign_in_problem" in replayed.headers["location"]


def test_another_browser_does_not(tmp_path: Path) -> None:
    """An attacker's way back, opened by somebody else, signs nobody in."""
    with (
        openid_provider() as openid,
        running(tmp_path, sign_in=settings(openid)) as gateway,
        browser(gateway) as attacker,
        browser(gateway) as victim,
    ):
        there = attacker.get("/api/auth/oidc/start")
        back = httpx.get(there.headers["location"], trust_env=False).headers["location"]
        turned = victim.get(back)
        assert turned.headers["location"].startswith("/?sign_in_problem=")
        assert "begun elsewhere" in unquote_plus(turned.headers["location"])
        assert not victim.cookies


def test_without_a_provider_one_is_told(tmp_path: Path) -> None:
    """On the page of the dashboard."""
    with running(tmp_path) as gateway, browser(gateway) as one:
        turned = one.get("/api/auth/oidc/start")
        assert "sign_in.oidc" in unquote_plus(turned.headers["location"])
