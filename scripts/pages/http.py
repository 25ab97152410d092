"""The page of the HTTP API: every route of the OpenAPI document, with its fields."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx

from narthex import Gateway
from narthex.config.settings import DiscoverySettings, EmbeddedSettings, LogSettings, Settings
from narthex.http.app import build_app
from scripts.pages.markdown import code, table

Json = dict[str, object]

_HEAD = """\
# HTTP API

All routes of a server.
The same as a machine-readable document, OpenAPI 3.1, is at `/openapi.json`; a page to browse it, which works without a network, at `/docs`.

Where keys are configured, routes under `/v1` and `/api` and `/metrics` need one: `Authorization: Bearer KEY` or `x-api-key: KEY`.
Bodies are JSON in UTF-8.
Failures have the shape that [Errors](errors.md) shows.
Fields beyond those named here pass through to providers that speak the same dialect.
"""


def document() -> Json:
    """Return the OpenAPI document of a server, made in this process."""
    return asyncio.run(_document())


async def _document() -> Json:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder),
            embedded=EmbeddedSettings(enabled=False),
            discovery=DiscoverySettings(environment=False, ollama=False),
            log=LogSettings(requests=False),
        )
        async with Gateway(settings) as gateway:
            app = build_app(gateway.services(lambda: "http://127.0.0.1:8484"))
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8484") as client:
                answer = await client.get("/openapi.json")
    return cast("Json", json.loads(answer.content))


def operations(described: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield method, path and description of every operation."""
    for path, methods in cast("dict[str, dict[str, Json]]", described["paths"]).items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def page() -> str:
    """Return the page."""
    return "\n".join(_lines(document())) + "\n"


def _lines(described: Json) -> Iterator[str]:
    yield _HEAD
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for method, path, operation in operations(described):
        tags = cast("list[str]", operation.get("tags", ["Other"]))
        groups.setdefault(tags[0], []).append((method, path, operation))
    for tag, members in groups.items():
        yield f"## {tag}\n"
        for method, path, operation in members:
            yield f"### `{method} {path}`\n"
            yield from _operation(operation, described)


def _operation(operation: Json, described: Json) -> Iterator[str]:
    yield f"{operation.get('summary', '')}.\n"
    if description := operation.get("description"):
        yield f"{description}\n"
    parameters = cast("list[Json]", operation.get("parameters", []))
    if parameters:
        yield from table(
            ("Parameter", "In", "Type"),
            ((code(str(p["name"])), str(p["in"]), _type(cast("Json", p.get("schema", {})))) for p in parameters),
        )
        yield ""
    if schema := _body(cast("Json", operation.get("requestBody", {}))):
        yield from _fields("Request", schema, described)
    answers = cast("dict[str, Json]", operation.get("responses", {}))
    if schema := _body(answers.get("200", {})):
        yield from _fields("Answer", schema, described)
    yield f"Statuses: {', '.join(map(code, answers))}.\n"


def _body(holder: Json) -> Json:
    content = cast("dict[str, Json]", holder.get("content", {}))
    return cast("Json", content.get("application/json", {}).get("schema", {}))


def _fields(title: str, schema: Json, described: Json) -> Iterator[str]:
    resolved = _resolved(schema, described)
    properties = cast("dict[str, Json]", resolved.get("properties", {}))
    if not properties:
        return
    required = cast("list[str]", resolved.get("required", []))
    rows = (
        (code(name), _type(inner), "yes" if name in required else "", _remarks(inner))
        for name, inner in properties.items()
    )
    yield from table((f"{title} field", "Type", "Required", "Remarks"), rows)
    yield ""


def _resolved(schema: Json, described: Json) -> Json:
    if (reference := schema.get("$ref")) is None:
        return schema
    schemas = cast("dict[str, dict[str, Json]]", described["components"])["schemas"]
    return schemas[str(reference).rpartition("/")[2]]


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        return ", ".join(code(json.dumps(word)) for word in cast("list[object]", schema["enum"]))
    if choices := cast("list[Json]", schema.get("anyOf", schema.get("oneOf", []))):
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    if schema.get("type") == "array":
        return f"list of {_type(cast('Json', schema.get('items', {})))}"
    return str(schema.get("type", "anything"))


def _remarks(schema: Json) -> str:
    words = {"default": "by default", "minimum": "at least", "maximum": "at most", "maxItems": "at most so many:"}
    remarks = [str(schema["description"])] if "description" in schema else []
    bounds = [f"{word} {json.dumps(schema[key])}" for key, word in words.items() if key in schema]
    return " ".join([*remarks, ", ".join(bounds)]).strip()
