"""What the document says of the routes of the cache."""

from __future__ import annotations

from pathlib import Path

from tests.http.test_openapi import document_of


async def test_every_route_of_the_cache_is_described(tmp_path: Path) -> None:
    """Under one tag, with the parameters and the schemas that it has."""
    document = await document_of(tmp_path)
    paths = {path: one for path, one in document["paths"].items() if path.startswith("/api/cache/")}  # type: ignore[attr-defined]
    assert {(path.rpartition("/")[2], *methods) for path, methods in paths.items()} == {
        *(("stats", "get"), ("misses", "get"), ("entries", "get"), ("{cache_key}", "get", "delete")),
        *(("clear", "post"), ("invalidate", "post"), ("warm", "post")),
        *(("insights", "get"), ("predict", "post"), ("prefetch", "post"), ("reopen", "post")),
    }
    assert {operation["tags"][0] for methods in paths.values() for operation in methods.values()} == {"Cache"}
    named = [one["name"] for one in paths["/api/cache/entries"]["get"]["parameters"]]
    assert named[:4] == ["limit", "after", "model", "tag"]
