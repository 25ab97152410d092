"""One's own account, through the front door."""

from __future__ import annotations

import time
from pathlib import Path

from pyotp.totp import TOTP

from tests.gateways import running
from tests.http.browsers import ADA, browser, first, sign_in

NEW = "eleven grey owls sleep"


def test_a_password_is_changed(tmp_path: Path) -> None:
    """Every other session ends, this browser goes on."""
    with running(tmp_path) as gateway, first(gateway) as ada, sign_in(gateway) as other:
        assert ada.get("/api/auth/account").json()["has_password"] is True
        change = {"current_password": ADA["password"], "new_password": NEW}
        assert ada.post("/api/auth/account/password", json={**change, "new_password": "x"}).status_code == 400
        assert ada.post("/api/auth/account/password", json=change).json()["status"] == "signed_in"
        assert ada.get("/api/auth/sessions").status_code == 200
        assert other.get("/api/auth/sessions").status_code == 401
        with sign_in(gateway, NEW) as again:
            assert again.get("/api/auth/account").status_code == 200


def test_a_second_factor_is_set_up(tmp_path: Path) -> None:
    """The square is scanned, a code confirms, and both are asked for at the next sign-in."""
    with running(tmp_path) as gateway, first(gateway) as ada, browser(gateway) as one:
        wrong = ada.post("/api/auth/account/second-factor", json={"password": "not the one that it is"})
        assert wrong.status_code == 401
        new = ada.post("/api/auth/account/second-factor", json={"password": ADA["password"]}).json()
        assert new["qr_svg"].startswith("<svg")
        otp, now = TOTP(new["secret"]), time.time()
        confirmed = ada.post("/api/auth/account/second-factor/confirm", json={"code": otp.at(int(now))})
        codes = confirmed.json()["codes"]
        assert ada.get("/api/auth/account").json()["recovery_codes_left"] == 10
        wanted = one.post("/api/auth/password", json={"email": ADA["email"], "password": ADA["password"]}).json()
        assert wanted["status"] == "second_factor"
        assert one.get("/api/auth/account").status_code == 401
        done = one.post("/api/auth/second-factor", json={"ticket": wanted["ticket"], "code": codes[0]})
        assert done.json()["status"] == "signed_in"
        proof = {"password": ADA["password"]}
        assert len(one.post("/api/auth/account/recovery-codes", json=proof).json()["codes"]) == 10
        removed = one.post("/api/auth/account/second-factor/remove", json=proof)
        assert removed.json() == {"object": "auth.factor_removed"}


def test_sessions_are_seen_and_ended(tmp_path: Path) -> None:
    """One's own, from any of them."""
    with running(tmp_path) as gateway, first(gateway) as ada, sign_in(gateway) as other:
        listed = ada.get("/api/auth/sessions").json()["data"]
        assert [one["is_this_one"] for one in listed].count(True) == 1
        theirs = next(one["id"] for one in listed if not one["is_this_one"])
        assert ada.delete(f"/api/auth/sessions/{theirs}").json()["id"] == theirs
        assert ada.delete(f"/api/auth/sessions/{theirs}").status_code == 404
        assert other.get("/api/auth/sessions").status_code == 401
