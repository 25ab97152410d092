"""The server under fire: bytes that are no HTTP, bodies that are no requests, requests cut, mixed, forged and dropped.

Each property is tried with the same few examples on every run, and with many new ones by `make soak`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.tenancy.keys import Keyring
from tests.gateways import KEY
from tests.proof import drawing
from tests.proof.drawing import CHAT, EMBEDDINGS, GENERATE, MESSAGES, ORDINARY, Asked
from tests.proof.fuzzing import OTHER_KEY, Answer, Fuzzed, chat, code_of, fuzzed, remember, request

QUICK = settings(max_examples=100, derandomize=True, database=None)
LONG = settings(max_examples=10_000)

LANE = (CHAT, MESSAGES, EMBEDDINGS)
"""Routes that have two doors."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """One server for all of it: what one example breaks the next one sees."""
    with fuzzed(tmp_path_factory.mktemp("fuzz")) as one:
        yield one
        one.stands()


@pytest.fixture(autouse=True)
def _calm(server: Fuzzed) -> Iterator[None]:
    """Hold against each test only what it did itself."""
    yield
    server.calm()


# --- properties -------------------------------------------------------------------------------------------------------


def survives(server: Fuzzed, data: bytes) -> None:
    """Whatever bytes come, the answers are clean HTTP/1.1 and none is a fault of ours; others are served on."""
    remember(f"sent: {data!r}")
    for answer in server.hear(data):
        assert answer.status != 500
        if answer.status >= 400:
            assert answer.headers["content-type"] == "application/json"
            assert "x-request-id" in answer.headers
    server.stands()


def tells_what_is_wrong(server: Fuzzed, asked: Asked) -> None:
    """Any body gets an answer, or an error in its surface's shape; both doors say the same."""
    remember(f"asked: {asked!r:.2000}")
    first = server.ask(request(asked.path, asked.body))
    check_shape(first, asked.path)
    if asked.path in LANE:
        second = server.ask(request(asked.path, asked.body, more=ORDINARY))
        check_shape(second, asked.path)
        assert second.told == first.told
    server.stands()


def check_shape(answer: Answer, path: str) -> None:
    """An answer is whole and of its kind, or an error with a code that is not a fault of ours."""
    assert answer.status != 500
    if answer.status != 200:
        assert answer.status >= 400
        assert code_of(answer, path) != "internal_error"
    elif answer.headers["content-type"].startswith("text/event-stream"):
        assert answer.body.endswith(b"\n\n")
        last = answer.body.rstrip().rpartition(b"\n\n")[2]
        assert any(mark in last for mark in (b"[DONE]", b"message_stop", b"event: done", b'"error"'))
    else:
        assert answer.json()


def is_the_same_in_pieces(server: Fuzzed, drawn: tuple[bytes, list[int]]) -> None:
    """A request cut into pieces is answered as one sent whole."""
    whole, cuts = drawn
    remember(f"cut at {cuts}: {whole!r}")
    assert server.ask(whole, cuts).told == server.alone(whole)


def are_answered_in_order(server: Fuzzed, drawn: tuple[list[bytes], list[int]]) -> None:
    """Requests sent without waiting, cut anywhere, are each answered as alone, in their order."""
    requests, cuts = drawn
    remember(f"cut at {cuts}: {requests!r}")
    with server.line() as line:
        server.send_cut(line, b"".join(requests), cuts)
        answers = line.answers(len(requests))
    assert [answer.told for answer in answers] == [server.alone(one) for one in requests]


def are_answered_as_alone(server: Fuzzed, requests: list[bytes]) -> None:
    """What came before on a connection changes nothing about the next answer."""
    remember(f"in turn: {requests!r}")
    with server.line() as line:
        for one in requests:
            line.send(one)
            answers = line.answers(1)
            assert [answer.told for answer in answers] == [server.alone(one)], one
            if line.closed or answers[0].headers.get("connection") == "close":
                break


@QUICK
@given(data=drawing.any_bytes)
def test_any_bytes_are_survived(server: Fuzzed, data: bytes) -> None:
    """Whatever comes, it gets clean HTTP/1.1 or a closed connection, never a 500, a hang or a traceback."""
    survives(server, data)


@settings(QUICK, max_examples=500)
@given(asked=drawing.bodies())
def test_any_body_is_told_what_is_wrong_with_it(server: Fuzzed, asked: Asked) -> None:
    """Every body gets an answer or an error in the shape of its surface, the same at both doors."""
    tells_what_is_wrong(server, asked)


@QUICK
@given(drawn=drawing.cut_requests())
def test_pieces_make_no_difference(server: Fuzzed, drawn: tuple[bytes, list[int]]) -> None:
    """A request that arrives in pieces gets the answer of one that arrives whole."""
    is_the_same_in_pieces(server, drawn)


@QUICK
@given(drawn=drawing.pipelines())
def test_pipelines_are_answered_in_order(server: Fuzzed, drawn: tuple[list[bytes], list[int]]) -> None:
    """Requests for both doors, sent without waiting and cut anywhere, are answered in order, each with its own."""
    are_answered_in_order(server, drawn)


@QUICK
@given(requests=drawing.conversations)
def test_a_kept_connection_remembers_nothing(server: Fuzzed, requests: list[bytes]) -> None:
    """Each request on a kept connection is answered as over a fresh one, however alike the heads before were."""
    are_answered_as_alone(server, requests)


PROPERTIES: list[tuple[st.SearchStrategy[object], Callable[[Fuzzed, object], None]]] = [
    (drawing.any_bytes, survives),  # type: ignore[list-item]  # each strategy goes with its property
    (drawing.bodies(), tells_what_is_wrong),  # type: ignore[list-item]
    (drawing.cut_requests(), is_the_same_in_pieces),  # type: ignore[list-item]
    (drawing.pipelines(), are_answered_in_order),  # type: ignore[list-item]
    (drawing.conversations, are_answered_as_alone),  # type: ignore[list-item]
]


@pytest.mark.soak
@pytest.mark.parametrize(("strategy", "holds"), PROPERTIES, ids=lambda one: getattr(one, "__name__", "-"))
def test_the_same_holds_at_length(
    server: Fuzzed, strategy: st.SearchStrategy[object], holds: Callable[[Fuzzed, object], None]
) -> None:
    """Each property holds for many thousand examples, new ones on every run."""

    @LONG
    @given(drawn=strategy)
    def run(drawn: object) -> None:
        holds(server, drawn)

    run()


# --- pieces -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(len(drawing.good_requests("m"))))
def test_a_request_may_be_cut_anywhere(server: Fuzzed, number: int) -> None:
    """A request of each kind is answered the same, cut at any of its bytes."""
    whole = drawing.good_requests("mark")[number]
    for cut in range(1, len(whole), 2):
        is_the_same_in_pieces(server, (whole, [cut]))


@pytest.mark.parametrize("number", range(len(drawing.good_requests("m"))))
def test_a_request_may_come_byte_by_byte(server: Fuzzed, number: int) -> None:
    """A request of each kind is answered the same, sent byte by byte."""
    whole = drawing.good_requests("mark")[number]
    is_the_same_in_pieces(server, (whole, list(range(len(whole)))))


# --- forged framing ---------------------------------------------------------------------------------------------------

BODY = chat("Hello")
HEAD = request(CHAT, b"").partition(b"content-length")[0]
SECOND = request(CHAT, chat("SMUGGLED"))
LENGTH = b"content-length: %d\r\n" % len(BODY)
CHUNKED = b"transfer-encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


def framed(lines: bytes, body: bytes = BODY) -> bytes:
    """Write a request with these framing headers and this body."""
    return HEAD + lines + b"\r\n" + body


def in_chunks(text: bytes) -> bytes:
    """Write a request whose chunks are given; `SIZE` and `BODY` stand for what is right."""
    return framed(CHUNKED, text.replace(b"SIZE", b"%x" % len(BODY)).replace(b"BODY", BODY))


FORGED = {
    "length-and-chunks": framed(LENGTH + CHUNKED, CHUNKS),
    "chunks-and-length": framed(CHUNKED + LENGTH, CHUNKS),
    "length-of-zero-and-chunks": framed(b"content-length: 0\r\n" + CHUNKED, CHUNKS),
    "two-lengths": framed(LENGTH + b"content-length: 0\r\n"),
    "two-equal-lengths": framed(LENGTH + LENGTH),
    "list-of-lengths": framed(b"content-length: %d, %d\r\n" % (len(BODY), len(BODY))),
    "length-with-plus": framed(b"content-length: +%d\r\n" % len(BODY)),
    "length-with-minus": framed(b"content-length: -%d\r\n" % len(BODY)),
    "length-with-space": framed(b"content-length: 1 0\r\n"),
    "length-in-hex": framed(b"content-length: 0x10\r\n"),
    "length-with-fraction": framed(b"content-length: 5.0\r\n"),
    "length-with-underscore": framed(b"content-length: 1_0\r\n"),
    "length-of-nothing": framed(b"content-length:\r\n"),
    "length-beyond-64-bits": framed(b"content-length: 18446744073709551621\r\n"),
    "length-huge": framed(b"content-length: 18446744073709551615\r\n"),
    "length-space-before-colon": framed(b"content-length : %d\r\n" % len(BODY)),
    "length-after-nul": framed(b"x: a\0\r\n" + LENGTH),
    "chunks-space-before-colon": framed(b"transfer-encoding : chunked\r\n", CHUNKS),
    "coding-unknown": framed(b"transfer-encoding: xchunked\r\n", CHUNKS),
    "coding-quoted": framed(b'transfer-encoding: "chunked"\r\n', CHUNKS),
    "coding-identity": framed(b"transfer-encoding: identity\r\n", CHUNKS),
    "coding-not-last": framed(b"transfer-encoding: chunked, identity\r\n", CHUNKS),
    "coding-not-last-of-two": framed(CHUNKED + b"transfer-encoding: identity\r\n", CHUNKS),
    "coding-twice": framed(CHUNKED + CHUNKED, CHUNKS),
    "coding-after-tab": framed(b"transfer-encoding: \x0bchunked\r\n", CHUNKS),
    "coding-folded": framed(b"transfer-encoding:\r\n chunked\r\n", CHUNKS),
    "coding-in-the-name": framed(b"x: y\r\n\ttransfer-encoding: chunked\r\n", CHUNKS),
    "folded-header": framed(b"x-a: b\r\n c\r\n" + LENGTH),
    "folded-first-header": HEAD.replace(b"\r\nhost", b"\r\n host") + LENGTH + b"\r\n" + BODY,
    "bare-line-feeds": framed(LENGTH, b"").replace(b"\r\n", b"\n") + BODY,
    "bare-line-feed-in-head": framed(b"x: y\n" + LENGTH),
    "bare-line-feed-at-end": HEAD + LENGTH + b"\n" + BODY,
    "bare-return-in-head": framed(b"x: y\rz: a\r\n" + LENGTH),
    "nul-in-value": framed(b"x: a\0b\r\n" + LENGTH),
    "nul-in-name": framed(b"x\0: a\r\n" + LENGTH),
    "no-name": framed(b": a\r\n" + LENGTH),
    "no-colon": framed(b"nothing\r\n" + LENGTH),
    "chunk-extension-cut": in_chunks(b"SIZE;a\nBODY\r\n0\r\n\r\n"),
    "chunk-extension-return": in_chunks(b"SIZE;a\rX\r\nBODY\r\n0\r\n\r\n"),
    "chunk-size-line-feed": in_chunks(b"SIZE\nBODY\r\n0\r\n\r\n"),
    "chunk-size-space": in_chunks(b"SIZE \r\nBODY\r\n0\r\n\r\n"),
    "chunk-size-hex-mark": in_chunks(b"0xSIZE\r\nBODY\r\n0\r\n\r\n"),
    "chunk-size-plus": in_chunks(b"+SIZE\r\nBODY\r\n0\r\n\r\n"),
    "chunk-size-minus": in_chunks(b"-1\r\nBODY\r\n0\r\n\r\n"),
    "chunk-size-beyond-64-bits": in_chunks(b"10000000000000005\r\nBODY\r\n0\r\n\r\n"),
    "chunk-size-missing": in_chunks(b"\r\nBODY\r\n0\r\n\r\n"),
    "chunk-end-missing": in_chunks(b"SIZE\r\nBODYXX0\r\n\r\n"),
    "chunk-end-line-feed": in_chunks(b"SIZE\r\nBODY\n0\r\n\r\n"),
    "last-chunk-line-feeds": in_chunks(b"SIZE\r\nBODY\r\n0\n\n"),
    "trailer-with-length": in_chunks(b"SIZE\r\nBODY\r\n0\r\ncontent-length: 5\r\n\r\n"),
    "trailer-folded": in_chunks(b"SIZE\r\nBODY\r\n0\r\nx: y\r\n z\r\n\r\n"),
    "version-unknown": framed(LENGTH).replace(b"HTTP/1.1", b"HTTP/1.2"),
}


@pytest.mark.parametrize("more", [b"", ORDINARY.encode()], ids=["lane", "ordinary"])
@pytest.mark.parametrize("name", FORGED)
def test_nothing_is_smuggled(server: Fuzzed, name: str, more: bytes) -> None:
    """Forged framing is refused, and nothing behind it is taken as a request of its own."""
    data = FORGED[name].replace(b"host: 127.0.0.1\r\n", b"host: 127.0.0.1\r\n" + more)
    answers = server.hear(data + SECOND)
    assert [answer.status for answer in answers] in ([400], [413], [])
    assert all(answer.headers["connection"] == "close" for answer in answers)
    server.stands()


@pytest.mark.parametrize("more", ["", ORDINARY], ids=["lane", "ordinary"])
@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: 000%d\r\n\r\n%b" % (len(BODY), BODY),
        b"Transfer-Encoding: Chunked \r\n\r\n" + CHUNKS,
        CHUNKED + b"\r\n" + CHUNKS.replace(b"\r\n", b";name=value\r\n", 1),
        CHUNKED + b"\r\n" + CHUNKS.replace(b"\r\n", b';name="a value"\r\n', 1),
        CHUNKED + b"\r\n000" + CHUNKS,
        CHUNKED + b"\r\n" + CHUNKS.replace(b"\r\n0\r\n", b"\r\n0\r\nx-checked: yes\r\n"),
        CHUNKED + b"\r\n" + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
    ],
    ids=["zeros", "case", "extension", "quoted-extension", "zeros-in-size", "trailer", "byte-chunks"],
)
def test_unusual_framing_that_is_right_is_read_rightly(server: Fuzzed, framing: bytes, more: str) -> None:
    """What the standard allows is understood, and the request behind it is the next one."""
    head = request(CHAT, more=more).partition(b"content-length")[0]
    with server.line() as line:
        line.send(head + framing + request("/health", method="GET"))
        first, second = line.answers(2)
    assert first.told == server.alone(request(CHAT, BODY))
    assert b'"version"' in second.body


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("", id="lane"),
        pytest.param(ORDINARY, id="ordinary"),
    ],
)
def test_a_trailer_is_no_header(server: Fuzzed, more: str) -> None:
    """What follows the last chunk opens no door: a key there is no key."""
    data = request(CHAT, BODY, key=None, more=more, chunked=True)
    trailer = f"authorization: Bearer {KEY}\r\n\r\n".encode()
    assert server.ask(data[:-2] + trailer).status == 401
    assert server.ask(data[:-2] + trailer, range(len(data) - 10, len(data))).status == 401


@pytest.mark.parametrize("broken", ["chunk", "head", "length"])
@pytest.mark.parametrize("more", ["", ORDINARY], ids=["lane", "ordinary"])
@pytest.mark.parametrize("first", [request(CHAT, chat("first")), request(GENERATE, b'{"prompt": "first"}')])
def test_an_error_is_never_the_answer_to_another_request(server: Fuzzed, first: bytes, more: str, broken: str) -> None:
    """What is wrong with the second of two requests sent at once is not told as the answer to the first."""
    bad = {
        "chunk": framed(more.encode() + CHUNKED, b"zz\r\n"),
        "head": framed(more.encode() + b"x: \0\r\n" + LENGTH),
        "length": framed(more.encode() + b"content-length: 99999999\r\n"),
    }
    answers = server.hear(first + bad[broken])
    assert [answer.status for answer in answers] in ([], [200], [200, 400], [200, 413])
    server.stands()


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*drawing.PATHS, "/v1/models", "/health", "/metrics", "/docs"])
@pytest.mark.parametrize("more", ["%0A", "%0a", "%00", "%20", "/", "%2F", ";", "%3F"])
def test_what_is_nearly_a_route_is_none(server: Fuzzed, path: str, more: str) -> None:
    """A path with something behind it is no route, and told so."""
    method = "POST" if path in drawing.PATHS else "GET"
    answer = server.ask(request(path + more, chat("Hi"), method=method))
    assert (answer.status, code_of(answer, path)) == (404, "route_not_found")
    server.stands()


# --- what is left behind ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_what_is_dropped_half_sent_leaves_nothing_behind(server: Fuzzed, share: float) -> None:
    """Requests cut off in head or body leave no connection, no task and no call behind."""
    before = server.connections()
    for whole in drawing.good_requests("mark"):
        with server.line() as line:
            line.send(whole[: int(len(whole) * share) or 1])
            server.breathe()
    assert server.settles(lambda: server.connections() == before)
    gateway = server.gateway.gateway
    assert gateway is not None
    assert server.settles(lambda: gateway.metrics.active == 0)
    server.stands()


# --- whose request it is ----------------------------------------------------------------------------------------------


def test_a_wrong_key_after_a_right_one_is_refused(server: Fuzzed) -> None:
    """A kept connection is no pass: each request is let in by its own key alone."""
    wrong = KEY[:-1] + ("0" if KEY[-1] != "0" else "1")
    with server.line() as line:
        for key, status in [
            (KEY, 200),
            (KEY, 200),
            (wrong, 401),
            (OTHER_KEY, 200),
            (None, 401),
            (wrong, 401),
            (KEY, 200),
        ]:
            line.send(request(CHAT, BODY, key=key))
            (answer,) = line.answers(1)
            assert answer.status == status


def test_a_key_taken_away_opens_nothing_on_a_kept_connection(tmp_path: Path) -> None:
    """A key that is no longer configured is refused at once, over connections that it was used on too."""
    with fuzzed(tmp_path) as server, server.line() as line:
        gateway = server.gateway.gateway
        assert gateway is not None
        ring = gateway.keyring
        line.send(request(CHAT, BODY))
        assert line.answers(1)[0].status == 200
        server.gateway.call(lambda: ring.adopt(Keyring([("second", OTHER_KEY)])))
        server.breathe()
        for key, status in [(KEY, 401), (OTHER_KEY, 200), (KEY, 401)]:
            line.send(request(CHAT, BODY, key=key))
            assert line.answers(1)[0].status == status
        server.gateway.call(lambda: ring.adopt(Keyring([("first", KEY)])))
        server.breathe()


def test_each_call_is_booked_on_its_own_key(server: Fuzzed) -> None:
    """On a kept connection each call is written down under the name of the key that came with it."""
    expected: dict[str, str] = {}
    with server.line() as line:
        for key, name in [(KEY, "first"), (KEY, "first"), (OTHER_KEY, "second"), (KEY, "first"), (OTHER_KEY, "second")]:
            line.send(request(CHAT, BODY, key=key))
            expected[line.answers(1)[0].headers["x-request-id"]] = name
    log = server.gateway.settings.data_dir / "logs" / "requests.jsonl"

    def booked() -> dict[str, str]:
        rows = [json.loads(row) for row in log.read_text().splitlines()] if log.exists() else []
        return {row["request_id"]: row["key"] for row in rows if row["request_id"] in expected}

    assert server.settles(lambda: booked() == expected), booked()


@pytest.mark.parametrize(
    "changed",
    [
        request(CHAT, BODY, key=None).replace(b"127.0.0.1", b"evil.example"),
        request(CHAT, BODY, key=None).replace(b"127.0.0.1", b"127.0.0.2"),
        request(CHAT, BODY, key=None, more="origin: https://evil.example\r\n"),
        request(CHAT, BODY, key=None, more="host: evil.example\r\n"),
    ],
    ids=["name", "address", "origin", "second-host"],
)
def test_without_keys_each_request_tells_where_it_comes_from(open_server: Fuzzed, changed: bytes) -> None:
    """A kept connection of the local user is no way in for a foreign page or host name."""
    with open_server.line() as line:
        for _ in range(3):
            line.send(request(CHAT, BODY, key=None))
            assert line.answers(1)[0].status == 200
        line.send(changed)
        assert line.answers(1)[0].status in {400, 403}
    open_server.stands()


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """A server without keys."""
    with fuzzed(tmp_path_factory.mktemp("open"), keys=[]) as one:
        yield one


# --- what a request may reach -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["address", "file"])
def test_a_schema_reaches_nothing_outside(server: Fuzzed, tmp_path: Path, place: str) -> None:
    """A reference in a schema makes the server open no address and no file."""
    (tmp_path / "schema.json").write_text('{"type": "string"}')
    before = len(server.upstream.requests)
    reference = f"{server.upstream.url}/schema" if place == "address" else f"file://{tmp_path}/schema.json"
    body = {"prompt": "Hi", "format": "json", "schema": {"$ref": reference}}
    answer = server.ask(request(GENERATE, json.dumps(body).encode()))
    assert len(server.upstream.requests) == before
    assert (answer.status, code_of(answer, GENERATE)) == (400, "invalid_request")


# --- what clients do by right -----------------------------------------------------------------------------------------

UPGRADE = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"
"""What Java's HTTP client offers with its first request."""


@pytest.mark.parametrize("offered", [request(CHAT, BODY, more=UPGRADE), request("/health", method="GET", more=UPGRADE)])
def test_an_offer_to_upgrade_is_passed_over(server: Fuzzed, offered: bytes) -> None:
    """A client that offers HTTP/2 beside its request gets its answer in HTTP/1.1."""
    assert server.ask(offered).told == server.alone(offered.replace(UPGRADE.encode(), b""))


@pytest.mark.parametrize("path", [CHAT, GENERATE])
@pytest.mark.parametrize("hosts", [b"", b"host: 127.0.0.1\r\nhost: 127.0.0.1\r\n"], ids=["none", "two"])
def test_a_request_names_one_host(server: Fuzzed, hosts: bytes, path: str) -> None:
    """A request of HTTP/1.1 without a Host, or with two, is refused, as the standard demands."""
    whole = request(path, chat("Hi") if path == CHAT else b'{"prompt": "Hi"}').replace(b"host: 127.0.0.1\r\n", hosts)
    assert server.ask(whole).status == 400
