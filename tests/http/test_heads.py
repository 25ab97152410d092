"""A head that comes again is known only if not a byte of it differs but the digits of its length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.http.heads import KnownHead, fields_of, known_head, without_offer
from narthex.http.surfaces import SURFACES

URL = b"/v1/chat/completions"
LINES = [b"POST /v1/chat/completions HTTP/1.1", b"Host: x", b"Content-Length: %d", b"Authorization: Bearer sk-1"]


def request(body: bytes, lines: list[bytes] = LINES, length: int | None = None) -> bytes:
    """Write a request."""
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    return head.replace(b"%d", b"%d" % (len(body) if length is None else length)) + body


def headers_of(lines: list[bytes]) -> dict[bytes, bytes]:
    """Read the headers as the parser does."""
    return {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines[1:])}


def learned(body: bytes = b"{}", lines: list[bytes] = LINES) -> KnownHead:
    """Learn a head that must be learned."""
    known = known_head(request(body, lines), URL, headers_of(lines))
    assert known is not None
    return known


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_same_head_with_another_body_is_known(first: bytes, second: bytes) -> None:
    """Only the length may differ, and the body is what stands behind the head."""
    assert learned(first).body_of(request(second)) == second


@given(st.binary(max_size=20), st.integers(0, 200), st.integers(0, 255))
def test_any_other_byte_makes_it_unknown(body: bytes, position: int, byte: int) -> None:
    """A request that differs anywhere in its head is never taken for the one that was read."""
    known = learned()
    data = request(body)
    head_size = len(data) - len(body)
    position %= head_size
    changed = data[:position] + bytes([byte]) + data[position + 1 :]
    if changed != data:
        assert known.body_of(changed) is None


@given(st.binary(min_size=1, max_size=20), st.data())
def test_a_request_that_is_not_there_as_a_whole_is_unknown(body: bytes, data: st.DataObject) -> None:
    """What lacks its end, or has something behind it, is left to the parser."""
    known, whole = learned(), request(body)
    assert known.body_of(whole[: data.draw(st.integers(0, len(whole) - 1))]) is None
    assert known.body_of(whole + data.draw(st.binary(min_size=1, max_size=9))) is None
    assert known.body_of(whole + whole) is None


@pytest.mark.parametrize("digits", [b"", b"+2", b"-2", b" 2", b"2 ", b"0x2", b"2,2", b"\xb2", b"2" * 10])
def test_a_length_that_is_not_digits_is_unknown(digits: bytes) -> None:
    """The parser alone judges what is not a plain number."""
    data = request(b"{}").replace(b"Content-Length: 2", b"Content-Length: " + digits)
    assert learned().body_of(data) is None


@pytest.mark.parametrize(
    "line", [b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"content-length: 2", b"X: a\r\nContent-Length: 2"]
)
def test_heads_that_are_not_plain_are_not_learned(line: bytes) -> None:
    """Other framings, and a length given twice, are read anew each time."""
    lines = [*LINES, line]
    assert known_head(request(b"{}", lines), URL, headers_of(lines)) is None


def test_a_head_without_its_whole_body_is_not_learned() -> None:
    """Neither half a request nor two at once teach anything."""
    headers = headers_of(LINES)
    assert known_head(request(b"{}", length=3), URL, headers) is None
    assert known_head(request(b"{}") + request(b"{}"), URL, headers) is None
    assert known_head(request(b"{}", [LINES[0], LINES[1]]), URL, {}) is None


def test_the_length_is_not_among_its_headers() -> None:
    """The length of one request says nothing about the next."""
    assert learned().headers == {b"host": b"x", b"authorization": b"Bearer sk-1"}


def test_only_model_routes_are_learned() -> None:
    """What another route would answer is never taken for a model's."""
    assert known_head(request(b"{}"), b"/health", headers_of(LINES)) is None
    assert learned().surface is SURFACES[URL]


def test_an_offer_is_left_out_of_a_head() -> None:
    """A head without its offer asks for the same, and says whether the connection is kept."""
    headers = [(b"host", b"x"), (b"upgrade", b"h2c"), (b"connection", b"upgrade"), (b"http2-settings", b"AA")]
    kept = without_offer(b"GET", b"/health", headers, keep_alive=True)
    assert kept == b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
    closed = without_offer(b"GET", b"/health", headers, keep_alive=False)
    assert closed == b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


def test_lines_of_a_list_are_one_list() -> None:
    """Whoever forbids something in one line is not overruled by the next; of other headers the last line holds."""
    pairs = [(b"cache-control", b"no-store"), (b"a", b"1"), (b"cache-control", b"max-age=5"), (b"a", b"2")]
    assert fields_of(pairs) == {b"cache-control": b"no-store, max-age=5", b"a": b"2"}
    assert fields_of(pairs[:2]) == dict(pairs[:2])
