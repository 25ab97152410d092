"""The API's document, and the page to browse it: complete, and without a network."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import httpx
from fastapi import FastAPI

from narthex.http.docs import docs_routes
from tests.gateways import KEY
from tests.http.doors import Json, client_of, house

SNEAKY = "</pre><script>alert(1)</script>"


class Page(HTMLParser):
    """What a browser sees of a page: its elements, where they lead, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element, and what it would load."""
        self.elements.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)

    def codes(self) -> list[object]:
        """Return the JSON values that it shows."""
        return [json.loads(text) for text in self.texts if text.lstrip().startswith("{")]


@asynccontextmanager
async def documented(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Serve another application's documents."""
    app.include_router(docs_routes(app))
    async with client_of(app) as client:
        yield client


async def test_the_document_is_served(tmp_path: Path) -> None:
    """`/openapi.json` is an OpenAPI 3.1 document of this server, open to all, keys or not."""
    async with house(tmp_path, keys=[{"name": "test", "key": KEY}]) as one:
        response = await one.client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document["openapi"].startswith("3.1")
    assert document["info"]["version"] == one.services.version


async def test_the_page_shows_every_operation(tmp_path: Path) -> None:
    """Every operation of the document stands on the page: method, path, summary, description, and each answer."""
    async with house(tmp_path) as one:
        document = (await one.client.get("/openapi.json")).json()
        html = unescape((await one.client.get("/docs")).text)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            mark = f"<b>{method.upper()}</b><code>{path}</code><span>{operation['summary']}</span>"
            _, found, rest = html.partition(mark)
            assert found
            shown = rest.partition("</details>")[0]
            assert operation.get("description", "") in shown
            for status, response in operation["responses"].items():
                assert f"<code>{status}</code><td>{response['description']}" in shown


async def test_the_page_shows_bodies_in_full(tmp_path: Path) -> None:
    """Requests and answers are shown with their fields, not as a pointer to elsewhere."""
    async with house(tmp_path) as one:
        schemas = (await one.client.get("/openapi.json")).json()["components"]["schemas"]
        codes = Page((await one.client.get("/docs")).text).codes()
    for name in ("ChatCompletionRequest", "MessagesRequest", "GenerateRequest", "SystemStatus", "Generation"):
        assert schemas[name] in codes
    assert all(isinstance(code, dict) and "$ref" not in code for code in codes)


async def test_the_page_needs_no_network(tmp_path: Path) -> None:
    """The page loads nothing, runs nothing, and its policy forbids that anything else does."""
    async with house(tmp_path) as one:
        response = await one.client.get("/docs")
    page = Page(response.text)
    assert page.links == ["/openapi.json"]
    assert not {"script", "img", "link", "iframe", "object"} & set(page.elements)
    assert not re.search(r"url\(|@import", response.text)
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.headers["content-type"].startswith("text/html")


async def test_words_of_a_route_are_text_not_markup() -> None:
    """Whatever a route says of itself cannot become a part of the page."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    said: Json = {"type": "string", "description": SNEAKY}

    @app.get(
        "/<b>",
        tags=[SNEAKY],
        summary=SNEAKY,
        description=SNEAKY,
        responses={200: {"description": SNEAKY, "content": {SNEAKY: {"schema": said}}}},
    )
    async def sneaky() -> None: ...

    async with documented(app) as client:
        page = Page((await client.get("/docs")).text)
    assert "script" not in page.elements
    assert page.texts.count(SNEAKY) == 5
    assert "/<b>" in page.texts
    assert said in page.codes()


async def test_routes_that_say_little_are_shown_too() -> None:
    """A route without a tag, a description, or an answer 200 has its place on the page."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/bare", status_code=204)
    async def bare() -> None: ...

    async with documented(app) as client:
        response = await client.get("/docs")
    assert response.status_code == 200
    assert "<h2>Other</h2><details><summary><b>GET</b><code>/bare</code>" in response.text
    assert "<code>204</code>" in response.text
