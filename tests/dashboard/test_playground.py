"""The playground, driven by Chromium: against the embedded model as a reader has it, and against scripted faults."""

from __future__ import annotations

import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from narthex.app import DASHBOARD_DIST
from narthex.config.settings import Settings
from tests.dashboard.conftest import OpenPage, barriers, serious_violations
from tests.dashboard.driving import ANSWERS_WITHIN_MS, PHONE, SCRIPT, ask, await_answer, last_answer, prompt_field
from tests.gateways import KEY, running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

STARTS_WITHIN_S = 30
FIRST_PAGE_BYTES = 175_000
"""Of all scripts that the playground loads by itself, with gzip. What is not needed to ask is loaded when it is."""


@pytest.fixture(scope="module")
def embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run `narthex serve` with the embedded model and nothing else, as on a bare machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    environment |= {
        "NARTHEX_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "NARTHEX_DISCOVERY__OLLAMA": "false",
        "NARTHEX_EMBEDDED__MODELS_DIR": str(Settings().data_dir.expanduser() / "models"),
    }
    command = [str(Path(sys.executable).with_name("narthex")), "serve", "--port", str(port)]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=log.parent)
    url = f"http://127.0.0.1:{port}"
    try:
        _await_ready(url, server, log)
        if not httpx.get(f"{url}/api/system/status").json()["embedded"]["installed"]:
            pytest.skip("the embedded model's weights are not installed: `make setup` does it")
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(40)


def _await_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"`narthex serve` did not start:\n{log.read_text(errors='replace')}")


@pytest.fixture(scope="module")
def scripted_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the server on a scripted provider, which misbehaves where a prompt asks for it."""
    data_dir = tmp_path_factory.mktemp("data")
    with running(data_dir, providers={"stage": SCRIPT}, default_model="stage/calm") as gateway:
        yield gateway.url


def figures(page: Page) -> dict[str, str]:
    """Return the figures under the newest answer."""
    figures = page.get_by_label("Figures").last
    names, values = figures.locator("dt").all_inner_texts(), figures.locator("dd").all_inner_texts()
    return dict(zip(names, values, strict=True))


@pytest.mark.embedded
def test_the_embedded_model_answers_token_by_token(embedded_url: str, open_page: OpenPage) -> None:
    """On a bare machine a prompt streams, and its timing, tokens, finish reason and request ID are shown."""
    page = open_page(embedded_url)
    page.get_by_label("Max tokens").fill("48")
    ask(page, "Write a short welcome note for visitors of a library.")
    prose = page.locator(".prose").last
    expect(prose).to_have_text(re.compile(r"\w+ \w+"), timeout=ANSWERS_WITHIN_MS)
    await_answer(page)
    shown = figures(page)
    assert {"First token", "Speed", "In", "Out", "Finish", "Request"} <= set(shown)
    assert 1 <= int(shown["Out"].removeprefix("≈ ")) <= 48
    assert shown["Finish"] in {"stop", "length"}


@pytest.mark.embedded
def test_the_embedded_model_is_presented_as_what_it_is(embedded_url: str, open_page: OpenPage) -> None:
    """The empty playground says that the small model is not for quality, and where to find others."""
    page = open_page(embedded_url)
    expect(page.get_by_text("not for quality")).to_be_visible()
    page.get_by_role("link", name="Connect a provider").click()
    expect(page.get_by_role("heading", name="Bring a provider")).to_be_visible()


@pytest.mark.embedded
def test_the_shown_programs_run_as_they_are(embedded_url: str, open_page: OpenPage) -> None:
    """What the code drawer shows as curl and as Python answers when it is pasted."""
    page = open_page(embedded_url)
    page.get_by_label("Max tokens").fill("16")
    page.get_by_label("Seed").fill("1")
    prompt_field(page).fill("Say it's a \"fine\" day: $HOME `ls` \\ 'yes'")
    page.get_by_role("button", name="Code", exact=True).click()
    curl = page.get_by_role("region", name="Code, shell").inner_text()
    assert f"{embedded_url}/v1/chat/completions" in curl
    answered = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=60, check=True).stdout
    assert answered.rstrip().endswith("data: [DONE]")
    page.get_by_role("tab", name="Python").click()
    program = page.get_by_role("region", name="Code, python").inner_text()
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip()


def test_text_grows_while_it_is_written(scripted_url: str, open_page: OpenPage) -> None:
    """The answer is on screen before it is complete, and only grows."""
    page = open_page(scripted_url)
    ask(page, "Tell me something. [[tokens 240]]")
    seen: list[str] = []
    while page.get_by_role("button", name="Stop").count():
        seen.append(page.locator(".prose").last.inner_text() if page.locator(".prose").count() else "")
        page.wait_for_timeout(50)
    lengths = [len(text) for text in seen]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 5


def test_stop_stops_and_says_so(scripted_url: str, open_page: OpenPage) -> None:
    """Stop keeps what came, takes nothing more, and ends the call on the server."""
    page = open_page(scripted_url)
    ask(page, "Tell me a long story. [[tokens 5000]]")
    expect(page.locator(".prose").last).to_have_text(re.compile(r"\w"))
    page.get_by_role("button", name="Stop").click()
    stopped = last_answer(page)
    expect(page.get_by_label("Figures").last).to_contain_text("by you")
    page.wait_for_timeout(300)
    assert last_answer(page) == stopped
    assert _active(scripted_url) == 0


def _active(url: str) -> int:
    """How many calls the server is answering, after giving it a moment to notice who left."""
    give_up_at = time.monotonic() + 2
    while (active := _requests_active(url)) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return active


def _requests_active(url: str) -> int:
    active: object = httpx.get(f"{url}/api/system/status").json()["requests"]["active"]
    assert isinstance(active, int)
    return active


@pytest.mark.parametrize("fault", ["truncate", "disconnect", "stream_error"])
def test_a_cut_answer_is_never_shown_as_done(scripted_url: str, open_page: OpenPage, fault: str) -> None:
    """Whatever ends an answer early, the reader is told that it is not whole."""
    page = open_page(scripted_url)
    ask(page, f"Tell me something. [[{fault}]]")
    card = page.get_by_role("alert")
    expect(card).to_contain_text("This answer is not whole")
    expect(card).to_contain_text("Request")
    expect(page.get_by_role("status").last).to_have_text("The answer was cut and is not whole")


def test_a_refusal_names_code_remedy_and_request(scripted_url: str, open_page: OpenPage) -> None:
    """An error card has the code, what to do, and the ID to quote; trying again is one click."""
    page = open_page(scripted_url)
    ask(page, "Tell me something. [[fail 503]]")
    card = page.get_by_role("alert")
    expect(card).to_contain_text("provider_overloaded")
    expect(card).to_contain_text("Wait a moment")
    expect(card).to_contain_text(re.compile(r"Request\s*\S+"))
    expect(card.get_by_role("button", name="Try again")).to_be_visible()


def test_an_edited_prompt_is_asked_again(scripted_url: str, open_page: OpenPage) -> None:
    """Editing a prompt replaces it and what came after it; asking again replaces the answer alone."""
    page = open_page(scripted_url)
    ask(page, "First. [[reply one]]")
    await_answer(page)
    ask(page, "Second. [[reply two]]")
    await_answer(page)
    page.get_by_role("button", name="Ask again").click()
    await_answer(page)
    assert page.get_by_role("article", name="Answer").count() == 2
    page.get_by_role("article", name="Your prompt").first.hover()
    page.get_by_role("button", name="Edit and send again").first.click()
    page.get_by_label("Edit the prompt").fill("Third. [[reply three]]")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".prose")).to_have_text(["three"])
    assert page.get_by_role("article", name="Your prompt").count() == 1


def test_a_conversation_outlives_a_reload_and_the_other_page(scripted_url: str, open_page: OpenPage) -> None:
    """What was said is there after a reload, and an answer goes on while the overview is open."""
    page = open_page(scripted_url)
    ask(page, "Tell me something. [[tokens 150]]")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Playground").click()
    await_answer(page)
    before = last_answer(page)
    page.reload()
    expect(page.get_by_role("article", name="Answer")).to_have_text(before, use_inner_text=True)


def test_markup_in_an_answer_is_shown_and_not_obeyed(scripted_url: str, open_page: OpenPage) -> None:
    """A model cannot put scripts, pictures or frames into the page."""
    page = open_page(scripted_url)
    ask(page, "Write markup.")
    await_answer(page)
    prose = page.locator(".prose").last
    expect(prose).to_contain_text("<script>alert(1)</script>")
    assert prose.locator("img, script, iframe").count() == 0
    assert prose.locator("strong").inner_text() == "bold"


def test_an_answer_by_schema_is_set_out_as_json(scripted_url: str, open_page: OpenPage) -> None:
    """With the schema switched on, the answer is JSON of that shape; one that cannot be read is not sent."""
    page = open_page(scripted_url)
    page.get_by_role("switch").click()
    schema = page.get_by_role("textbox", name="JSON schema")
    expect(schema).to_be_visible()
    ask(page, "Name a building.")
    await_answer(page)
    answer = page.get_by_role("region", name="Code, json").inner_text()
    assert '"name"' in answer
    assert '"year"' in answer
    schema.fill("{")
    expect(page.get_by_text("Not sent:")).to_be_visible()


def test_the_first_page_is_small(scripted_url: str, open_page: OpenPage) -> None:
    """All scripts that the playground loads by itself are at most `FIRST_PAGE_BYTES` with gzip."""
    page = open_page(scripted_url)
    page.wait_for_load_state("networkidle")
    loaded: object = page.evaluate(
        "performance.getEntriesByType('resource').map(entry => new URL(entry.name).pathname)"
    )
    assert isinstance(loaded, list)
    scripts = [DASHBOARD_DIST / path.removeprefix("/") for path in loaded if path.endswith(".js")]
    assert any(script.name.startswith("markdown") for script in scripts)
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) <= FIRST_PAGE_BYTES


def test_the_model_is_chosen_by_typing(scripted_url: str, open_page: OpenPage) -> None:
    """The picker finds a model by a part of its name, and the next answer comes from it; its button closes it too."""
    page = open_page(scripted_url)
    for shown in (1, 0):
        page.get_by_role("button", name="Model: stage/calm").click()
        expect(page.get_by_role("combobox", name="Models")).to_have_count(shown)
    page.get_by_role("button", name="Model: stage/calm").click()
    page.get_by_role("combobox", name="Models").fill("qui")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Model: stage/quick")).to_be_visible()
    page.get_by_role("button", name="Code", exact=True).click()
    expect(page.get_by_role("region", name="Code, shell")).to_contain_text("stage/quick")


def test_the_theme_is_chosen_and_kept(scripted_url: str, open_page: OpenPage) -> None:
    """The switch wins over the system's theme, and after a reload too."""
    page = open_page(scripted_url, theme="light")

    def ground() -> str:
        colour: object = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert isinstance(colour, str)
        return colour

    light = ground()
    page.get_by_role("button", name="Dark theme").click()
    dark = ground()
    assert dark != light
    page.reload()
    assert ground() == dark
    page.get_by_role("button", name="Theme of the system").click()
    assert ground() == light


def test_everything_can_be_done_by_keyboard(scripted_url: str, open_page: OpenPage) -> None:
    """`/` writes, Ctrl+Enter sends, Escape stops, Ctrl+K finds every page and command."""
    page = open_page(scripted_url)
    expect(prompt_field(page)).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type("Tell me a long story. [[tokens 5000]]")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".prose").last).to_have_text(re.compile(r"\w"))
    page.keyboard.press("Escape")
    expect(page.get_by_label("Figures").last).to_contain_text("by you")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Commands")).to_be_focused()
    page.keyboard.type("over")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search models")).to_be_focused()
    page.keyboard.type("quick")
    expect(page.get_by_role("row")).to_have_count(2)


def test_focus_is_always_visible(scripted_url: str, open_page: OpenPage) -> None:
    """Whatever Tab reaches shows that it is focused, and everything that is reached has a name."""
    page = open_page(scripted_url)
    expect(prompt_field(page)).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    for _ in range(24):
        page.keyboard.press("Tab")
        shown: object = page.evaluate(
            """() => {
              const element = document.activeElement;
              if (!element || element === document.body) return "";
              const frame = element.closest(".field") ?? element;
              const style = getComputedStyle(frame);
              const seen = style.outlineStyle !== "none" || style.boxShadow !== "none";
              return seen ? "" : element.outerHTML.slice(0, 200);
            }"""
        )
        assert not shown


@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
def test_the_playground_has_no_serious_barrier(
    scripted_url: str, open_page: OpenPage, viewport: dict[str, int] | None
) -> None:
    """axe-core finds nothing serious: empty, answered, refused, with the code drawer and with the palette open."""
    page = open_page(scripted_url, viewport=viewport)
    expect(page.get_by_role("heading", name="One door")).to_be_visible()
    assert barriers(page) == []
    ask(page, "Write markdown.")
    await_answer(page)
    ask(page, "[[fail 503]]")
    expect(page.get_by_role("alert")).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("button", name="Code", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Commands")).to_be_visible()
    assert barriers(page) == []


def test_a_server_with_keys_asks_for_one(tmp_path: Path, open_page: OpenPage) -> None:
    """A wrong key is refused in words; the right one opens the dashboard, is sent with calls and kept in no file."""
    keys = ({"name": "reader", "key": KEY},)
    with running(tmp_path, providers={"stage": SCRIPT}, default_model="stage/calm", keys=keys) as gateway:
        page = open_page(gateway.url)
        page.get_by_label("API key").fill("sk-wrong-0123456789abcdef")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("does not know this key")).to_be_visible()
        assert serious_violations(page) == []
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        ask(page, "[[reply welcome]]")
        expect(page.locator(".prose").last).to_have_text("welcome")
        page.get_by_role("button", name="Code", exact=True).click()
        code = page.get_by_role("region", name="Code, shell")
        expect(code).to_contain_text("$NARTHEX_API_KEY")
        expect(code).not_to_contain_text(KEY)
        assert KEY not in str(page.evaluate("JSON.stringify(localStorage)"))
        page.close()
