"""Inviting somebody in the dashboard, and coming in by the link, driven by Chromium against a running server."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import OpenPage, serious_violations
from tests.gateways import running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
DEMO = {"demo": {"kind": "scripted", "script": {"models": ["m"], "reply": "Good day."}}}
HEARD = """(url) => new Promise((resolve) => {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/realtime?model=demo/m`, "realtime");
  socket.onmessage = ({ data }) => resolve(JSON.parse(data).type);
  socket.onclose = ({ code }) => resolve(code);
})"""


def invite(page: Page, email: str) -> str:
    """Invite somebody; return the link, as it was copied from where it is shown once."""
    page.get_by_role("button", name="Invite").first.click()
    dialog = page.get_by_role("dialog", name="Invite somebody")
    dialog.get_by_role("button", name="Make the link").click()
    expect(dialog.get_by_text("by their e-mail address.")).to_be_visible()
    dialog.get_by_label("E-mail address").fill(email)
    dialog.get_by_label("Role").select_option("member")
    dialog.get_by_role("button", name="Make the link").click()
    shown = page.get_by_role("dialog", name=f"The link for {email}")
    expect(shown).to_contain_text("shown this once")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.get_by_role("button", name="Copy link").click()
    expect(shown.get_by_role("button", name="Copied")).to_be_visible()
    link = str(page.evaluate("navigator.clipboard.readText()"))
    assert shown.get_by_label("Link", exact=True).inner_text() == link
    shown.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("table", name="Invitations")).to_contain_text(email)
    return link


def first_owner(url: str, page: Page) -> None:
    """Make the first user in this browser, and open the members."""
    ada = {"name": "Ada", "email": "ada@example.org", "password": "nine blue herons stand"}
    made = httpx.post(f"{url}/api/auth/first", json=ada, headers={"x-narthex-csrf": "1"}, timeout=30)
    page.context.add_cookies([{"name": "narthex_session", "value": made.cookies["narthex_session"], "url": url}])
    page.goto(f"{url}/members")


def test_somebody_is_invited_and_comes_in(tmp_path: Path, open_page: OpenPage) -> None:
    """The link is shown once and copied; who opens it chooses a password, works, and is a member; it is good once."""
    with running(tmp_path, providers=DEMO, default_model="demo/m") as gateway:
        page = open_page(f"{gateway.url}/overview")
        first_owner(gateway.url, page)
        link = invite(page, "bob@example.org")
        bob = open_page(link)
        bob.get_by_label("Your name").fill("Bob")
        assert "nxi_" not in bob.url
        assert serious_violations(bob) == []
        bob.get_by_label("Password").fill("seven red foxes run")
        bob.get_by_role("button", name="Come in").click()
        expect(bob.get_by_role("textbox", name="Prompt", exact=True)).to_be_visible(timeout=20_000)
        assert bob.evaluate(HEARD, gateway.url) == "session.created"
        page.reload()
        expect(page.get_by_role("combobox", name="Role of Bob")).to_have_value("member")
        expect(page.get_by_role("table", name="Invitations")).to_have_count(0)
        expect(open_page(link).get_by_text("was used already")).to_be_visible(timeout=20_000)


def test_an_invitation_is_taken_back(tmp_path: Path, open_page: OpenPage) -> None:
    """Its link lets nobody in any more, and says so."""
    with running(tmp_path) as gateway:
        page = open_page(f"{gateway.url}/members")
        link = invite(page, "eve@example.org")
        page.get_by_role("button", name="Actions for eve@example.org").click()
        page.get_by_role("menuitem", name="Take back").click()
        page.get_by_role("alertdialog").get_by_role("button", name="Take back").click()
        expect(page.get_by_role("table", name="Invitations")).to_have_count(0)
        page.goto(link)
        expect(page.get_by_role("heading", name="This link lets nobody in")).to_be_visible(timeout=20_000)
