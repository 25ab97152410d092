"""The dashboard's files: what is served, how, and that nothing else is."""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message

from narthex.dashboard.files import CLIENT_ROUTES, DashboardFiles, list_assets, matches_etag

PAGE = b"<!doctype html><title>Narthex</title>"
SCRIPT = b"console.log('narthex');" * 40


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A build as `npm run build` leaves it, with a secret beside it."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(PAGE)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-a1b2c3.js").write_bytes(SCRIPT)
    (folder / "assets" / "index-a1b2c3.js.br").write_bytes(b"brotli")
    (folder / "assets" / "index-a1b2c3.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "assets" / "inter-d4e5f6.woff2").write_bytes(b"wOF2")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


class Answer:
    """What an ASGI application sent."""

    def __init__(self, messages: list[Message]) -> None:
        """Take the messages in the order they were sent."""
        self.status: int = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])


async def ask(app: DashboardFiles, path: str, *, method: str = "GET", headers: Mapping[str, str] = {}) -> Answer:
    """Send one request straight to the application."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    await app({"type": "http", "method": method, "path": path, "headers": fields}, receive, send)
    return Answer(messages)


@asynccontextmanager
async def refused(status: int) -> AsyncIterator[None]:
    """Expect the application to refuse with `status`."""
    with pytest.raises(HTTPException) as caught:
        yield
    assert caught.value.status_code == status


async def test_every_client_route_is_the_page(dist: Path) -> None:
    """A reload on any page of the dashboard shows that page."""
    app = DashboardFiles(dist)
    for path in CLIENT_ROUTES:
        answer = await ask(app, path)
        assert (answer.status, answer.body) == (200, PAGE)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"


def test_the_client_routes_are_those_of_the_client() -> None:
    """Each path that the dashboard's router draws is known to the server, and no other."""
    router = Path("ui/src/router.tsx")
    if not router.is_file():
        pytest.skip("the dashboard's sources are not part of this checkout")
    paths = {part.split('"')[0] for part in router.read_text(encoding="utf-8").split('path: "')[1:]}
    assert paths == CLIENT_ROUTES


async def test_hashed_assets_are_kept_for_good(dist: Path) -> None:
    """What has its hash in its name never changes; all else is asked for again."""
    app = DashboardFiles(dist)
    script = await ask(app, "/assets/index-a1b2c3.js")
    assert script.body == SCRIPT
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert (await ask(app, "/favicon.svg")).headers["cache-control"] == "no-cache"
    assert (await ask(app, "/assets/inter-d4e5f6.woff2")).headers["content-type"] == "font/woff2"


async def test_the_best_accepted_encoding_is_sent(dist: Path) -> None:
    """Compressed files are sent as they lie, and only to whoever takes them."""
    app = DashboardFiles(dist)
    path = "/assets/index-a1b2c3.js"
    brotli = await ask(app, path, headers={"accept-encoding": "gzip, br"})
    assert (brotli.headers["content-encoding"], brotli.body) == ("br", b"brotli")
    zipped = await ask(app, path, headers={"accept-encoding": "gzip, br;q=0"})
    assert (zipped.headers["content-encoding"], gzip.decompress(zipped.body)) == ("gzip", SCRIPT)
    plain = await ask(app, path)
    assert "content-encoding" not in plain.headers
    assert {brotli.headers["vary"], zipped.headers["vary"], plain.headers["vary"]} == {"accept-encoding"}
    assert len({brotli.headers["etag"], zipped.headers["etag"], plain.headers["etag"]}) == 3


async def test_a_page_that_is_known_is_not_sent_again(dist: Path) -> None:
    """A browser that has the page gets 304, until the page is another."""
    app = DashboardFiles(dist)
    etag = (await ask(app, "/")).headers["etag"]
    again = await ask(app, "/overview", headers={"if-none-match": f"W/{etag}"})
    assert (again.status, again.body) == (304, b"")
    assert "content-length" not in again.headers
    (dist / "index.html").write_bytes(PAGE + b"new")
    os.utime(dist / "index.html", ns=(1, 1))
    assert (await ask(app, "/", headers={"if-none-match": etag})).body == PAGE + b"new"


async def test_head_tells_the_length_and_sends_nothing(dist: Path) -> None:
    """HEAD answers as GET does, without the body."""
    answer = await ask(DashboardFiles(dist), "/", method="HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", str(len(PAGE)))


async def test_other_methods_and_paths_are_refused(dist: Path) -> None:
    """What is no file is not found, whatever the method; a file takes GET and HEAD only."""
    app = DashboardFiles(dist)
    async with refused(405):
        await ask(app, "/", method="POST")
    async with refused(404):
        await ask(app, "/nothing", method="POST")
    async with refused(404):
        await ask(app, "/assets/index-a1b2c3.js.br")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "//secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets\\..\\..\\secret.txt",
        "/index.html/",
        "/assets",
        "/assets/",
        "/\x00",
        "",
    ],
)
async def test_no_path_leads_out_of_the_folder(dist: Path, path: str) -> None:
    """Only what was listed is served."""
    async with refused(404):
        await ask(DashboardFiles(dist), path)


async def test_links_are_not_followed(dist: Path) -> None:
    """A link in the folder does not open what it points at."""
    (dist / "assets" / "link.txt").symlink_to(dist.parent / "secret.txt")
    async with refused(404):
        await ask(DashboardFiles(dist), "/assets/link.txt")


async def test_every_answer_carries_the_security_headers(dist: Path) -> None:
    """No script, frame or referrer of another origin, on any answer."""
    for folder in (dist, dist / "missing"):
        answer = await ask(DashboardFiles(folder), "/")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


async def test_without_a_build_the_page_names_the_command(tmp_path: Path) -> None:
    """A checkout that was not built says how to build, and serves the dashboard as soon as that is done."""
    folder = tmp_path / "dist"
    app = DashboardFiles(folder)
    missing = await ask(app, "/")
    assert missing.status == 503
    assert b"make serve" in missing.body
    assert b"npm run build" in missing.body
    folder.mkdir()
    (folder / "index.html").write_bytes(PAGE)
    assert (await ask(app, "/")).body == PAGE


async def test_files_are_read_when_they_are_asked_for(dist: Path) -> None:
    """An idle server holds no file in memory; one that was asked for is read once."""
    app = DashboardFiles(dist)
    assert not app._bodies
    await ask(app, "/assets/index-a1b2c3.js")
    (dist / "assets" / "index-a1b2c3.js").unlink()
    assert (await ask(app, "/assets/index-a1b2c3.js")).body == SCRIPT


def test_every_file_of_a_build_has_a_type(dist: Path) -> None:
    """Nothing is served that a browser would have to guess."""
    (dist / "data.unknown").write_bytes(b"?")
    types = {path: asset.media_type for path, asset in list_assets(dist).items()}
    assert types.pop("/data.unknown") == b"application/octet-stream"
    assert set(types) == {"/index.html", "/favicon.svg", "/assets/index-a1b2c3.js", "/assets/inter-d4e5f6.woff2"}


def test_etags_are_matched_weakly() -> None:
    """`*`, lists and weak tags are understood."""
    assert matches_etag("*", '"a"')
    assert matches_etag('"b", W/"a"', '"a"')
    assert not matches_etag('"b"', '"a"')
    assert not matches_etag("", '"a"')
