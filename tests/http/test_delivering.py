"""Through the doors: a stream comes at the pace that was asked for, unchanged, and gives signs of life."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import anthropic
import openai
import pytest

from narthex.http.heartbeat import Heartbeat, sign_of_life
from narthex.testing.acts import Answer, Stall, streamed, then
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_frames, openai_frames
from narthex.types.dialects import Dialect
from tests.gateways import RawClient, RunningGateway, post, running

POEM = "the owl and the pussycat went to sea in a beautiful pea green boat"
SLOW_KEY = "sk-slow-0123456789abcdef"
FAST_KEY = "sk-fast-0123456789abcdef"
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
GENERATE = "/api/generate"
TOKENS = "x-narthex-max-tokens-per-second"


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """Open a provider."""
    with ScriptedUpstream() as opened:
        yield opened


@pytest.fixture
def gateway(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server with two keys, one of which is held to a pace, and no signs of life but those of a test."""
    providers = {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]}}
    keys = [{"name": "slow", "key": SLOW_KEY, "max_tokens_per_s": 0.001}, {"name": "fast", "key": FAST_KEY}]
    with running(
        tmp_path, providers=providers, keys=keys, streams={"keep_alive_comment_s": 0, "max_bytes": 67_108_864}
    ) as opened:
        yield opened


def asked(path: str) -> bytes:
    """Return the body of a streamed call on a route."""
    body: dict[str, object] = {"model": "up/m", "stream": True}
    if path == GENERATE:
        return json.dumps({**body, "prompt": "Recite."}).encode()
    return json.dumps({**body, "max_tokens": 99, "messages": [{"role": "user", "content": "Recite."}]}).encode()


def lines(headers: dict[str, str], *, ordinary: bool) -> str:
    """Write headers; those of a browser page lead to the ordinary door."""
    if ordinary:
        headers = {**headers, "origin": "http://127.0.0.1"}
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def call(gateway: RunningGateway, path: str, headers: dict[str, str], *, ordinary: bool) -> tuple[int, bytes]:
    """Make a call and return status and body."""
    with RawClient(gateway.port) as client:
        client.send(post(path, asked(path), key=FAST_KEY, more=lines(headers, ordinary=ordinary)))
        status, _, body = client.response()
    return status, body


def gist(body: bytes) -> list[object]:
    """Return the events of an answer without the names and times that each has of its own."""
    events = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(one, object_hook=_nameless) for one in events]


def _nameless(found: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in found.items() if name not in {"id", "created", "created_at"}}


DOORS = [(CHAT, False), (CHAT, True), (MESSAGES, False), (MESSAGES, True), (GENERATE, False)]


@pytest.mark.parametrize(("path", "ordinary"), DOORS)
@pytest.mark.parametrize(
    "headers",
    [
        {TOKENS: "2000"},
        {"x-narthex-max-bytes-per-second": "200000"},
        {"x-narthex-min-chunk-bytes": "700"},
        {"x-narthex-flush-ms": "20", TOKENS: "5000"},
    ],
)
def test_a_pace_changes_nothing_but_the_time(
    gateway: RunningGateway, upstream: ScriptedUpstream, path: str, ordinary: bool, headers: dict[str, str]
) -> None:
    """At every door and on every surface a paced answer has the events of one that comes as it comes."""
    upstream.always(streamed(openai_frames(POEM)))
    status, body = call(gateway, path, headers, ordinary=ordinary)
    _, plain = call(gateway, path, {}, ordinary=ordinary)
    assert status == 200
    if path == CHAT:
        # These pass through: no ID in them is made here.
        assert body == plain
    assert gist(body) == gist(plain)
    assert len(gist(body)) > 3


@pytest.mark.parametrize(("path", "ordinary"), DOORS)
def test_a_bad_pace_is_refused(gateway: RunningGateway, path: str, ordinary: bool) -> None:
    """Before anything is sent to a provider, with the name of the header and what may stand there."""
    status, body = call(gateway, path, {TOKENS: "fast"}, ordinary=ordinary)
    assert status == 400
    message = json.loads(body)["error"]["message"]
    assert message.startswith(f"header {TOKENS}: 'fast' is not a number above 0, at most 1000000")


@pytest.mark.parametrize(("path", "ordinary"), DOORS)
@pytest.mark.parametrize("headers", [{}, {TOKENS: "1000"}])
async def test_who_leaves_while_waiting_ends_the_call(
    gateway: RunningGateway, upstream: ScriptedUpstream, path: str, ordinary: bool, headers: dict[str, str]
) -> None:
    """A key is held to its pace whatever is asked, and the provider hears at once when its caller has left."""
    upstream.always(then(streamed(openai_frames(POEM)[:6], ended=False), Stall()))
    with RawClient(gateway.port) as client:
        client.send(post(path, asked(path), key=SLOW_KEY, more=lines(headers, ordinary=ordinary)))
        seen = client.read_until(b"data: ")
        assert b"pussycat" not in seen
    await upstream.disconnected()


@pytest.mark.parametrize(("path", "ordinary"), DOORS)
def test_a_silent_stream_gives_a_sign_of_life(
    gateway: RunningGateway, upstream: ScriptedUpstream, path: str, ordinary: bool
) -> None:
    """While a provider says nothing, whoever waits gets a sign of life, as an event or comment of its own."""
    upstream.always(then(streamed(openai_frames(POEM)[:4], ended=False), Stall()))

    async def sweep_twice(heartbeat: Heartbeat) -> None:
        heartbeat.sweep(0.0)
        heartbeat.sweep(1.0)

    with RawClient(gateway.port) as client:
        client.send(post(path, asked(path), key=FAST_KEY, more=lines({}, ordinary=ordinary)))
        client.read_until(b"owl")
        assert gateway.gateway is not None
        gateway.run(sweep_twice(gateway.gateway.heartbeat))
        sign = sign_of_life(Dialect.ANTHROPIC_MESSAGES if path == MESSAGES else Dialect.NATIVE)
        assert client.read_until(sign).count(sign) == 1


def signed(frames: Sequence[bytes], sign: bytes) -> Answer:
    """Return an answer with a sign of life before each event and after the last."""
    return streamed([sign, *(frame + sign for frame in frames)])


def test_openais_sdk_takes_signs_of_life(upstream: ScriptedUpstream) -> None:
    """They are nothing to it, wherever they stand."""
    upstream.always(signed(openai_frames(POEM), sign_of_life(Dialect.OPENAI_CHAT)))
    client = openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="none", max_retries=0)
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Recite."}], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices) == POEM


def test_openais_sdk_takes_signs_of_life_between_numbered_events(upstream: ScriptedUpstream) -> None:
    """Behind an `id` a blank line would be an event without data to it, so there is none."""
    frames = [b"id: chat-0001:%d\n%b" % pair for pair in enumerate(openai_frames(POEM), 1)]
    upstream.always(signed(frames, sign_of_life(Dialect.OPENAI_CHAT, numbered=True)))
    client = openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="none", max_retries=0)
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Recite."}], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices) == POEM


@pytest.mark.parametrize("key", [SLOW_KEY, FAST_KEY])
def test_a_kept_answer_is_read_on_at_a_pace(gateway: RunningGateway, upstream: ScriptedUpstream, key: str) -> None:
    """Whoever reads a kept answer may ask for a pace, and a key is held to its own there too."""
    upstream.always(streamed(openai_frames(POEM)))
    name = "x-narthex-stream-id: poem-0001\r\nx-narthex-on-disconnect: detach\r\n"
    with RawClient(gateway.port) as client:
        client.send(post(CHAT, asked(CHAT), key=key, more=name))
        client.read_until(b"id: poem-0001:1\n")
    gathered = "x-narthex-min-chunk-bytes: 100000\r\n"
    with RawClient(gateway.port) as client:
        client.send(get("/v1/streams/poem-0001?after=0", key=key, more=gathered))
        if key == SLOW_KEY:
            assert b"id: poem-0001:2\n" not in client.read_until(b"text/event-stream")
        else:
            status, _, body = client.response()
            assert (status, body.count(b"\nid: ") + 1) == (200, len(openai_frames(POEM)))
    with RawClient(gateway.port) as client:
        client.send(get("/v1/streams/poem-0001?after=0", key=key, more="x-narthex-flush-ms: soon\r\n"))
        assert client.response()[0] == 400


def get(path: str, *, key: str, more: str) -> bytes:
    """Write a request without a body."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n{more}\r\n".encode()


def test_anthropics_sdk_takes_signs_of_life(upstream: ScriptedUpstream) -> None:
    """They are its own pings, also to its helper that puts messages together."""
    upstream.always(signed(anthropic_frames(POEM), sign_of_life(Dialect.ANTHROPIC_MESSAGES)))
    client = anthropic.Anthropic(base_url=upstream.url, api_key="none", max_retries=0)
    with client.messages.stream(model="m", max_tokens=99, messages=[{"role": "user", "content": "Recite."}]) as answer:
        assert answer.get_final_text() == POEM


LONG = " ".join("x" * 40_000 for _ in range(400))
"""More than the buffers of a connection hold."""


@pytest.mark.parametrize("ordinary", [False, True])
def test_a_reader_that_takes_nothing_is_cut_off_and_comes_back(
    gateway: RunningGateway, upstream: ScriptedUpstream, ordinary: bool
) -> None:
    """Its connection ends without the end of the answer; behind its last event it gets the rest, byte for byte."""
    upstream.always(streamed(openai_frames(LONG), delay_s=0.002))
    more = {"x-narthex-stream-id": "long-0001", "x-narthex-on-disconnect": "detach"}
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        slow.settimeout(20)
        slow.connect(("127.0.0.1", gateway.port))
        slow.sendall(post(CHAT, asked(CHAT), key=FAST_KEY, more=lines(more, ordinary=ordinary)))
        until_done(gateway)
        got = b"".join(iter(lambda: slow.recv(1_048_576), b""))
    assert not got.endswith(b"0\r\n\r\n")
    seen = dechunked(got.partition(b"\r\n\r\n")[2])
    seen = seen[: seen.rindex(b"\n\n") + 2]
    last = int(re.findall(rb"^id: long-0001:(\d+)$", seen, re.MULTILINE)[-1])
    assert last < len(openai_frames(LONG))
    assert seen + events_after(gateway, last) == events_after(gateway, 0)


def until_done(gateway: RunningGateway) -> None:
    """Wait until the answer is written to its end."""
    status = None
    while status != "done":
        with RawClient(gateway.port) as client:
            client.send(get("/v1/streams/long-0001", key=FAST_KEY, more=""))
            code, _, body = client.response()
        status = json.loads(body)["status"] if code == 200 else None


def events_after(gateway: RunningGateway, number: int) -> bytes:
    """Read the kept answer on behind an event."""
    with RawClient(gateway.port) as client:
        client.send(get(f"/v1/streams/long-0001?after={number}", key=FAST_KEY, more=""))
        return client.response()[2]


def dechunked(body: bytes) -> bytes:
    """Return what the chunks of a body hold, the last of which may be cut."""
    parts: list[bytes] = []
    while body:
        size, _, body = body.partition(b"\r\n")
        parts.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return b"".join(parts)
