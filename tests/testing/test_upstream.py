"""The upstream on a real socket, driven by clients that we did not write."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import anthropic
import openai
import pytest
import trustme
from openai.types.chat import ChatCompletionMessageParam

from narthex.testing import ScriptedUpstream
from narthex.testing.acts import Close, EndSending, Hold, Reset, Send, Wait, cut, silent, streamed, then, whole
from narthex.testing.wires import openai_frames


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """Return an upstream that runs."""
    with ScriptedUpstream() as running:
        yield running


def _connection(upstream: ScriptedUpstream) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=5)


def _get(connection: http.client.HTTPConnection, path: str = "/") -> bytes:
    connection.request("GET", path)
    return connection.getresponse().read()


def _raw(upstream: ScriptedUpstream, sent: bytes = b"GET / HTTP/1.1\r\n\r\n") -> bytes:
    """Send bytes on a connection of their own; return all that comes until it ends."""
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=5) as plain:
        plain.sendall(sent)
        pieces = b""
        while piece := plain.recv(65_536):
            pieces += piece
        return pieces


def test_healthy_answers_please_openai_s_sdk(upstream: ScriptedUpstream) -> None:
    """Unscripted it is a provider that OpenAI's own SDK is content with."""
    with openai.OpenAI(api_key="test", base_url=f"{upstream.url}/v1", max_retries=0) as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
        whole_answer = client.chat.completions.create(model="gpt-test", messages=messages)
        assert whole_answer.choices[0].message.content == "Hello from upstream."
        chunks = list(client.chat.completions.create(model="gpt-test", messages=messages, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello from upstream."
        vectors = client.embeddings.create(model="e", input=["a", "b"], encoding_format="float")
        assert len(vectors.data) == 2
        assert [model.id for model in client.models.list()] == ["gpt-test", "claude-test"]
    assert upstream.requests[0].json()["model"] == "gpt-test"
    assert upstream.requests[0].headers["authorization"] == "Bearer test"
    assert (upstream.requests[-1].method, upstream.requests[-1].path) == ("GET", "/v1/models")


def test_healthy_answers_please_anthropic_s_sdk(upstream: ScriptedUpstream) -> None:
    """And so is Anthropic's."""
    with anthropic.Anthropic(api_key="test", base_url=upstream.url, max_retries=0) as client:
        messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hi"}]
        found = client.messages.create(model="claude-test", max_tokens=9, messages=messages)
        assert isinstance(found.content[0], anthropic.types.TextBlock)
        with client.messages.stream(model="claude-test", max_tokens=9, messages=messages) as stream:
            assert stream.get_final_text() == "Hello from upstream."
        assert client.messages.count_tokens(model="claude-test", messages=messages).input_tokens == 9
        assert len(list(client.models.list())) == 2


def test_unknown_routes_are_not_found(upstream: ScriptedUpstream) -> None:
    """What no provider has is answered 404."""
    connection = _connection(upstream)
    connection.request("GET", "/v2/nothing?x=1")
    response = connection.getresponse()
    assert response.status == 404
    assert json.loads(response.read())["error"]["code"] == "not_found"
    assert upstream.requests[0].path == "/v2/nothing"
    connection.close()


def test_answers_are_played_in_order_then_as_usual(upstream: ScriptedUpstream) -> None:
    """What was put up is played once each; then the responder has its say again."""
    upstream.play(whole(b"1"), whole(b"2"))
    upstream.always(whole(b"always"))
    connection = _connection(upstream)
    assert [_get(connection) for _ in range(4)] == [b"1", b"2", b"always", b"always"]
    connection.close()
    upstream.wait_for(lambda: upstream.closed == 1)
    assert (upstream.opened, upstream.abandoned) == (1, 0)


def test_connections_are_numbered(upstream: ScriptedUpstream) -> None:
    """Each request tells on which connection it came."""
    first, second = _connection(upstream), _connection(upstream)
    for connection in (first, second, first):
        _get(connection)
    assert [request.connection for request in upstream.requests] == [1, 2, 1]
    first.close()
    second.close()


def test_pipelined_requests_are_answered_in_order(upstream: ScriptedUpstream) -> None:
    """Requests sent in one go are answered one after the other."""
    upstream.play(then(whole(b"first"), Wait(0.01)), then(whole(b"second"), Close()))
    found = _raw(upstream, b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
    assert found.index(b"first") < found.index(b"second")
    assert [request.target for request in upstream.requests] == ["/1", "/2"]


def test_an_answer_can_be_cut_anywhere(upstream: ScriptedUpstream) -> None:
    """Exactly the bytes asked for arrive, then the connection ends in the way asked for."""
    answer = whole(b"0123456789")
    upstream.play(cut(answer, after_bytes=30))
    assert len(_raw(upstream)) == 30
    upstream.play(cut(answer, after_bytes=0, by=Reset()))
    with pytest.raises(ConnectionResetError):
        _raw(upstream)
    upstream.play((EndSending(),))
    assert _raw(upstream) == b""


def test_an_answer_waits_until_it_is_let_go(upstream: ScriptedUpstream) -> None:
    """What stands behind a hold comes when the test says so; a client that leaves ends the hold."""
    let_go = threading.Event()
    upstream.play((Send(b"ab"), Hold(let_go.is_set), Send(b"cd"), Close()), (Send(b"ab"), Hold(lambda: False)))
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert plain.recv(100) == b"ab"
        let_go.set()
        assert plain.recv(100) == b"cd"
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert plain.recv(100) == b"ab"
    upstream.wait_for(lambda: upstream.abandoned == 1, 5)


def test_slow_readers_lose_nothing(upstream: ScriptedUpstream) -> None:
    """An answer larger than all buffers waits for its reader."""
    upstream.play(streamed([bytes(1_000_000)] * 20))
    assert len(_raw(upstream, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")) > 20_000_000


def test_connection_close_is_honoured(upstream: ScriptedUpstream) -> None:
    """A client that asks for the end of the connection gets it."""
    upstream.play(whole(b"x"))
    assert _raw(upstream, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").endswith(b"x")


def test_continue_is_answered(upstream: ScriptedUpstream) -> None:
    """A client that asks before it sends its body is told to go on."""
    upstream.play(then(whole(b"x"), Close()))
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=5) as plain:
        plain.sendall(head)
        assert plain.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        plain.sendall(b"{}")
        upstream.wait_for(lambda: len(upstream.requests) == 1)
    assert upstream.requests[0].body == b"{}"


def test_nonsense_is_answered_400(upstream: ScriptedUpstream) -> None:
    """What is not HTTP is told so, and the connection ends."""
    assert b" 400 " in _raw(upstream, b"\x16\x03\x01 hello\r\n\r\n")
    assert upstream.requests == []


async def test_a_client_that_leaves_is_noticed(upstream: ScriptedUpstream) -> None:
    """Leaving in the middle of an answer counts, whatever it was doing, and can be waited for."""
    for number, answer in enumerate((silent(), streamed([b"x"] * 1_000, delay_s=0.05)), 1):
        upstream.play(answer)
        _, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await upstream.requested(number)
        left_at = time.monotonic()
        writer.close()
        assert await upstream.disconnected(answers=number) >= left_at
    await upstream.all_closed()
    with pytest.raises(TimeoutError):
        await upstream.disconnected(0.01, answers=3)


async def test_stopping_ends_everything() -> None:
    """Stopping breaks open connections off and frees the port."""
    async with ScriptedUpstream() as upstream:
        upstream.always(silent())
        reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await upstream.requested()
        port = upstream.port
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


def test_a_blocked_loop_does_not_block_it(upstream: ScriptedUpstream) -> None:
    """It answers from a thread of its own, so that blocking calls in tests work."""
    upstream.play(streamed(openai_frames("A few words.")))
    connection = _connection(upstream)
    assert _get(connection).endswith(b"data: [DONE]\n\n")
    connection.close()


def test_it_speaks_tls() -> None:
    """With a certificate it is a provider behind TLS."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with ScriptedUpstream(tls=server) as upstream:
        assert upstream.url == f"https://localhost:{upstream.port}"
        connection = http.client.HTTPSConnection("localhost", upstream.port, context=trusting, timeout=5)
        assert b"gpt-test" in _get(connection, "/v1/models")
        connection.close()
