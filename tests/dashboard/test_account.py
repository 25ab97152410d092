"""Signing in at the dashboard, driven by Chromium against a running server."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pyotp.totp import TOTP

from tests.dashboard.conftest import OpenPage, serious_violations
from tests.gateways import running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
PASSWORD = "nine blue herons stand"
DEMO = {"demo": {"kind": "scripted", "script": {"models": ["m"], "reply": "Good day."}}}


def made_with_authenticator(page: Page) -> str:
    """Make the first user, and set an authenticator up; return its secret."""
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the first user").click()
    page.get_by_label("Password, once more").fill(PASSWORD)
    page.get_by_role("button", name="Set up an authenticator").click()
    expect(page.get_by_role("img", name="QR code for an authenticator")).to_be_visible(timeout=20_000)
    secret = page.locator("p.break-all").inner_text()
    page.get_by_label("Code").fill(TOTP(secret).at(int(time.time()) - 30))
    page.get_by_role("button", name="Confirm").click()
    codes = page.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(codes).to_have_count(10)
    assert serious_violations(page) == []
    return secret


def signed_in_again(page: Page, secret: str) -> None:
    """Mistype the password, then sign in with it and a code."""
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("is not right")).to_be_visible(timeout=20_000)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code").fill(TOTP(secret).now())
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("list", name="Sessions").get_by_text("this one")).to_be_visible(timeout=20_000)


def test_the_first_user_signs_in_with_two_factors(tmp_path: Path, open_page: OpenPage) -> None:
    """They are made, set an authenticator up, sign out, and come back with password and code."""
    with running(tmp_path, providers=DEMO, default_model="demo/m") as gateway:
        page = open_page(f"{gateway.url}/account")
        secret = made_with_authenticator(page)
        page.get_by_role("button", name="I have kept them").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in to Narthex")).to_be_visible()
        assert serious_violations(page) == []
        signed_in_again(page, secret)
        page.goto(f"{gateway.url}/")
        page.get_by_role("textbox", name="Prompt", exact=True).fill("Hello")
        page.get_by_role("textbox", name="Prompt", exact=True).press("Control+Enter")
        expect(page.get_by_text("Good day.")).to_be_visible(timeout=30_000)
