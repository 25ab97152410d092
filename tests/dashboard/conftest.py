"""Chromium, and the page of a running server in it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from narthex.app import DASHBOARD_DIST

# Chromium's own services are switched off: the suite's network is closed, and nothing here needs them.
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1280, "height": 800}

OpenPage = Callable[..., Page]
"""Opens an address: `open_page(url, width=…, theme=…)`."""


def chromium_path() -> str | None:
    """Return where Chromium is installed, if it is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


# Per module, not per session: as long as Playwright runs, its event loop counts as the one of this thread.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start Chromium once; without it, or without a built dashboard, these tests say so and are skipped."""
    path = chromium_path()
    if path is None:
        pytest.skip("Chromium is not installed: `make setup` does it")
    if not (DASHBOARD_DIST / "index.html").is_file():
        pytest.skip("the dashboard is not built: `make setup` does it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Open pages that must stay on their own server and leave no error in the console."""
    faults: list[str] = []
    contexts = []

    def open_page(url: str, *, theme: str = "light", viewport: dict[str, int] | None = None) -> Page:
        context = chromium.new_context(
            viewport={"width": (viewport or DESKTOP)["width"], "height": (viewport or DESKTOP)["height"]},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        origin = "/".join(url.split("/")[:3]) + "/"
        page.on(
            "request",
            lambda sent: None if sent.url.startswith(origin) else faults.append(f"left the server: {sent.url}"),
        )
        page.on("pageerror", lambda error: faults.append(f"uncaught: {error}"))
        page.on("console", lambda said: _note(said.type, said.text, faults))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


_EXPECTED = re.compile(r"Failed to load resource: (?:the server responded with a status of [45]\d\d|net::ERR_ABORTED)")
"""What the browser itself writes down when a server refuses; the page shows it too."""


def _note(kind: str, text: str, faults: list[str]) -> None:
    if kind in {"error", "warning"} and not _EXPECTED.match(text):
        faults.append(f"{kind} in the console: {text}")


AXE = Path("ui/node_modules/axe-core/axe.min.js")


def serious_violations(page: Page) -> list[str]:
    """Return what axe-core holds to be a serious or critical barrier on the page as it is."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: `npm ci` in ui/ does it")
    if not page.evaluate("'axe' in window"):
        # Evaluated, not added as a script: the content security policy would refuse that, as it should.
        page.evaluate(AXE.read_text(encoding="utf-8"))
    try:
        found: object = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    except Error as error:
        raise AssertionError("axe could not run") from error
    assert isinstance(found, dict)
    return [
        f"{violation['id']}: {node['html'][:160]} ({node['failureSummary']})"
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


def barriers(page: Page) -> list[str]:
    """Return the same for the page in the light theme and in the dark one; it stays in the dark one."""
    found: list[str] = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        found += [f"{theme}: {one}" for one in serious_violations(page)]
    return found
