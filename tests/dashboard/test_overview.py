"""The overview, driven by Chromium against a running server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.dashboard.conftest import OpenPage, barriers
from tests.gateways import running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the server with two providers and an alias, one of them out of reach."""
    providers = {
        "stage": {"kind": "scripted", "script": {"models": ["calm", "quick"]}},
        "away": {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "models": ["far"]},
    }
    data_dir = tmp_path_factory.mktemp("data")
    with running(data_dir, providers=providers, aliases={"fast": "stage/quick"}, default_model="fast") as gateway:
        yield gateway.url


def test_it_shows_providers_models_and_figures(url: str, open_page: OpenPage) -> None:
    """Everything that is served stands on one page, with its health and its aliases."""
    page = open_page(f"{url}/overview")
    for figure in ("Uptime", "Requests", "Tokens", "Memory"):
        expect(page.get_by_text(figure, exact=True)).to_be_visible()
    for provider in ("stage", "away"):
        expect(page.get_by_role("heading", name=provider)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="stage/quick")).to_contain_text("fast")
    expect(page.get_by_role("row").filter(has_text="away/far")).to_be_visible()


def test_a_search_is_kept_in_the_address(url: str, open_page: OpenPage) -> None:
    """A search can be shared and survives a reload."""
    page = open_page(f"{url}/overview")
    page.get_by_role("searchbox", name="Search models").fill("fast")
    expect(page.get_by_role("row")).to_have_count(2)
    assert page.url.endswith("?q=fast")
    page.reload()
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("searchbox", name="Search models").fill("nothing like it")
    expect(page.get_by_text("No model matches")).to_be_visible()


def test_a_model_is_tried_from_its_row(url: str, open_page: OpenPage) -> None:
    """One click takes a model to the playground."""
    page = open_page(f"{url}/overview")
    page.get_by_role("button", name="Try stage/calm").click()
    expect(page.get_by_role("button", name="Model: stage/calm")).to_be_visible()


def test_it_shows_how_to_connect(url: str, open_page: OpenPage) -> None:
    """Each SDK has its smallest program, with this server's address."""
    page = open_page(f"{url}/overview")
    for tab, word in (("OpenAI, Python", "OpenAI("), ("Anthropic, Python", "Anthropic("), ("curl", "curl ")):
        page.get_by_role("tab", name=tab).click()
        code = page.get_by_role("tabpanel").get_by_role("region")
        expect(code).to_contain_text(word)
        expect(code).to_contain_text(url)


def test_it_pauses_while_nobody_looks(url: str, open_page: OpenPage) -> None:
    """A hidden page asks the server for nothing."""
    page = open_page(f"{url}/favicon.svg")
    page.clock.install()
    page.goto(f"{url}/overview")
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    with page.expect_request("**/api/system/status"):
        page.clock.run_for(6_000)
    page.evaluate(
        """() => {
          Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    page.clock.run_for(1_000)
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.clock.run_for(120_000)
    assert asked == []


@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
def test_it_has_no_serious_barrier(url: str, open_page: OpenPage, viewport: dict[str, int] | None) -> None:
    """axe-core finds nothing serious in either theme, and nothing is wider than the screen."""
    page = open_page(f"{url}/overview", viewport=viewport)
    expect(page.get_by_role("heading", name="Connect your application")).to_be_visible()
    assert barriers(page) == []
    assert page.evaluate("document.querySelector('[aria-label=Overview]').scrollWidth <= innerWidth")


def test_with_one_provider_it_teaches_how_to_bring_another(tmp_path: Path, open_page: OpenPage) -> None:
    """A server with nothing but a local model says how to add a provider, and fits a phone."""
    with running(tmp_path, providers={"stage": {"kind": "scripted"}}, default_model="stage/scripted") as gateway:
        page = open_page(f"{gateway.url}/overview", viewport=PHONE)
        expect(page.get_by_role("heading", name="Bring a provider")).to_be_visible()
        expect(page.get_by_text("OPENAI_API_KEY")).to_be_visible()
        widths: object = page.evaluate(
            "[...document.querySelectorAll('[aria-label=Overview] section')].map(e => e.getBoundingClientRect().right)"
        )
        assert isinstance(widths, list)
        assert max(widths) <= PHONE["width"]
        page.close()
