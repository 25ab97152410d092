"""The cache over HTTP: how it does, what lies in it, and having it forget or learn something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from narthex.cache.directives import prompt_tags
from narthex.cache.reports import missed, told
from narthex.cache.semantic.contract import Category
from narthex.errors import NotFound, PermissionDenied
from narthex.http import cache_documents as documents
from narthex.http.contents import note_read
from narthex.http.control import answered, flag_of, listed, page_of, read
from narthex.http.guarding import address_of, caller_of, require
from narthex.http.guards import route_word
from narthex.http.services import Services
from narthex.pipeline.cache_desk import Owner, Sought, Void, content_of
from narthex.pipeline.warming import (
    MAX_PARALLEL,
    MAX_REQUESTS,
    USUAL_PARALLEL,
    Asked,
    Warmed,
    checked_directives,
)
from narthex.tenancy import reach

MAX_NAMED: Final = 100
"""Keys, tags or models that one declaration names."""
_READ: Final = "cache:read"
_WRITE: Final = "cache:write"

Word = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[!-~]+$")]
Words = Annotated[tuple[Word, ...], Meta(max_length=MAX_NAMED)]
Keys = Annotated[tuple[Annotated[str, Meta(pattern="^[0-9a-f]{64}$")], ...], Meta(max_length=MAX_NAMED)]


class _Clear(msgspec.Struct, forbid_unknown_fields=True):
    everything: bool = False


class _Void(msgspec.Struct, forbid_unknown_fields=True):
    keys: Keys = ()
    tags: Words = ()
    models: Words = ()
    prompts: Words = ()
    everything: bool = False


class _Reopen(msgspec.Struct, forbid_unknown_fields=True):
    category: Category


class _Warm(msgspec.Struct, forbid_unknown_fields=True):
    requests: Annotated[tuple[msgspec.Raw, ...], Meta(min_length=1, max_length=MAX_REQUESTS)]
    tags: Annotated[tuple[Word, ...], Meta(max_length=16)] = ()
    ttl_s: Annotated[float, Meta(ge=0, le=3_456_000)] | None = None
    parallel: Annotated[int, Meta(ge=1, le=MAX_PARALLEL)] = USUAL_PARALLEL


def cache_routes(services: Services) -> APIRouter:
    """Return `/api/cache`."""
    router, desk = APIRouter(), services.cache

    @router.get("/api/cache/stats", **documents.STATS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def stats(request: Request) -> Response:
        return answered(await desk.report(_seen(services, request, _READ)))

    @router.get("/api/cache/misses", **documents.MISSES)  # type: ignore[arg-type]  # as above
    async def misses(request: Request) -> Response:
        page, owner = page_of(request), _seen(services, request, _READ)
        request_id = request.query_params.get("request_id")
        if request_id is None:
            found_all, more = desk.misses(owner, page.limit, page.after)
            return listed(found_all, found_all[-1].request_id if more else None, missed)
        found = desk.miss_of(owner, request_id)
        return listed([] if found is None else [found], None, missed)

    _add_entries(router, services)
    _add_changes(router, services)
    _add_warming(router, services)
    _add_reopening(router, services)
    return router


def _add_entries(router: APIRouter, services: Services) -> None:
    desk = services.cache

    @router.get("/api/cache/entries", **documents.ENTRIES)  # type: ignore[arg-type]  # as above
    async def entries(request: Request) -> Response:
        page, query = page_of(request), request.query_params
        sought = Sought(page.limit, page.after, query.get("model"), query.get("tag"))
        part = await desk.entries(_seen(services, request, _READ), sought)
        now_ms = desk.cache.now_ms()
        return listed(list(part.items), part.next, lambda one: told(one, now_ms))

    @router.get("/api/cache/entries/{cache_key}", **documents.ENTRY)  # type: ignore[arg-type]  # as above
    async def show(request: Request, cache_key: str) -> Response:
        held = await desk.entry(_seen(services, request, _READ), _key(cache_key))
        values = msgspec.structs.asdict(told(held, desk.cache.now_ms()))
        if flag_of(request, "content"):
            require(request, "requests:read_content")
            note_read(services, request, f"cache:{cache_key}")
            values["content"] = content_of(held)
        return answered(values)

    @router.delete("/api/cache/entries/{cache_key}", **documents.DELETE_ENTRY)  # type: ignore[arg-type]  # as above
    async def delete(request: Request, cache_key: str) -> Response:
        await desk.remove(_seen(services, request, _WRITE), _key(cache_key))
        _note(services, request, "cache.delete", target=cache_key)
        return answered({"object": "cache_entry", "key": cache_key, "deleted": True})


def _add_changes(router: APIRouter, services: Services) -> None:
    desk = services.cache

    @router.post("/api/cache/clear", **documents.CLEAR)  # type: ignore[arg-type]  # as above
    async def clear(request: Request) -> Response:
        wish = await read(request, _Clear)
        owner = _changed(services, request, everything=wish.everything)
        removed = await desk.clear(owner)
        _note(services, request, "cache.clear", details={"everything": wish.everything, "removed": removed})
        return answered({"object": "cache_change", "removed": removed})

    @router.post("/api/cache/invalidate", **documents.INVALIDATE)  # type: ignore[arg-type]  # as above
    async def invalidate(request: Request) -> Response:
        wish = await read(request, _Void)
        owner = _changed(services, request, everything=wish.everything)
        void = Void([_key(key) for key in wish.keys], (*wish.tags, *prompt_tags(wish.prompts)), wish.models)
        removed = await desk.invalidate(owner, void)
        said: dict[str, object] = {"keys": len(wish.keys), "tags": list(wish.tags), "models": list(wish.models)}
        details = {**said, "prompts": list(wish.prompts), "everything": wish.everything, "removed": removed}
        _note(services, request, "cache.invalidate", details=details)
        return answered({"object": "cache_change", "removed": removed})


def _add_warming(router: APIRouter, services: Services) -> None:
    @router.post("/api/cache/warm", **documents.WARM)  # type: ignore[arg-type]  # as above
    async def warm(request: Request) -> Response:
        wish = await read(request, _Warm)
        caller, peer = require(request, "models:call"), request.scope.get("client")
        # What the key may not be used for directly, it may not be used for in this way.
        services.keyring.let_in(caller, route_word("/v1/chat/completions"), peer)
        ttl = "" if wish.ttl_s is None else f"; ttl={wish.ttl_s:.10g}"
        tags = f'; tags="{" ".join(wish.tags)}"' if wish.tags else ""
        asked = Asked(
            requests=[bytes(one) for one in wish.requests],
            directives=checked_directives(f"{ttl}{tags}"),
            parallel=wish.parallel,
        )
        done = await services.cache.warming.warm(caller, asked, peer)
        counts = _counts(done)
        _note(services, request, "cache.warm", details=counts)
        return answered({"object": "cache_warming", **counts, "data": done})


def _add_reopening(router: APIRouter, services: Services) -> None:
    @router.post("/api/cache/reopen", **documents.REOPEN)  # type: ignore[arg-type]  # as above
    async def reopen(request: Request) -> Response:
        wish = await read(request, _Reopen)
        _changed(services, request, everything=True)
        services.cache.reopen(wish.category)
        _note(services, request, "cache.reopen", target=wish.category)
        return answered({"object": "cache_category", "category": wish.category, "closed": False})


def _counts(done: list[Warmed]) -> dict[str, int]:
    words = [one.status for one in done]
    return {"kept": words.count("kept"), "not_kept": words.count("not kept"), "failed": words.count("failed")}


def _key(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise NotFound from None


def _seen(services: Services, request: Request, permission: str) -> Owner:
    """Return whose entries a caller reaches: those of their own workspace; all for whoever runs this server."""
    caller = caller_of(request)
    if caller.is_operator or permission in reach.on_installation(services.office.directory, caller):
        return None
    return caller.owner


def _changed(services: Services, request: Request, *, everything: bool) -> Owner:
    """Return whose entries are changed; raises `PermissionDenied` if that is everybody's, and not the caller's."""
    if not everything:
        return caller_of(request).owner
    if _seen(services, request, _WRITE) is not None:
        request.scope["narthex.denied"] = _WRITE
        raise PermissionDenied("only whoever runs this server changes what the cache holds for everybody")
    return None


def _note(
    services: Services, request: Request, action: str, *, target: str = "", details: Mapping[str, object] | None = None
) -> None:
    caller = caller_of(request)
    services.audit.note(
        action,
        actor=caller.actor,
        target=target,
        organisation_id=caller.account.organisation_id,
        workspace_id=caller.account.workspace_id,
        details=details or {},
        address=address_of(request),
        request_id=request.scope["narthex.request_id"],
    )
