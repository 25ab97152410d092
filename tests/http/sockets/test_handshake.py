"""The handshake of a socket: what is read from it, what is refused, and the answer."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from narthex.errors import InvalidRequest
from narthex.http.sockets.handshake import answer, choose, read_offer, wants_socket

NONCE = b"dGhlIHNhbXBsZSBub25jZQ=="
PAIRS = [
    (b"host", b"x"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", NONCE),
    (b"sec-websocket-version", b"13"),
]


def test_only_a_get_that_says_websocket_wants_one() -> None:
    """Another method, version or protocol is left to who it is for."""
    assert wants_socket(b"GET", "1.1", PAIRS)
    assert not wants_socket(b"POST", "1.1", PAIRS)
    assert not wants_socket(b"GET", "1.0", PAIRS)
    assert not wants_socket(b"GET", "1.1", [(b"upgrade", b"h2c")])


def test_a_key_comes_in_a_header_or_as_a_subprotocol() -> None:
    """Where both are given the header counts; the subprotocol with the key is never one to choose."""
    protocols = (b"sec-websocket-protocol", b"realtime, openai-insecure-api-key.sk-1 , other")
    offer = read_offer(b"/v1/realtime?model=a%2Fb&x=", [*PAIRS, protocols])
    assert offer.presented == b"sk-1"
    assert list(offer.subprotocols) == ["realtime", "other"]
    assert offer.query == {"model": "a/b", "x": ""}
    assert read_offer(b"/", [*PAIRS, protocols, (b"authorization", b"Bearer k")]).presented == b"Bearer k"
    assert read_offer(b"/", PAIRS).presented is None


@pytest.mark.parametrize(
    "pairs",
    [
        [pair for pair in PAIRS if pair[0] != b"host"],
        [*PAIRS, (b"host", b"y")],
        [pair for pair in PAIRS if pair[0] != b"sec-websocket-key"],
        [*PAIRS[:3], (b"sec-websocket-key", b"short"), PAIRS[4]],
        [*PAIRS[:3], (b"sec-websocket-key", NONCE[:-2]), PAIRS[4]],
        [*PAIRS[:3], (b"sec-websocket-key", b"dGhl"), PAIRS[4]],
        [*PAIRS[:4], (b"sec-websocket-version", b"8")],
        [*PAIRS, (b"content-length", b"3")],
        [*PAIRS, (b"transfer-encoding", b"chunked")],
    ],
)
def test_a_handshake_that_cannot_be_answered_is_refused(pairs: list[tuple[bytes, bytes]]) -> None:
    """Missing, doubled and broken headers, other versions and bodies are refused."""
    with pytest.raises(InvalidRequest):
        read_offer(b"/", pairs)


def test_a_subprotocol_is_chosen_from_those_offered() -> None:
    """What is spoken is chosen if it is offered; whoever offers none gets none; others are refused."""
    assert choose(["a", "realtime"], "realtime") == "realtime"
    assert choose([], "realtime") is None
    with pytest.raises(InvalidRequest, match="realtime"):
        choose(["a"], "realtime")


def test_a_client_takes_the_answer() -> None:
    """The answer to a real client's handshake opens its socket, with its subprotocol."""
    client = ClientProtocol(parse_uri("ws://127.0.0.1/v1/realtime"), subprotocols=["realtime"])  # type: ignore[list-item]
    request = client.connect()
    pairs = [(name.lower().encode(), value.encode()) for name, value in request.headers.raw_items()]
    offer = read_offer(b"/v1/realtime", pairs)
    client.send_request(request)
    client.receive_data(answer(offer, "realtime", b"date: now\r\n"))
    assert client.state is OPEN
    assert client.subprotocol == "realtime"
    (response,) = client.events_received()
    assert isinstance(response, Response)
    assert response.headers["date"] == "now"
