"""The browser client as it is published, in Chromium: its files, its caches, and connections that are lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route

from tests.dashboard.conftest import OpenPage
from tests.dashboard.driving import SCRIPT
from tests.gateways import running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PACKAGE = Path("ui/client")
BUILT = PACKAGE / "dist"

READ = """
async ({ cache, id, after }) => {
  const client = await import("/client/index.js");
  const caches = {
    memory: () => client.memoryCache(),
    localStorage: () => client.webStorageCache(),
    indexedDB: () => client.indexedDbCache(),
  };
  const streams = new client.Streams({ cache: (window.cache ??= caches[cache]()) });
  const body = { model: "stage/calm", messages: [{ role: "user", content: "Go on. [[tokens 120]]" }] };
  const retry = { baseMs: 10 };
  const stream = id
    ? streams.attach(id, { retry })
    : streams.start("/v1/chat/completions", body, { retry });
  const states = [];
  stream.onState((state) => states.push(state));
  let text = "";
  for await (const delta of stream.deltas()) {
    if (delta.kind === "text") text += delta.text;
    if (after && stream.lastSeq >= after) break;
  }
  if (after) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    stream.leave();
  }
  return { id: stream.id, text, state: stream.state, states, seq: stream.lastSeq };
}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the server on a scripted provider."""
    if not (BUILT / "index.js").is_file():
        pytest.skip("the browser client is not built: `make setup` does it")
    data_dir = tmp_path_factory.mktemp("data")
    with running(data_dir, providers={"stage": SCRIPT}, default_model="stage/calm") as gateway:
        yield gateway.url


def blank_page(url: str, open_page: OpenPage) -> Page:
    """Open an empty page of the server's origin, on which the package can be imported."""
    page = open_page(f"{url}/livez")

    def serve(route: Route) -> None:
        file = BUILT / route.request.url.partition("/client/")[2]
        route.fulfill(body=file.read_text(encoding="utf-8"), content_type="text/javascript")

    page.route("**/client/**", serve)
    page.route("**/blank", lambda route: route.fulfill(body="<title>blank</title>", content_type="text/html"))
    page.goto(f"{url}/blank")
    return page


def read(page: Page, cache: str, **more: object) -> dict[str, object]:
    """Read an answer in the page: a new one, or the one with this ID."""
    found: object = page.evaluate(READ, {"cache": cache, "id": None, "after": None, **more})
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("cache", ["localStorage", "indexedDB"])
def test_a_page_that_is_loaded_again_goes_on_where_it_was(url: str, open_page: OpenPage, cache: str) -> None:
    """What was read before comes from the cache, the rest from the server; a whole answer needs no server at all."""
    page = blank_page(url, open_page)
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    first = read(page, cache, after=20)
    page.reload()
    whole = read(page, cache, id=first["id"])
    assert whole["state"] == "done"
    assert str(whole["text"]).startswith(str(first["text"]))
    assert len(str(whole["text"]).split()) > 60
    behind = [int(address.partition("after=")[2]) for address in asked if "after=" in address]
    assert behind
    assert min(behind) >= 20
    page.wait_for_timeout(400)
    page.reload()
    asked.clear()
    assert read(page, cache, id=first["id"])["text"] == whole["text"]
    assert not [address for address in asked if "/v1/" in address]


def test_a_lost_connection_is_found_again(url: str, open_page: OpenPage) -> None:
    """With the network away in the middle of an answer, it is whole all the same."""
    page = blank_page(url, open_page)
    first = read(page, "memory", after=10)
    refused = iter([True, True])

    def meet(route: Route) -> None:
        if next(refused, False):
            route.abort("aborted")
        else:
            route.continue_()

    page.route("**/v1/streams/**", meet)
    whole = read(page, "memory", id=first["id"])
    assert whole["state"] == "done"
    assert "reconnecting" in str(whole["states"])
    assert str(whole["text"]).startswith(str(first["text"]))


def test_the_package_is_ready_to_be_published() -> None:
    """It depends on nothing, all that it names is there, and its version is the server's."""
    package = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))
    assert not {"dependencies", "peerDependencies", "private"} & set(package)
    assert {"dist", "README.md", "LICENSE"} == set(package["files"])
    assert (PACKAGE / "LICENSE").read_bytes() == Path("LICENSE").read_bytes()
    assert (PACKAGE / "README.md").is_file()
    if BUILT.is_dir():
        for path in (package["types"], package["exports"]["."]["default"]):
            assert (PACKAGE / path).is_file()
