"""The API's document, and a page to browse it without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse, JSONResponse, Response

from narthex.http import openapi

_STYLE = """
:root{color-scheme:light dark;--ink:#1d1b18;--dim:#6f6a62;--ground:#faf9f6;--line:#e4e0d8;
--accent:#a4502b;--code:#f1eee8}
@media(prefers-color-scheme:dark){:root{
--ink:#ece8e1;--dim:#a29b90;--ground:#171614;--line:#34312c;--accent:#e0926c;--code:#211f1c}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:58rem;margin:0 auto;padding:3rem 1.25rem 6rem}h1{font-size:1.9rem;letter-spacing:-.02em;margin:0}
h2{margin:3rem 0 .5rem;font-size:.8rem;letter-spacing:.08em;text-transform:uppercase;color:var(--dim)}
details{border-top:1px solid var(--line)}
summary{cursor:pointer;padding:.8rem .2rem;display:flex;gap:1rem;align-items:baseline;
flex-wrap:wrap;list-style:none}summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
summary b{font:600 .78rem/1 ui-monospace,monospace;color:var(--accent);min-width:3rem}summary code{font-size:.95rem}
summary span{color:var(--dim);margin-left:auto}
pre{background:var(--code);padding:1rem;border-radius:.5rem;overflow:auto;
font-size:.82rem;line-height:1.5}
code,pre{font-family:ui-monospace,"SF Mono",Menlo,monospace}a{color:var(--accent)}
table{border-collapse:collapse;width:100%;font-size:.9rem}td{padding:.3rem .6rem .3rem 0;vertical-align:top}
p{color:var(--dim)}
"""


def docs_routes(app: FastAPI) -> APIRouter:
    """Return `/openapi.json` and `/docs`."""
    router = APIRouter()

    @router.get("/openapi.json", **openapi.DOCUMENT)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def document() -> Response:
        return JSONResponse(app.openapi())

    @router.get("/docs", **openapi.DOCS)  # type: ignore[arg-type]  # as above
    async def page() -> Response:
        html = "".join(_page(app.openapi()))
        return HTMLResponse(html, headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})

    return router


def _page(document: dict[str, object]) -> Iterator[str]:
    yield "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    yield f"<title>Narthex API</title><style>{_STYLE}</style><main><h1>Narthex API</h1>"
    yield "<p>Every route of this server. The same as a document: <a href=/openapi.json>openapi.json</a>.</p>"
    groups: dict[str, list[tuple[str, str, dict[str, object]]]] = {}
    paths = document["paths"]
    assert isinstance(paths, dict)
    for path, methods in paths.items():
        for method, operation in methods.items():
            groups.setdefault(operation.get("tags", ["Other"])[0], []).append((method.upper(), path, operation))
    for tag, operations in groups.items():
        yield f"<h2>{escape(tag)}</h2>"
        for method, path, operation in operations:
            yield from _operation(document, method, path, operation)
    yield "</main></html>"


def _operation(document: dict[str, object], method: str, path: str, operation: dict[str, object]) -> Iterator[str]:
    summary = escape(str(operation.get("summary", "")))
    yield f"<details><summary><b>{method}</b><code>{escape(path)}</code><span>{summary}</span></summary>"
    if operation.get("description"):
        yield f"<p>{escape(str(operation['description']))}</p>"
    body = operation.get("requestBody")
    if isinstance(body, dict):
        schema = body["content"]["application/json"]["schema"]
        yield f"<p>Request</p><pre>{_pretty(document, schema)}</pre>"
    responses = operation["responses"]
    assert isinstance(responses, dict)
    yield "<p>Responses</p><table>"
    for status, response in responses.items():
        yield f"<tr><td><code>{escape(str(status))}</code><td>{escape(str(response['description']))}"
    yield "</table>"
    for kind, content in responses.get("200", {}).get("content", {}).items():
        yield f"<p>{escape(kind)}</p><pre>{_pretty(document, content['schema'])}</pre>"
    yield "</details>"


def _pretty(document: dict[str, object], schema: dict[str, object]) -> str:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        components = document["components"]
        assert isinstance(components, dict)
        schema = components["schemas"][reference.rpartition("/")[2]]
    return escape(json.dumps(schema, indent=2, ensure_ascii=False))
