"""Signing in at the dashboard, through the front door."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.gateways import KEY, running
from tests.http.browsers import ADA, browser, first, sign_in

DEMO = {"demo": {"kind": "scripted", "script": {"models": ["m"], "reply": "ok"}}}


def code(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of an error."""
    return answer.status_code, answer.json()["error"]["code"]


def test_all_is_open_until_there_is_somebody(tmp_path: Path) -> None:
    """On loopback without keys; from the first user on every call needs a session or a key."""
    with running(tmp_path, providers=DEMO, default_model="demo/m") as gateway, browser(gateway) as stranger:
        before = stranger.get("/api/auth/state").json()
        assert (before["required"], before["has_users"], before["may_make_first"]) == (False, False, True)
        assert stranger.get("/api/system/status").status_code == 200
        with first(gateway) as ada:
            state = ada.get("/api/auth/state").json()
            assert (state["required"], state["has_users"], state["may_make_first"]) == (True, True, False)
            assert (state["user"]["email"], state["user"]["role"]) == ("ada@example.org", "owner")
            for path in ("/api/system/status", "/v1/models", "/api/workspaces", "/metrics"):
                assert ada.get(path).status_code == 200, path
                assert code(stranger.get(path)) == (401, "sign_in_required"), path
            assert stranger.get("/api/auth/state").json()["user"] is None
            assert stranger.get("/health").status_code == 200
            assert code(stranger.post("/api/auth/first", json={**ADA, "email": "e@x.org"})) == (401, "sign_in_required")
            assert code(ada.post("/v1/chat/completions", json={}, headers={"authorization": "Bearer x"})) == (
                401,
                "invalid_api_key",
            )


def test_a_session_calls_models(tmp_path: Path) -> None:
    """Whole and streamed; from another page, or without the header, it does not."""
    with running(tmp_path, providers=DEMO, default_model="demo/m") as gateway, first(gateway) as ada:
        body = {"messages": [{"role": "user", "content": "x"}]}
        assert ada.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"] == "ok"
        assert "data: [DONE]" in ada.post("/v1/chat/completions", json={**body, "stream": True}).text
        foreign = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
        assert code(ada.post("/v1/chat/completions", json=body, headers=foreign)) == (403, "cross_site_request")
        del ada.headers["x-narthex-csrf"]
        assert code(ada.post("/v1/chat/completions", json=body)) == (403, "cross_site_request")


def test_signing_out_ends_the_session(tmp_path: Path) -> None:
    """The token is good for nothing then, even for who has kept it."""
    with running(tmp_path) as gateway, first(gateway) as ada, browser(gateway) as thief:
        thief.cookies.set("narthex_session", ada.cookies["narthex_session"])
        assert thief.get("/api/workspaces").status_code == 200
        assert ada.post("/api/auth/sign-out").json()["status"] == "signed_out"
        assert "narthex_session" not in ada.cookies
        assert code(thief.get("/api/workspaces")) == (401, "sign_in_required")
        assert code(ada.post("/api/auth/sign-out")) == (401, "sign_in_required")
        with sign_in(gateway) as again:
            assert again.get("/api/workspaces").status_code == 200


def test_a_wrong_password_does_not(tmp_path: Path) -> None:
    """Nor a request from elsewhere, nor one over plain HTTP to another name."""
    with running(tmp_path) as gateway, first(gateway), browser(gateway) as one:
        wrong = {"email": ADA["email"], "password": "wrong"}
        assert code(one.post("/api/auth/password", json=wrong)) == (401, "sign_in_failed")
        assert code(one.post("/api/auth/password", json={"email": 1})) == (400, "invalid_request")
        right = {"email": ADA["email"], "password": ADA["password"]}
        elsewhere = {"host": "gateway.example", "origin": "http://gateway.example"}
        assert code(one.post("/api/auth/password", json=right, headers=elsewhere)) == (403, "permission_denied")
        secure = {"host": "gateway.example", "origin": "https://gateway.example"}
        answer = one.post("/api/auth/password", json=right, headers=secure)
        assert answer.headers["set-cookie"].startswith("__Host-narthex_session=")
        assert "; Secure" in answer.headers["set-cookie"]
        assert "no-store" in answer.headers["cache-control"]


def test_who_has_a_key_makes_the_first_user(tmp_path: Path) -> None:
    """Where there are keys; nobody else does."""
    with running(tmp_path, keys=[{"name": "root", "key": KEY}]) as gateway, browser(gateway) as one:
        assert code(one.post("/api/auth/first", json=ADA)) == (401, "invalid_api_key")
        assert one.get("/api/auth/state").json()["may_make_first"] is False
        one.headers["authorization"] = f"Bearer {KEY}"
        assert one.get("/api/auth/state").json()["may_make_first"] is True
        assert one.post("/api/auth/first", json=ADA).status_code == 200
        assert code(one.post("/api/auth/first", json=ADA)) == (409, "conflict")
        assert one.get("/api/system/status").status_code == 200
