"""Answers that outlive their page: read on after a reload, in two tabs, paused, resumed and stopped, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import OpenPage, serious_violations
from tests.dashboard.driving import PHONE, SCRIPT, ask, await_answer
from tests.gateways import running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

LONG = "Tell me a long story. [[tokens 5000]]"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the server on a scripted provider, with a short patience for pauses."""
    data_dir = tmp_path_factory.mktemp("data")
    with running(
        data_dir, providers={"stage": SCRIPT}, default_model="stage/calm", streams={"pause_limit_s": 1.5}
    ) as gateway:
        yield gateway.url


def newest(url: str) -> dict[str, object]:
    """Return how the newest stream stands."""
    found: dict[str, object] = httpx.get(f"{url}/v1/streams").json()["data"][0]
    return found


def await_text(page: Page) -> str:
    """Wait until something of the answer is shown, and return it."""
    expect(page.locator(".prose").last).to_have_text(re.compile(r"\w+ \w+ \w+"))
    return page.locator(".prose").last.inner_text()


def whole_answer(url: str, page: Page) -> str:
    """Return the text of the newest stream as the server holds it, after it is shown to be over."""
    await_answer(page)
    lines = httpx.get(f"{url}/v1/streams/{newest(url)['id']}?after=0").text.splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
    texts = [re.findall(r'"content":"((?:[^"\\]|\\.)*)"', line) for line in data]
    return " ".join("".join(text for found in texts for text in found).encode().decode("unicode_escape").split())


def test_an_answer_goes_on_over_reloads(url: str, open_page: OpenPage) -> None:
    """The page is loaded again twice in the middle: what was there is shown at once, and the rest follows."""
    page = open_page(url)
    ask(page, "Tell me something. [[tokens 600]]")
    for _ in range(2):
        before = await_text(page)
        page.wait_for_timeout(300)
        page.reload()
        shown = await_text(page)
        assert len(shown) >= len(before)
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
    whole = whole_answer(url, page)
    assert len(whole.split()) > 300
    assert " ".join(page.locator(".prose").last.inner_text().split()) == whole
    expect(page.get_by_label("Figures").last).to_contain_text("First token")
    assert newest(url)["status"] == "done"
    assert page.get_by_role("article", name="Answer").count() == 1


def test_two_tabs_show_one_answer(url: str, open_page: OpenPage) -> None:
    """Opened in a second tab, the same answer grows in both, with its question; each counts the other as a reader."""
    page = open_page(url)
    ask(page, "Tell me something. [[tokens 700]]")
    await_text(page)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open in a new tab").click()
    other = opened.value
    assert "/?stream=" in other.url
    await_text(other)
    expect(other.get_by_role("article", name="Your prompt")).to_contain_text("Tell me something.")
    expect(other.get_by_label("Progress")).to_contain_text(re.compile(r"Readers\s*2"))
    whole = whole_answer(url, page)
    await_answer(other)
    for tab in (page, other):
        assert " ".join(tab.locator(".prose").last.inner_text().split()) == whole


def test_a_link_shows_an_answer_to_a_tab_that_knows_nothing(url: str, open_page: OpenPage) -> None:
    """The address alone is enough to see an answer, running or whole; stopping it there stops it here."""
    page = open_page(url)
    ask(page, LONG)
    await_text(page)
    other = open_page(f"{url}/?stream={newest(url)['id']}")
    await_text(other)
    other.get_by_role("button", name="Stop").click()
    expect(other.get_by_label("Figures").last).to_contain_text("by you")
    expect(page.get_by_label("Figures").last).to_contain_text("elsewhere")
    assert newest(url)["status"] == "cancelled"
    other.get_by_role("button", name="New conversation").click()
    expect(other.get_by_role("heading", name="One door")).to_be_visible()
    other.reload()
    expect(other.get_by_role("heading", name="One door")).to_be_visible()


def test_stop_reaches_the_provider(url: str, open_page: OpenPage) -> None:
    """Stop ends the call on the server: no more tokens are written, and the stream says that it was cancelled."""
    page = open_page(url)
    ask(page, LONG)
    await_text(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_label("Figures").last).to_contain_text("by you")
    page.wait_for_timeout(200)
    before = newest(url)
    assert before["status"] == "cancelled"
    page.wait_for_timeout(300)
    assert newest(url)["last_seq"] == before["last_seq"]
    assert httpx.get(f"{url}/api/system/status").json()["requests"]["active"] == 0


def test_pause_holds_the_answer_and_resume_goes_on(url: str, open_page: OpenPage) -> None:
    """A paused answer grows no further; resumed, it goes on to its whole length."""
    page = open_page(url)
    ask(page, "Tell me something. [[tokens 500]]")
    await_text(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_label("Progress")).to_contain_text("Paused")
    page.wait_for_timeout(100)
    held = page.locator(".prose").last.inner_text()
    page.wait_for_timeout(400)
    assert page.locator(".prose").last.inner_text() == held
    page.get_by_role("button", name="Resume").click()
    whole = whole_answer(url, page)
    assert " ".join(page.locator(".prose").last.inner_text().split()) == whole
    assert newest(url)["status"] == "done"


def test_a_pause_that_is_too_long_is_told(url: str, open_page: OpenPage) -> None:
    """When the server has ended a paused call, the reader is told so, with the setting that decides."""
    page = open_page(url)
    ask(page, LONG)
    await_text(page)
    page.get_by_role("button", name="Pause").click()
    card = page.get_by_role("alert")
    expect(card).to_contain_text("paused_too_long")
    expect(card).to_contain_text("streams.pause_limit_s")
    expect(card).to_contain_text("This answer is not whole")


def test_an_answer_that_was_forgotten_is_told(url: str, open_page: OpenPage) -> None:
    """A link to a stream that is no more says so, and what can be done."""
    page = open_page(f"{url}/?stream=gone-long-ago")
    card = page.get_by_role("alert")
    expect(card).to_contain_text("stream_not_found")
    expect(card).to_contain_text("Ask again")


def test_a_lost_connection_is_sought_again(url: str, open_page: OpenPage) -> None:
    """A page that cannot reach the server at first goes on with its answer as soon as it can, whole."""
    page = open_page(url)
    ask(page, "Tell me something. [[tokens 400]]")
    await_text(page)
    before = newest(url)["id"]
    refused = iter([True, True])
    page.route(
        "**/v1/streams/*after=*", lambda route: route.abort("aborted") if next(refused, False) else route.continue_()
    )
    page.reload()
    whole = whole_answer(url, page)
    assert newest(url)["id"] == before
    assert " ".join(page.locator(".prose").last.inner_text().split()) == whole


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
def test_a_running_answer_has_no_serious_barrier(
    url: str, open_page: OpenPage, theme: str, viewport: dict[str, int] | None
) -> None:
    """axe-core finds nothing serious while an answer is written, and while it is paused; nothing is cut off."""
    page = open_page(url, theme=theme, viewport=viewport)
    ask(page, LONG)
    await_text(page)
    expect(page.get_by_label("Progress")).to_contain_text("Tokens")
    assert serious_violations(page) == []
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_label("Progress")).to_contain_text("Paused")
    assert serious_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Stop").click()
