"""Answers of the application on their way out."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from starlette.types import Message, Receive, Scope, Send

from narthex.http.caching import Rule
from narthex.http.representations import Representations
from narthex.http.represented import Represented

BODY = b'{"data":"' + b"something that repeats itself " * 100 + b'"}'
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """What came out."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    pieces: int

    @property
    def plain(self) -> bytes:
        """The body as it was before."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body


async def ask(
    path: str = "/api/models",
    method: str = "GET",
    *,
    asked: Mapping[str, str] | None = None,
    told: Mapping[str, str] = JSON,
    status: int = 200,
    pieces: tuple[bytes, ...] = (BODY,),
) -> Answer:
    """Return how an answer of an application goes out."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        length = {"content-length": str(len(pieces[0]))} if len(pieces) == 1 else {}
        assert scope["method"] != "HEAD" or not path.startswith("/api/")
        await send({"type": "http.response.start", "status": status, "headers": raw({**told, **length})})
        for number, piece in enumerate(pieces, start=1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": method, "path": path, "headers": raw(asked or {})}
    await Represented(app, by())(scope, nothing, send)
    return answer_of(sent)


def by() -> Representations:
    """Return what answers go by here."""
    rules = [Rule("/api/prices*", "max-age=60")]
    made = Representations()
    made.adopt(codings=("gzip",), threshold_bytes=1_000, answers_bytes=2_000, rules=rules)
    return made


def raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI has them."""
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def nothing(*_: object) -> Message:
    """Receive nothing."""
    raise AssertionError


def answer_of(sent: list[Message]) -> Answer:
    """Return what was sent."""
    start, *bodies = sent
    assert [message.get("more_body", False) for message in bodies] == [True] * (len(bodies) - 1) + [False]
    given = [(name.decode(), value.decode()) for name, value in start["headers"]]
    merged = {name: ", ".join(value for other, value in given if other == name) for name, _ in given}
    return Answer(start["status"], merged, b"".join(one["body"] for one in bodies), len(bodies))


async def test_who_asks_gets_it_encoded() -> None:
    """The length is that of what is sent, the tag is weak, and caches are told what it depends on."""
    answer = await ask(asked={"accept-encoding": "gzip"})
    assert (answer.headers["content-encoding"], answer.plain) == ("gzip", BODY)
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["etag"].startswith('W/"')
    assert answer.headers["vary"] == "accept-encoding"
    plain = await ask()
    assert (plain.body, plain.headers["vary"]) == (BODY, "accept-encoding")
    assert answer.headers["etag"] == f"W/{plain.headers['etag']}"


async def test_what_a_client_has_is_not_sent_again() -> None:
    """304 without a body, for either form of the tag, until it is another."""
    first = await ask(asked={"accept-encoding": "gzip"})
    for method in ("GET", "HEAD"):
        again = await ask(method=method, asked={"if-none-match": f'"other", {first.headers["etag"]}'})
        assert (again.status, again.body) == (304, b"")
        assert not again.headers.keys() & {"content-length", "content-type", "content-encoding"}
        assert again.headers["cache-control"] == "private, no-cache"
    other = await ask(pieces=(BODY + b" ",), asked={"if-none-match": first.headers["etag"]})
    assert other.status == 200


async def test_a_version_alone_does_not_make_an_answer_known() -> None:
    """What changes without its version is sent again."""
    told = {**JSON, "etag": '"3"'}
    first = await ask("/api/keys/k", told=told)
    assert first.headers["etag"].startswith('"3-')
    assert (await ask("/api/keys/k", told=told, asked={"if-none-match": '"3"'})).status == 200
    assert (await ask("/api/keys/k", told=told, asked={"if-none-match": first.headers["etag"]})).status == 304


async def test_head_is_get_without_the_body() -> None:
    """The headers are the same, the length of the encoded body too."""
    for asked in ({}, {"accept-encoding": "gzip"}):
        get, head = await ask(asked=asked), await ask(method="HEAD", asked=asked)
        assert (head.status, head.body, head.headers) == (200, b"", get.headers)
    pieces = (b"a" * 500, b"b")
    assert (await ask("/api/usage/export", "HEAD", told={"content-type": "text/csv"}, pieces=pieces)).body == b""


@pytest.mark.parametrize(
    ("path", "method", "asked", "told"),
    [
        ("/api/auth/session", "GET", {}, JSON),
        ("/api/invitations", "GET", {}, JSON),
        ("/api/keys", "POST", {}, JSON),
        ("/api/models", "GET", {"cache-control": "no-transform"}, JSON),
        ("/api/models", "GET", {}, {**JSON, "cache-control": "no-transform"}),
        ("/api/models", "GET", {}, {**JSON, "set-cookie": "a=b"}),
        ("/api/models", "GET", {}, {**JSON, "content-encoding": "br"}),
        ("/api/models", "GET", {}, {"content-type": "application/zip"}),
        ("/index.html", "GET", {}, {"content-type": "text/html", "vary": "Accept-Encoding"}),
        ("/api/models", "GET", {"cache-control": "no-transform"}, {"content-type": "text/event-stream"}),
    ],
)
async def test_some_answers_are_never_encoded(
    path: str, method: str, asked: Mapping[str, str], told: Mapping[str, str]
) -> None:
    """What shows secrets, must not change, is encoded already, does not shrink or must not wait goes as it is."""
    answer = await ask(path, method, asked={"accept-encoding": "gzip", **asked}, told=told)
    assert (answer.body, answer.headers.get("content-encoding")) == (BODY, told.get("content-encoding"))
    assert answer.headers["content-length"] == str(len(BODY))


async def test_small_answers_go_as_they_are() -> None:
    """They depend on nothing that a client sends, and errors of a route are not kept."""
    small = await ask(pieces=(b"{}",), asked={"accept-encoding": "gzip"})
    assert (small.body, "vary" in small.headers) == (b"{}", False)
    failed = await ask(status=404, asked={"accept-encoding": "gzip", "if-none-match": "*"})
    assert (failed.status, failed.body, failed.headers["cache-control"]) == (404, BODY, "no-store")
    assert "etag" not in failed.headers


async def test_whole_answers_of_models_have_a_threshold_of_their_own() -> None:
    """Above it they are encoded; nothing is said about keeping them."""
    path, asked = "/v1/chat/completions", {"accept-encoding": "gzip"}
    large = await ask(path, "POST", asked=asked)
    assert (large.headers["content-encoding"], large.plain) == ("gzip", BODY)
    small = await ask(path, "POST", asked=asked, pieces=(BODY[:1_999],))
    assert "content-encoding" not in small.headers
    nothing_else = await ask(path, "POST", asked={"accept-encoding": "gzip, identity;q=0"}, pieces=(b"{}",))
    assert (nothing_else.headers["content-encoding"], nothing_else.plain) == ("gzip", b"{}")
    assert "cache-control" not in large.headers


async def test_events_of_streams_go_out_when_they_come() -> None:
    """Each is read as soon as it was sent, encoded or not, and nobody waits for the next."""
    told = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store, no-transform"}
    pieces = (b"1" * 20, b"2", b"")
    plain = await ask("/v1/streams/s", told=told, pieces=pieces)
    assert (plain.body, plain.pieces, "content-encoding" in plain.headers) == (b"".join(pieces), 3, False)
    answer = await ask("/v1/streams/s", asked={"accept-encoding": "gzip"}, told=told, pieces=pieces)
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "accept-encoding")
    assert (answer.plain, answer.pieces) == (b"".join(pieces), 3)


async def test_answers_to_changes_are_encoded_where_they_show_no_secret() -> None:
    """What they say is never kept."""
    answer = await ask("/api/cache/warm", "POST", asked={"accept-encoding": "gzip"})
    assert (answer.plain, answer.headers["content-encoding"]) == (BODY, "gzip")
    assert "etag" not in answer.headers


async def test_exports_are_encoded_piece_by_piece() -> None:
    """What comes in pieces goes out in pieces, whole at the end, in a thread where they are large."""
    pieces = (b"a,b\n" * 100, b"c,d\n" * 50_000, b"")
    told = {"content-type": "text/csv", "content-length": "1"}
    answer = await ask("/api/usage/export", told=told, pieces=pieces, asked={"accept-encoding": "gzip"})
    assert answer.plain == b"".join(pieces)
    assert "content-length" not in answer.headers
    assert (await ask("/api/usage/export", told=told, pieces=pieces)).body == b"".join(pieces)


async def test_a_rule_says_who_keeps_what() -> None:
    """What stays fresh is kept apart for each caller."""
    answer = await ask("/api/prices", asked={"accept-encoding": "gzip"})
    assert answer.headers["cache-control"] == "private, max-age=60"
    assert answer.headers["vary"] == "authorization, cookie, x-api-key, accept-encoding"


async def test_what_is_not_http_is_handed_on() -> None:
    """The life of the server is the application's business."""
    scopes: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        scopes.append(scope["type"])

    await Represented(app, Representations())({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type]  # unused
    assert scopes == ["lifespan"]
