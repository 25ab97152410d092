"""The fast lane against a real server and a real upstream: order, limits, endings, and what it hands on."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from narthex.http.heartbeat import Heartbeat
from narthex.http.lane import LaneProtocol, _LaneCycle, _stream
from narthex.http.representations import Representations
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Stream
from narthex.testing.acts import Stall, Wait, cut_after, silent, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_answer, openai_frames
from narthex.types.dialects import Dialect
from tests.gateways import KEY, RawClient, RunningGateway, post, running

CHAT = "/v1/chat/completions"


def chat(*, stream: bool = False, model: str = "up/gpt-test", text: str = "Hi") -> bytes:
    """Return a chat request's body."""
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": text}]}
    if stream:
        body["stream"] = True
    return json.dumps(body).encode()


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """A provider."""
    with ScriptedUpstream() as one:
        yield one


@pytest.fixture(scope="module")
def gateway(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A server with a key, tight limits and one provider."""
    with running(
        tmp_path_factory.mktemp("data"),
        keys=[{"name": "test", "key": KEY}],
        providers={"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["gpt-test"]}},
        server={"max_body_bytes": 4096, "max_header_bytes": 2048, "header_timeout_s": 1, "body_timeout_s": 1},
    ) as one:
        yield one


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[RawClient]:
    """A raw connection."""
    with RawClient(gateway.port) as one:
        yield one


def test_a_whole_answer_passes_through_byte_for_byte(client: RawClient, upstream: ScriptedUpstream) -> None:
    """What the provider answers is what the client gets; the model's name is all that changes on the way out."""
    answer = json.dumps(json.loads(openai_answer("Hello")), indent=3).encode()
    upstream.play(whole(answer))
    client.send(post(CHAT, chat()))
    status, headers, body = client.response()
    assert (status, body) == (200, answer)
    assert headers["x-narthex-model"] == "up/gpt-test"
    assert headers["x-request-id"].startswith("req_")
    assert upstream.requests[-1].body == chat().replace(b"up/gpt-test", b"gpt-test")


def test_a_long_answer_goes_out_as_it_is_asked_for(client: RawClient, upstream: ScriptedUpstream) -> None:
    """Encoded for who takes that, with its length; others, and short answers, are not touched."""
    long, asked = openai_answer("word " * 2_000), "accept-encoding: br;q=0, gzip\r\n"
    upstream.play(whole(long), whole(long), whole(openai_answer("short")))
    client.send(post(CHAT, chat(), more=asked))
    status, headers, body = client.response()
    assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "accept-encoding")
    assert gzip.decompress(body) == long
    client.send(post(CHAT, chat()))
    _, headers, body = client.response()
    assert (body, headers["vary"], "content-encoding" in headers) == (long, "accept-encoding", False)
    client.send(post(CHAT, chat(), more=asked))
    _, headers, body = client.response()
    assert (body, "vary" in headers) == (openai_answer("short"), False)


def test_a_connection_carries_many_requests(client: RawClient) -> None:
    """Answers on one connection follow each other, each with its own request ID."""
    ids = set()
    for _ in range(5):
        client.send(post(CHAT, chat()))
        status, headers, _ = client.response()
        assert status == 200
        ids.add(headers["x-request-id"])
    assert len(ids) == 5


def test_pipelined_requests_are_answered_in_order(client: RawClient, upstream: ScriptedUpstream) -> None:
    """Requests sent without waiting are answered in their order, whichever door serves them."""
    names = ["first", "second", "third"]
    for name in names:
        upstream.play(whole(openai_answer(name)))
    one = post(CHAT, chat())
    health = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    client.send(one + health + one + one)
    bodies = [client.response()[2] for _ in range(4)]
    assert b"first" in bodies[0]
    assert b'"version"' in bodies[1]
    assert b"second" in bodies[2]
    assert b"third" in bodies[3]


def test_a_stream_passes_through_and_ends(client: RawClient, upstream: ScriptedUpstream) -> None:
    """A streamed answer reaches the client whole, and the connection goes on."""
    frames = openai_frames("Hello there, you", usage=False)
    upstream.play(streamed(frames, delay_s=0.01))
    client.send(post(CHAT, chat(stream=True)))
    status, headers, body = client.response()
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert body == b"".join(frames)
    client.send(post(CHAT, chat()))
    assert client.response()[0] == 200


def test_usage_asked_for_on_our_own_account_is_taken_out_again(client: RawClient, upstream: ScriptedUpstream) -> None:
    """The provider is asked for usage, the client that did not ask does not see it."""
    upstream.play(streamed(openai_frames("Hello", usage=True)))
    client.send(post(CHAT, chat(stream=True)))
    _, _, body = client.response()
    assert upstream.requests[-1].json()["stream_options"] == {"include_usage": True}
    assert b'"usage": {' not in body
    assert b'"usage":{' not in body
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_cut_stream_ends_in_an_error_event(client: RawClient, upstream: ScriptedUpstream) -> None:
    """A stream that the provider cuts never looks whole: its last event is an error, and no [DONE] follows."""
    upstream.play(cut_after(streamed(openai_frames("Hello there, you")), sends=3))
    client.send(post(CHAT, chat(stream=True)))
    _, _, body = client.response()
    assert b"[DONE]" not in body
    last = json.loads(body.rstrip().rpartition(b"data: ")[2])
    assert last["error"]["code"] == "provider_truncated_answer"


def test_a_stream_that_fails_before_its_first_frame_is_an_error_answer(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    """What breaks before the first frame gets a status, not a stream."""
    upstream.play(streamed([]))
    client.send(post(CHAT, chat(stream=True)))
    status, headers, body = client.response()
    assert status == 502
    assert json.loads(body)["error"]["request_id"] == headers["x-request-id"]


def test_a_client_that_leaves_ends_the_call(
    gateway: RunningGateway, client: RawClient, upstream: ScriptedUpstream
) -> None:
    """A client that disconnects in the middle of a stream ends the call at the provider within 200 ms."""
    upstream.play((*streamed(openai_frames("Hello there")[:3], ended=False), Stall()))
    before = upstream.abandoned
    client.send(post(CHAT, chat(stream=True)))
    client.read_until(b"Hello")
    left_at = time.monotonic()
    client.close()
    noticed_at = upstream.wait_for(lambda: upstream.abandoned > before)
    assert noticed_at - left_at < 2
    assert gateway.gateway is not None


def test_a_client_that_leaves_before_the_answer_ends_the_call(client: RawClient, upstream: ScriptedUpstream) -> None:
    """A client that disconnects while the provider is silent ends the call too."""
    upstream.play(silent())
    requests, before = len(upstream.requests), upstream.abandoned
    client.send(post(CHAT, chat()))
    upstream.wait_for(lambda: len(upstream.requests) > requests)
    client.close()
    upstream.wait_for(lambda: upstream.abandoned > before)


@pytest.mark.parametrize(
    ("key", "code"), [(None, "invalid_api_key"), ("sk-wrong", "invalid_api_key"), ("", "invalid_api_key")]
)
def test_a_wrong_key_is_refused(client: RawClient, key: str | None, code: str) -> None:
    """Without one of the keys there is no answer, and the error says how to send one."""
    client.send(post(CHAT, chat(), key=key))
    status, _, body = client.response()
    assert status == 401
    assert json.loads(body)["error"]["code"] == code


def test_an_anthropic_error_has_anthropics_shape(client: RawClient) -> None:
    """Each surface tells errors in its own shape."""
    client.send(post("/v1/messages", chat(), key=None))
    status, headers, body = client.response()
    assert status == 401
    error = json.loads(body)
    assert error["type"] == "error"
    assert error["error"]["type"] == "authentication_error"
    assert error["request_id"] == headers["x-request-id"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"null", b'{"model": 7}', b"\xff\xfe", b'{"stream": "yes"}']
)
def test_a_broken_body_is_an_invalid_request(client: RawClient, body: bytes) -> None:
    """What is not a request gets a 400 that says why, and the connection lives on."""
    client.send(post(CHAT, body))
    status, _, answer = client.response()
    assert status == 400
    assert json.loads(answer)["error"]["code"] == "invalid_request"
    client.send(post(CHAT, chat()))
    assert client.response()[0] == 200


def test_an_unknown_model_is_not_found_and_the_nearest_is_named(client: RawClient) -> None:
    """A typing error in a model's name is answered with the name that was probably meant."""
    client.send(post(CHAT, chat(model="up/gpt-tset")))
    status, _, body = client.response()
    error = json.loads(body)["error"]
    assert status == 404
    assert error["code"] == "model_not_found"


def test_a_body_over_the_limit_is_refused_at_its_head(client: RawClient) -> None:
    """A body declared too large is refused before it is sent."""
    client.send(post(CHAT, b"x" * 100_000)[:400])
    status, headers, body = client.response()
    assert status == 413
    assert headers["connection"] == "close"
    assert "max_body_bytes" in json.loads(body)["error"]["message"]


def test_a_chunked_body_over_the_limit_is_refused(client: RawClient) -> None:
    """A body without a length is refused when it passes the limit."""
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    client.send(head.encode() + b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
    assert client.response()[0] == 413


def test_an_endless_head_is_refused(client: RawClient) -> None:
    """A head over the limit is refused while it is sent."""
    client.send(b"POST " + CHAT.encode() + b" HTTP/1.1\r\n" + b"x-a: " + b"y" * 5000)
    assert client.response()[0] == 400


def test_a_head_that_never_ends_times_out(client: RawClient) -> None:
    """A request head that stops half-way gets 408 and the connection is closed."""
    client.send(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nhost: x\r\n")
    assert client.response()[0] == 408
    assert client.closed()


def test_a_half_sent_body_times_out(client: RawClient) -> None:
    """A request body that stops half-way gets 408."""
    client.send(post(CHAT, chat())[:-10])
    status, _, body = client.response()
    assert status == 408
    assert json.loads(body)["error"]["code"] == "request_timeout"


def test_a_half_sent_body_on_an_ordinary_route_times_out(client: RawClient) -> None:
    """The same holds where the ASGI application serves."""
    client.send(post("/api/generate", b'{"prompt": "x"}')[:-3])
    assert client.response()[0] == 408


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost : x\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\n x: folded\r\n\r\n",
    ],
)
def test_what_is_not_clean_http_is_refused(client: RawClient, nonsense: bytes) -> None:
    """Ambiguous framing and nonsense get a 400 and the end of the connection: nothing can be smuggled."""
    client.send(nonsense)
    status, headers, _ = client.response()
    assert status == 400
    assert headers["connection"] == "close"


def test_expect_continue_is_answered(client: RawClient) -> None:
    """A client that waits for `100 Continue` gets it."""
    request = post(CHAT, chat(), more="expect: 100-continue\r\n")
    head, _, body = request.partition(b"\r\n\r\n")
    client.send(head + b"\r\n\r\n")
    client.read_until(b"100 Continue\r\n\r\n")
    client.send(body)
    assert client.response()[0] == 100
    assert client.response()[0] == 200


def test_http_1_0_and_connection_close_end_the_connection(client: RawClient) -> None:
    """A client that wants the connection closed has it closed, after a whole answer."""
    client.send(post(CHAT, chat(), more="connection: close\r\n"))
    status, headers, _ = client.response()
    assert status == 200
    assert headers["connection"] == "close"
    assert client.closed()


def test_a_browser_page_of_elsewhere_is_refused_without_keys(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Without keys neither a foreign page nor a foreign host name gets in."""
    with running(tmp_path, providers={"up": {"kind": "openai", "base_url": f"{upstream.url}/v1"}}) as gateway:
        for more, host, status in [
            ("origin: https://evil.example\r\n", "127.0.0.1", 403),
            ("", "evil.example", 403),
            ("", "evil.example:80", 403),
            ("", "localhost", 200),
            (f"origin: http://127.0.0.1:{gateway.port}\r\n", f"127.0.0.1:{gateway.port}", 200),
            ("", "[::1]:8484", 200),
        ]:
            with RawClient(gateway.port) as client:
                client.send(
                    post(CHAT, chat(), key=None, more=more).replace(b"host: 127.0.0.1", b"host: " + host.encode())
                )
                assert client.response()[0] == status, (more, host)


def test_a_graceful_stop_lets_streams_end(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """A server told to stop finishes the streams that run, then ends."""
    frames = openai_frames("one two three four five", usage=False)
    upstream.play(streamed(frames, delay_s=0.1))
    with running(tmp_path, providers={"up": {"kind": "openai", "base_url": f"{upstream.url}/v1"}}) as gateway:
        with RawClient(gateway.port) as client:
            client.send(post(CHAT, chat(stream=True), key=None))
            client.read_until(b"one")
            gateway.stop()
            _, _, body = client.response()
        assert body == b"".join(frames)


def test_a_slow_reader_is_bounded_and_loses_nothing(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """A client that reads late gets every byte; meanwhile the provider is paused instead of memory filled."""
    frames = openai_frames("word " * 20_000, usage=False)
    upstream.play(streamed(frames))
    with RawClient(gateway.port) as client:
        client.send(post(CHAT, chat(stream=True)))
        time.sleep(0.5)
        assert client.response()[2] == b"".join(frames)


async def test_a_client_that_stalls_at_the_first_write_gets_no_second() -> None:
    """What fills the connection from the beginning pauses the answer, whose rest is held until the client reads."""
    by = Representations()
    shared = SimpleNamespace(heartbeat=Heartbeat(), sweeper=SimpleNamespace(now=1.0), representations=by)
    connection: LaneProtocol = object.__new__(type("Connection", (LaneProtocol,), {"lane": shared}))
    written: list[bytes] = []

    def write(data: bytes) -> None:
        written.append(data)
        if len(written) == 1:
            connection.pause_writing()

    connection.stalled_since = connection.outflow = None
    connection.server_state = cast("ServerState", SimpleNamespace(default_headers=[]))
    connection.transport = cast("asyncio.Transport", SimpleNamespace(write=write, is_closing=lambda: False))
    connection.flow = cast("FlowControl", SimpleNamespace(pause_writing=lambda: None, resume_writing=lambda: None))
    exchange, answer = Exchange(Dialect.OPENAI_CHAT, b"{}", {}), Stream(Dialect.OPENAI_CHAT)
    answer.append(b"data: a\n\n")
    serving = asyncio.ensure_future(_stream(connection, exchange, _LaneCycle(), answer))
    await asyncio.sleep(0)
    answer.append(b"data: b\n\n")
    assert len(written) == 1
    connection.resume_writing()
    answer.close()
    await serving
    assert written[1:] == [b"9\r\ndata: b\n\n\r\n", b"0\r\n\r\n"]
    assert len(shared.heartbeat) == 0


def test_an_endless_head_behind_another_request_ends_the_connection(
    client: RawClient, upstream: ScriptedUpstream
) -> None:
    """What is pipelined while an answer is written is held to the same size; its caller is not to be answered twice."""
    before = upstream.abandoned
    upstream.play(cut_after(streamed(openai_frames("one two three")), sends=3, by=Stall()))
    client.send(post(CHAT, chat(stream=True)))
    client.send(b"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\n")
    with suppress(ConnectionError):
        for _ in range(4):
            client.send(b"x-filler: " + b"x" * 1_000 + b"\r\n")
            time.sleep(0.01)
    upstream.wait_for(lambda: upstream.abandoned == before + 1)


def test_a_head_begun_behind_another_request_is_a_head(client: RawClient, upstream: ScriptedUpstream) -> None:
    """Whatever comes when that is answered goes on with it, also what looks like a request that is known."""
    client.send(post(CHAT, chat()))
    client.response()
    upstream.play((Wait(0.2), *whole(openai_answer("one"))))
    client.send(post(CHAT, chat()) + b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\nx-half: ")
    status, _, body = client.response()
    assert (status, b"one" in body) == (200, True)
    client.send(post(CHAT, chat()))
    assert client.response()[0] == 400
