"""HTTP without I/O."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.client.endpoint import endpoint_for
from narthex.client.http1 import HttpRequest, ResponseReader
from narthex.errors import BrokenAnswer

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Request-ID: r\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


def _read(*pieces: bytes) -> tuple[ResponseReader, bytes]:
    reader = ResponseReader()
    return reader, b"".join(map(reader.feed, pieces))


def test_requests_are_written() -> None:
    """A request has the host, the headers, and its body's length."""
    endpoint = endpoint_for("http://x:1/ai", api_key="k", headers={"X-A": "b"})
    written = HttpRequest(method="POST", path="/p", body=b"{}").encode(endpoint)
    head, _, body = written.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /ai/p HTTP/1.1\r\nhost: x:1\r\n")
    assert {b"authorization: Bearer k", b"x-a: b", b"content-length: 2"} <= set(head.split(b"\r\n"))
    assert body == b"{}"
    assert b"content-length" not in HttpRequest(method="GET", path="/").encode(endpoint)


@given(st.sampled_from([PLAIN, CHUNKED]), st.data())
def test_answers_are_read_in_any_pieces(raw: bytes, data: st.DataObject) -> None:
    """Wherever it is cut, an answer is the same."""
    at = data.draw(st.integers(0, len(raw)))
    reader, body = _read(raw[:at], raw[at:])
    assert (body, reader.complete, reader.reusable) == (b"hello", True, True)
    assert reader.head is not None
    assert reader.head.status == 200
    reader.close()


@given(st.sampled_from([PLAIN, CHUNKED]), st.data())
def test_beginnings_are_never_complete(raw: bytes, data: st.DataObject) -> None:
    """An answer that ends before its end raises, wherever it is cut."""
    reader, _ = _read(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(BrokenAnswer, match="closed the connection"):
        reader.close()


def test_informational_answers_are_passed_over() -> None:
    """What comes before the answer is not the answer."""
    reader, body = _read(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN)
    assert reader.head is not None
    assert (reader.head.status, body) == (200, b"hello")
    assert "link" not in reader.head.headers


def test_an_answer_may_last_until_the_end() -> None:
    """Without length the connection's end is the answer's, and the connection is used up."""
    reader, body = _read(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo")
    assert not reader.complete
    reader.close()
    assert (body, reader.complete, reader.reusable) == (b"hello", True, False)


def test_connection_close_ends_the_reuse() -> None:
    """A connection that the gateway wants to close is not kept."""
    reader, _ = _read(PLAIN.replace(b"X-Request-ID: r", b"Connection: close"))
    assert (reader.complete, reader.reusable) == (True, False)


@pytest.mark.parametrize("cut", [True, False])
def test_what_follows_an_answer_is_dropped(*, cut: bool) -> None:
    """Bytes behind the answer neither change it nor let the connection be used again."""
    extra = b"HTTP/1.1 500 No\r\ncontent-length: 3\r\n\r\nbad"
    reader, body = _read(PLAIN, extra) if cut else _read(PLAIN + extra)
    assert reader.head is not None
    assert (reader.head.status, body, reader.complete, reader.reusable) == (200, b"hello", True, False)


def test_what_is_not_http_is_told() -> None:
    """Another protocol on the port is named as such."""
    with pytest.raises(BrokenAnswer, match="does not speak HTTP"):
        _read(b"SSH-2.0-OpenSSH\r\n")
