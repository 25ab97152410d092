"""Workspaces, keys, limits, usage and the cache in the dashboard, driven by Chromium against a running server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.conftest import OpenPage, barriers, serious_violations
from tests.dashboard.driving import PHONE
from tests.gateways import running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PAGES = ("workspaces", "members", "roles", "keys", "limits", "usage", "ledger", "cache", "audit")
ASKED = {"model": "stage/calm", "messages": [{"role": "user", "content": "Hello"}]}
WRITTEN_WITHIN_MS = 45_000
"""The ledger is written in groups, and the page asks again every half minute."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the server on a scripted provider whose model has a price, and one that never answers."""
    script = {"models": ["calm", "counted"], "reply_tokens": 40}
    with running(
        tmp_path_factory.mktemp("data"),
        providers={
            "stage": {"kind": "scripted", "script": script},
            "shaky": {"kind": "scripted", "script": {**script, "faults": [{"fault": "fail"}]}},
        },
        default_model="stage/calm",
        virtual={"careful": {"strategy": "order", "members": ["shaky/calm", "stage/calm"]}},
        prices={f"{name}/calm": {"input_usd_per_mtok": 3, "output_usd_per_mtok": 15} for name in ("stage", "shaky")},
    ) as gateway:
        yield gateway.url


def calling(url: str, key: str) -> httpx.Response:
    """Call a model with a key."""
    return httpx.post(f"{url}/v1/chat/completions", json=ASKED, headers={"authorization": f"Bearer {key}"}, timeout=30)


def create_workspace(page: Page, name: str) -> None:
    """Make a workspace, and work in it from then on."""
    page.get_by_role("button", name="New workspace").click()
    dialog = page.get_by_role("dialog", name="New workspace")
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_have_count(0)
    act(page, name, "Make it current")
    expect(page.get_by_role("button", name=f"Workspace: {name}")).to_be_visible()


def act(page: Page, name: str, action: str) -> None:
    """Choose one of the actions of a row."""
    page.get_by_role("button", name=f"Actions for {name}").click()
    page.get_by_role("menuitem", name=action).click()


def create_key(page: Page, name: str) -> str:
    """Make a key, copy it from where it is shown once, and return what was copied."""
    page.get_by_role("button", name="New key").first.click()
    dialog = page.get_by_role("dialog", name="New key")
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.get_by_role("button", name="Create key").click()
    shown = page.get_by_role("dialog", name=f"The key of {name}")
    expect(shown).to_contain_text("shown this once")
    key = shown.get_by_label("Key", exact=True).inner_text()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.get_by_role("button", name="Copy key").click()
    expect(shown.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    shown.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_text(key)).to_have_count(0)
    return key


def row(page: Page, name: str) -> Locator:
    """Return the row of a table by a word in it."""
    return page.get_by_role("row").filter(has_text=name)


def test_a_key_lives_from_its_making_to_its_end(url: str, open_page: OpenPage) -> None:
    """A workspace and a key are made, a model is called, the use is told, and the revoked key opens nothing."""
    page = open_page(f"{url}/workspaces")
    create_workspace(page, "Research & Trials")
    expect(row(page, "research-trials")).to_contain_text("Current")
    page.get_by_role("link", name="Keys").click()
    key = create_key(page, "Notebook")
    expect(row(page, "Notebook")).to_contain_text("Active")
    assert calling(url, key).status_code == 200
    page.get_by_role("link", name="Usage").click()
    used = page.get_by_role("table", name="Usage by model").get_by_role("row").filter(has_text="stage/calm")
    expect(used).to_contain_text("100 %", timeout=WRITTEN_WITHIN_MS)
    expect(used).to_contain_text("$0.0")
    used.get_by_role("button", name="stage/calm").click()
    expect(page.get_by_role("table", name="Usage by key")).to_contain_text("Notebook")
    page.get_by_role("link", name="Keys").click()
    act(page, "Notebook", "Revoke")
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(row(page, "Notebook")).to_contain_text("Revoked")
    refused = calling(url, key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_the_ledger_tells_every_call_and_its_attempts(url: str, open_page: OpenPage) -> None:
    """From usage one comes to the calls; one of several attempts is one row that opens, by keyboard too."""
    asked = {**ASKED, "model": "careful", "user": "alice"}
    answer = httpx.post(f"{url}/v1/chat/completions", json=asked, timeout=30)
    cost, request = answer.headers["x-narthex-cost"], answer.headers["x-request-id"]
    page = open_page(f"{url}/usage")
    page.get_by_role("link", name="Every call of stage/calm").click(timeout=WRITTEN_WITHIN_MS)
    expect(page.get_by_role("combobox", name="Model")).to_have_value("=stage/calm")
    page.goto(f"{url}/ledger?request={request}")
    call = row(page, "stage/calm")
    for word in ("for alice", "asked for careful", f"${cost}", "Complete", "2 attempts"):
        expect(call).to_contain_text(word, timeout=WRITTEN_WITHIN_MS)
    call.get_by_role("button").press("Enter")
    attempts = page.get_by_role("listitem").filter(has_text="attempt")
    expect(attempts.first).to_contain_text("First attempt")
    expect(attempts.first).to_contain_text("Failed")
    expect(page.get_by_role("listitem").filter(has_text="Together")).to_contain_text(f"${cost}")
    assert not serious_violations(page)
    page.get_by_role("combobox", name="Outcome").select_option("=interrupted")
    expect(page.get_by_text("No such request")).to_be_visible()
    page.get_by_role("searchbox", name="Request ID").fill("")
    expect(page.get_by_text("No calls in this time")).to_be_visible()


def test_the_calls_are_saved_as_they_are_filtered(url: str, open_page: OpenPage) -> None:
    """The export holds the entries that the filters leave, with their exact cost."""
    answer = httpx.post(f"{url}/v1/chat/completions", json=ASKED, timeout=30)
    page = open_page(f"{url}/ledger?request={answer.headers['x-request-id']}")
    expect(row(page, "stage/calm")).to_be_visible(timeout=WRITTEN_WITHIN_MS)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export CSV").click()
    head, *lines = saved.value.path().read_text(encoding="utf-8").splitlines()
    assert "cost_usd" in head
    assert [answer.headers["x-narthex-cost"] in line for line in lines] == [True]


def test_a_limit_shows_how_full_it_is(url: str, open_page: OpenPage) -> None:
    """A limit is made, a call goes against it, and its gauge tells so while one looks."""
    page = open_page(f"{url}/limits")
    page.get_by_role("button", name="New limit").first.click()
    dialog = page.get_by_role("dialog", name="New limit")
    # Of a model of its own: what other tests have called today counts against the others.
    dialog.get_by_label("Whose use is counted").select_option("model")
    dialog.get_by_label("Model", exact=True).fill("stage/counted")
    dialog.get_by_label("Of what").select_option("requests")
    dialog.get_by_label("In each").select_option("day")
    dialog.get_by_label("Amount").fill("many")
    dialog.get_by_role("button", name="Create limit").click()
    expect(dialog.get_by_text("A whole number")).to_be_visible()
    dialog.get_by_label("Amount").fill("4")
    dialog.get_by_role("button", name="Create limit").click()
    limit = row(page, "4 requests a day")
    expect(limit.get_by_role("meter")).to_have_attribute("aria-valuenow", "0")
    asked = {**ASKED, "model": "stage/counted"}
    assert httpx.post(f"{url}/v1/chat/completions", json=asked, timeout=30).status_code == 200
    expect(limit.get_by_role("meter")).to_have_attribute("aria-valuenow", "1", timeout=10_000)
    expect(limit).to_contain_text("25 %")
    act(page, "4 requests a day", "Delete")
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No limits yet")).to_be_visible()


def test_a_member_is_taken_in_and_given_a_role(url: str, open_page: OpenPage) -> None:
    """Somebody new becomes a member; the role is changed in the row."""
    page = open_page(f"{url}/members")
    page.get_by_role("button", name="Add member").first.click()
    dialog = page.get_by_role("dialog", name="Take somebody into")
    dialog.get_by_label("Name").fill("Ann")
    dialog.get_by_label("E-mail address").fill("ann@example.org")
    dialog.get_by_role("button", name="Add").click()
    role = page.get_by_role("combobox", name="Role of Ann")
    role.select_option("viewer")
    expect(role).to_have_value("viewer")
    page.reload()
    expect(page.get_by_role("combobox", name="Role of Ann")).to_have_value("viewer")


def test_a_role_of_ones_own_is_made_changed_and_deleted(url: str, open_page: OpenPage) -> None:
    """From the members page; a name that will not do is told, and built-in roles stay as they are."""
    page = open_page(f"{url}/members")
    page.get_by_role("link", name="Make and change roles").click()
    page.get_by_role("button", name="New role").click()
    dialog = page.get_by_role("dialog", name="New role")
    dialog.get_by_label("Name", exact=True).fill("owner")
    dialog.get_by_role("group", name="Usage").get_by_label("read").check()
    dialog.get_by_role("button", name="Create role").click()
    expect(dialog.get_by_text("There is a role of this name")).to_be_visible()
    assert not serious_violations(page)
    dialog.get_by_label("Name", exact=True).fill("counter")
    dialog.get_by_role("button", name="Create role").click()
    expect(row(page, "counter")).to_contain_text("usage:read")
    act(page, "counter", "Change")
    dialog = page.get_by_role("dialog", name="Change counter")
    dialog.get_by_role("group", name="Ledger").get_by_label("read").check()
    dialog.get_by_role("button", name="Save").click()
    expect(row(page, "counter")).to_contain_text("ledger:read")
    expect(page.get_by_role("button", name="Actions for owner")).to_have_count(0)
    act(page, "counter", "Delete")
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(row(page, "counter")).to_have_count(0)


def recalled(url: str, words: str, cache: str = "on") -> httpx.Response:
    """Ask what may be answered from the cache."""
    asked = {"model": "stage/calm", "messages": [{"role": "user", "content": words}]}
    return httpx.post(f"{url}/v1/chat/completions", json=asked, headers={"x-narthex-cache": cache}, timeout=30)


def how(answer: httpx.Response) -> str:
    """Return how the cache says that a call was answered."""
    return answer.headers["x-narthex-cache"]


def test_the_cache_tells_how_it_does_and_is_changed(url: str, open_page: OpenPage) -> None:
    """Hits come in while one looks; an answer is read and deleted; others are warmed, invalidated and cleared."""
    first = recalled(url, "red?", 'on; tags="colours"')
    assert [how(recalled(url, "red?")) for _ in range(2)] == ["HIT"] * 2
    page = open_page(f"{url}/cache")
    memory, why = row(page, "Memory"), row(page, first.headers["x-request-id"])
    expect(memory).to_contain_text("66.7 %")
    expect(memory).to_contain_text("1 answer")
    expect(page.get_by_role("img", name="Calls in each minute")).to_be_visible()
    expect(why).to_contain_text("Nothing lay under its key")
    assert how(recalled(url, "red?")) == "HIT"
    expect(memory).to_contain_text("75.0 %")
    page.get_by_role("searchbox", name="Request ID").fill("req_of_another")
    page.get_by_role("searchbox", name="Request ID").press("Enter")
    expect(page.get_by_text("This request is not among the latest misses")).to_be_visible()
    page.go_back()
    expect(why).to_be_visible()
    read_kept(page, first)
    assert how(recalled(url, "red?")) == "MISS"
    warm_cache(page)
    void_cache(url, page)


def read_kept(page: Page, first: httpx.Response) -> None:
    """Open a kept answer, read what it says, and delete it."""
    used = row(page, "colours")
    expect(used).to_contain_text("Fresh")
    used.get_by_role("button", name="Open").press("Enter")
    sheet = page.get_by_role("dialog", name="Kept answer")
    expect(sheet).to_contain_text("3 times")
    sheet.get_by_role("button", name="Show what it says").click()
    said = first.json()["choices"][0]["message"]["content"].split()[0]
    expect(sheet.get_by_role("region", name="What it says").get_by_text(said).first).to_be_visible()
    assert not serious_violations(page)
    sheet.get_by_role("button", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 answer let go of.")).to_be_visible()


def warm_cache(page: Page) -> None:
    """Have questions answered beforehand; what failed is told by its line."""
    page.get_by_role("button", name="Warm").click()
    dialog = page.get_by_role("dialog", name="Answer questions beforehand")
    dialog.get_by_label("Questions").fill('green?\n{"model": "stage/none", "messages": []}')
    dialog.get_by_label("Tags").fill("warm.1")
    assert not serious_violations(page)
    dialog.get_by_role("button", name="Send 2 calls").click()
    expect(dialog).to_contain_text("1 of 2 answers are kept.")
    expect(dialog.get_by_role("listitem")).to_contain_text("Line 2")
    dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("button", name="Latest").click()
    page.get_by_role("searchbox", name="Tag").fill("warm.1")
    page.get_by_role("searchbox", name="Tag").press("Enter")
    expect(row(page, "warm.1")).to_have_count(1)


def void_cache(url: str, page: Page) -> None:
    """Invalidate by a tag, and clear, each after a question."""
    page.get_by_role("button", name="Invalidate").click()
    dialog = page.get_by_role("dialog", name="Invalidate answers")
    expect(dialog.get_by_role("button", name="Invalidate")).to_be_disabled()
    dialog.get_by_label("Tags").fill("warm.*")
    dialog.get_by_role("button", name="Invalidate").click()
    expect(page.get_by_text("1 answer let go of.")).to_be_visible()
    expect(page.get_by_text("Nothing like that lies in memory")).to_be_visible()

    page.get_by_role("button", name="Clear").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Cancel").click()
    assert how(recalled(url, "red?")) == "HIT"
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Clear").click()
    expect(page.get_by_text("1 answer let go of.")).to_be_visible()
    assert how(recalled(url, "red?")) == "MISS"


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_a_barrier(url: str, open_page: OpenPage, name: str) -> None:
    """Every page can be used with a keyboard and a screen reader, in both themes, and none is wider than a phone."""
    page = open_page(f"{url}/{name}")
    expect(page.get_by_role("heading", level=1)).to_have_text(name.title())
    expect(page.get_by_role("status", name="Loading")).to_have_count(0)
    assert not barriers(page)
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    expect(page.get_by_role("button", name="Commands")).to_be_visible()
    wider = "document.querySelector('main section').scrollWidth - document.querySelector('main section').clientWidth"
    assert page.evaluate(wider) == 0
