"""Serves the built dashboard: known pages, hashed assets, and nothing else.

What can be asked for is decided by listing the folder once; a path is then looked up, never joined, so that no path
leads out of the folder. Files are read when they are first asked for, in the encoding asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from narthex.compression.negotiation import choose
from narthex.dashboard.missing import MISSING_PAGE

CLIENT_ROUTES = frozenset(
    {
        "/",
        "/account",
        "/audit",
        "/cache",
        "/invitation",
        "/keys",
        "/ledger",
        "/limits",
        "/members",
        "/overview",
        "/roles",
        "/usage",
        "/workspaces",
    }
)
"""Paths that the dashboard's own router draws; the server answers each with the same page."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_IMMUTABLE = b"public, max-age=31536000, immutable"
_CHECK_AGAIN = b"no-cache"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
"""Content codings and the suffixes of their files, the better one first."""

# The system's own table differs from machine to machine, and a browser runs no script of an unknown type.
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_TEXTUAL = ("text/", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file of the build."""

    path: Path
    media_type: bytes
    cache_control: bytes
    encodings: tuple[str, ...]
    """Content codings in which it lies beside itself."""


@dataclass(frozen=True, slots=True)
class _Body:
    data: bytes
    etag: bytes


class DashboardFiles:
    """An ASGI application over a folder that `npm run build` has filled."""

    def __init__(self, dist: Path) -> None:
        """Take the folder; it is listed when the first request comes, and again when its page has changed."""
        self._dist = dist
        self._built_at_ns = 0
        self._assets: dict[str, Asset] = {}
        self._bodies: dict[Path, _Body] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with a file or the page.

        Raises:
            HTTPException: 404 for an unknown path, 405 for a method that is neither GET nor HEAD; the application
                around this one words every error of the server.
        """
        assert scope["type"] == "http", scope["type"]
        path: str = scope["path"]
        is_page = path in CLIENT_ROUTES
        if is_page or not self._assets:
            await asyncio.to_thread(self._refresh)
        asset = self._assets.get("/index.html" if is_page else path)
        if asset is None and not is_page:
            raise HTTPException(404)
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"allow": "GET, HEAD"})
        if asset is None:
            await _send(send, 503, MISSING_PAGE, [(b"content-type", b"text/html; charset=utf-8")], scope)
        else:
            await self._send_asset(asset, scope, send)

    def _refresh(self) -> None:
        try:
            built_at_ns = (self._dist / "index.html").stat().st_mtime_ns
        except OSError:
            built_at_ns = 0
        if built_at_ns != self._built_at_ns:
            self._assets = list_assets(self._dist) if built_at_ns else {}
            self._bodies = {}
            self._built_at_ns = built_at_ns

    async def _send_asset(self, asset: Asset, scope: Scope, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        encoding = choose(headers.get(b"accept-encoding", ""), asset.encodings)
        body = await self._body(_encoded_path(asset.path, encoding))
        fields = [(b"cache-control", asset.cache_control), (b"etag", body.etag), (b"vary", b"accept-encoding")]
        if matches_etag(headers.get(b"if-none-match", ""), body.etag.decode()):
            await _send(send, 304, b"", fields)
            return
        fields.append((b"content-type", asset.media_type))
        if encoding is not None:
            fields.append((b"content-encoding", encoding.encode()))
        await _send(send, 200, body.data, fields, scope)

    async def _body(self, path: Path) -> _Body:
        body = self._bodies.get(path)
        if body is None:
            body = await asyncio.to_thread(_read, path)
            self._bodies[path] = body
        return body


def list_assets(dist: Path) -> dict[str, Asset]:
    """Return every file of a build by the path it is served under."""
    files = {path for path in dist.rglob("*") if path.is_file() and not path.is_symlink()}
    return {
        f"/{path.relative_to(dist).as_posix()}": _asset(path, dist, files)
        for path in files
        if path.suffix not in {suffix for _, suffix in _ENCODINGS}
    }


def _asset(path: Path, dist: Path, files: set[Path]) -> Asset:
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if media_type.startswith(_TEXTUAL):
        media_type += "; charset=utf-8"
    return Asset(
        path=path,
        media_type=media_type.encode(),
        cache_control=_IMMUTABLE if path.is_relative_to(dist / "assets") else _CHECK_AGAIN,
        encodings=tuple(name for name, suffix in _ENCODINGS if path.with_name(path.name + suffix) in files),
    )


def matches_etag(field: str, etag: str) -> bool:
    """Tell whether an `If-None-Match` field names `etag`, weak or strong."""
    return field.strip() == "*" or etag in {item.strip().removeprefix("W/") for item in field.split(",")}


def _encoded_path(path: Path, encoding: str | None) -> Path:
    return path if encoding is None else path.with_name(path.name + dict(_ENCODINGS)[encoding])


def _read(path: Path) -> _Body:
    data = path.read_bytes()
    return _Body(data, b'"%s"' % hashlib.sha256(data).hexdigest()[:24].encode())


async def _send(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]], scope: Scope | None = None
) -> None:
    fields = [*headers, *_SECURITY_HEADERS]
    if status != 304:
        fields.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    if scope is not None and scope["method"] == "HEAD":
        body = b""
    await send({"type": "http.response.body", "body": body})
