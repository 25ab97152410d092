"""Through the front door: answers that are kept, read on, listed, paused, cancelled, forgotten, and nobody else's."""

from __future__ import annotations

import json
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from narthex.testing.acts import Stall, cut_after, streamed
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_frames, openai_frames
from tests.gateways import KEY, RunningGateway, running

CHAT = "/v1/chat/completions"
OTHER_KEY = "sk-other-0123456789abcdef"
FELLOW_KEY = "sk-fellow-0123456789abcdef"
ASKED: dict[str, object] = {
    "model": "up/m",
    "messages": [{"role": "user", "content": "Hi"}],
    "max_tokens": 50,
    "stream": True,
    "stream_options": {"include_usage": True},
}
WORDS = " ".join(f"word{number}" for number in range(40))
FRAMES = openai_frames(WORDS)


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """Open a provider on both wires."""
    with ScriptedUpstream() as opened:
        yield opened


@pytest.fixture
def gateway(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server before it, with three keys: two of one tenant, and one of nobody."""
    keys = [
        {"name": "test", "key": KEY, "tenant": "acme"},
        {"name": "fellow", "key": FELLOW_KEY, "tenant": "acme"},
        {"name": "other", "key": OTHER_KEY},
    ]
    providers = {
        "up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]},
        "ant": {"kind": "anthropic", "base_url": upstream.url, "models": ["n"]},
    }
    with running(tmp_path, keys=keys, providers=providers) as one:
        yield one


def call(gateway: RunningGateway, method: str, path: str, *, key: str = KEY, **more: object) -> httpx.Response:
    """Call a route."""
    headers = {"authorization": f"Bearer {key}", **cast("dict[str, str]", more.pop("headers", {}))}
    return httpx.request(method, f"{gateway.url}{path}", headers=headers, timeout=20, **more)  # type: ignore[arg-type]


def ask(
    gateway: RunningGateway, body: dict[str, object] = ASKED, *, path: str = CHAT, **headers: str
) -> httpx.Response:
    """Ask for a streamed answer, and read it to its end."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(gateway, "POST", path, json=body, headers=sent)


def begin(gateway: RunningGateway, name: str, *, words: int = 3, **headers: str) -> tuple[socket.socket, bytes]:
    """Begin an answer under this ID and read so many events; return the open connection and what came."""
    lines = "".join(f"{header.replace('_', '-')}: {value}\r\n" for header, value in headers.items())
    body = json.dumps(ASKED).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\nx-narthex-stream-id: {name}\r\n"
        f"{lines}content-length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    connection.sendall(head.encode() + body)
    came = b""
    while came.count(b"\nid: ") < words:
        more = connection.recv(65_536)
        assert more, came
        came += more
    return connection, came


def drained(connection: socket.socket) -> bytes:
    """Read what comes until nothing does."""
    came = b""
    connection.settimeout(0.2)
    try:
        while True:
            came += connection.recv(65_536)
    except TimeoutError:
        return came


def report(gateway: RunningGateway, name: str, **more: str) -> dict[str, object]:
    """Return how a stream stands."""
    return cast("dict[str, object]", call(gateway, "GET", f"/v1/streams/{name}", **more).json())


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, for as long as a slow machine may need."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def plain(kept: bytes) -> bytes:
    """Return the events without the lines that are ours."""
    return re.sub(rb"^(id|retry): .*\n", b"", kept, flags=re.MULTILINE)


def test_a_kept_answer_is_the_same_answer(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """With numbers beside it, and to be read again as often as wanted, by the key's tenant alone."""
    upstream.play(streamed(FRAMES))
    answer = ask(gateway, x_narthex_stream_id="answer-1")
    assert (answer.status_code, answer.headers["x-narthex-stream-id"]) == (200, "answer-1")
    assert plain(answer.content) == b"".join(FRAMES)
    numbers = [int(number) for number in re.findall(rb"^id: answer-1:(\d+)$", answer.content, re.MULTILINE)]
    assert numbers == list(range(1, len(FRAMES) + 1))
    for key in (KEY, FELLOW_KEY):
        again = call(gateway, "GET", "/v1/streams/answer-1?after=0", key=key)
        assert (again.content, again.headers["content-type"]) == (answer.content, "text/event-stream; charset=utf-8")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("target", ["up/m", "ant/n"])
@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses"])
def test_cut_anywhere_and_read_on_nothing_is_missing_or_twice(
    gateway: RunningGateway, upstream: ScriptedUpstream, path: str, target: str
) -> None:
    """Cut at any byte, by any door, passed through or translated: what came and what comes are the one answer."""
    upstream.play(streamed(FRAMES if target == "up/m" else anthropic_frames(WORDS)))
    body: dict[str, object] = {**ASKED, "model": target}
    if path == "/v1/responses":
        body = {"model": target, "input": "Hi", "stream": True}
    whole = ask(gateway, body, path=path, x_narthex_stream_id="answer-1").content
    chance = random.Random(path + target)
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {KEY}"}, timeout=20) as client:
        for _ in range(170):
            came = whole[: chance.randrange(len(whole))]
            came = came[: came.rfind(b"\n\n") + 2] if b"\n\n" in came else b""
            ids = re.findall(rb"^id: (answer-1:\d+)$", came, re.MULTILINE)
            last = ids[-1].decode() if ids else "answer-1:0"
            if chance.random() < 0.5:
                rest = client.post(path, json=body, headers={"last-event-id": last})
                assert rest.headers["x-narthex-resumed"] == "true"
            else:
                rest = client.get(f"/v1/streams/answer-1?after={last.partition(':')[2]}")
            assert came + rest.content == whole
    assert len(upstream.requests) == 1


def test_a_detached_answer_goes_on_without_its_caller(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """The connection is lost in the middle; the answer is written to its end, and billed for what it was."""
    upstream.play(streamed(FRAMES, delay_s=0.02))
    connection, came = begin(gateway, "answer-1", x_narthex_on_disconnect="detach")
    connection.close()
    number = max(int(one) for one in re.findall(rb"^id: answer-1:(\d+)\r?$", came, re.MULTILINE))
    rest = call(gateway, "GET", f"/v1/streams/answer-1?after={number}").content
    assert plain(rest) == b"".join(FRAMES[number:])
    told = report(gateway, "answer-1")
    assert (told["status"], told["on_disconnect"], told["last_seq"]) == ("done", "detach", len(FRAMES))
    assert cast("dict[str, int]", told["usage"])["output_tokens"] > 0
    assert not upstream.abandoned


def test_an_answer_that_is_not_detached_ends_with_its_last_reader(
    gateway: RunningGateway, upstream: ScriptedUpstream
) -> None:
    """While somebody reads it goes on; then the provider's call is ended, and what came of it can still be read."""
    upstream.play(cut_after(streamed(FRAMES), sends=11, by=Stall()))
    connection, _ = begin(gateway, "answer-1", words=8)
    with httpx.stream(
        "GET", f"{gateway.url}/v1/streams/answer-1?after=0", headers={"authorization": f"Bearer {KEY}"}, timeout=20
    ) as second:
        wait_for(lambda: report(gateway, "answer-1")["readers"] == 2)
        connection.close()
        wait_for(lambda: report(gateway, "answer-1")["readers"] == 1)
        assert report(gateway, "answer-1")["status"] == "running"
        second.close()
    wait_for(lambda: report(gateway, "answer-1")["status"] == "cancelled")
    upstream.wait_for(lambda: upstream.abandoned == 1)
    rest = call(gateway, "GET", "/v1/streams/answer-1?after=10").text
    assert '"code":"cancelled"' in rest
    assert cast("dict[str, object]", report(gateway, "answer-1")["usage"])["estimated"] is True


def test_cancel_reaches_the_provider_and_tells_readers(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Ended by its owner, the answer says so to whoever reads, and there is nothing left to control."""
    upstream.play(cut_after(streamed(FRAMES), sends=11, by=Stall()))
    connection, _ = begin(gateway, "answer-1", words=8)
    ended = call(gateway, "POST", "/v1/streams/answer-1/cancel").json()
    assert (ended["status"], ended["error"]["code"]) == ("cancelled", "cancelled")
    upstream.wait_for(lambda: upstream.abandoned == 1)
    rest = b""
    while not rest.endswith(b"0\r\n\r\n"):
        rest += connection.recv(65_536)
    assert b'"code":"cancelled"' in rest
    connection.close()
    for verb in ("pause", "resume", "cancel"):
        refused = call(gateway, "POST", f"/v1/streams/answer-1/{verb}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "stream_ended")


def test_pause_and_resume(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Nothing is delivered while it is paused, not even the end; then everything."""
    upstream.play(streamed(FRAMES, delay_s=0.01))
    connection, came = begin(gateway, "answer-1", x_narthex_on_disconnect="detach")
    assert call(gateway, "POST", "/v1/streams/answer-1/pause").json()["status"] == "paused"
    came += drained(connection)
    assert call(gateway, "POST", "/v1/streams/answer-1/resume").json()["status"] in {"running", "done"}
    connection.settimeout(10)
    while not came.endswith(b"0\r\n\r\n"):
        came += connection.recv(65_536)
    assert came.count(b"data: ") == len(FRAMES)
    connection.close()


def test_a_pause_has_its_limit(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Past it the call is ended, and the report and the stream say why."""
    upstream.play(cut_after(streamed(FRAMES), sends=11, by=Stall()))
    keys = [{"name": "test", "key": KEY}]
    providers = {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]}}
    with running(tmp_path, keys=keys, providers=providers, streams={"pause_limit_s": 0.2}) as gateway:
        connection, _ = begin(gateway, "answer-1")
        call(gateway, "POST", "/v1/streams/answer-1/pause")
        wait_for(lambda: report(gateway, "answer-1")["status"] == "failed")
        assert cast("dict[str, str]", report(gateway, "answer-1")["error"])["code"] == "paused_too_long"
        upstream.wait_for(lambda: upstream.abandoned == 1)
        connection.close()


def test_streams_that_are_not_kept_have_a_handle_too(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Under the ID of their request they are listed, paused and cancelled; their events cannot be read again."""
    upstream.play(cut_after(streamed(FRAMES), sends=11, by=Stall()))
    with httpx.stream(
        "POST", f"{gateway.url}{CHAT}", json=ASKED, headers={"authorization": f"Bearer {KEY}"}, timeout=20
    ) as answer:
        name = answer.headers["x-request-id"]
        assert "x-narthex-stream-id" not in answer.headers
        (listed,) = call(gateway, "GET", "/v1/streams").json()["data"]
        assert (listed["id"], listed["kept"], listed["status"]) == (name, False, "running")
        refused = call(gateway, "GET", f"/v1/streams/{name}?after=0")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "stream_not_kept")
        assert call(gateway, "POST", f"/v1/streams/{name}/pause").json()["status"] == "paused"
        assert call(gateway, "POST", f"/v1/streams/{name}/resume").json()["status"] == "running"
        assert call(gateway, "POST", f"/v1/streams/{name}/cancel", key=OTHER_KEY).status_code == 404
        assert call(gateway, "POST", f"/v1/streams/{name}/cancel").json()["status"] == "cancelled"
        assert '"code":"cancelled"' in answer.read().decode()
    upstream.wait_for(lambda: upstream.abandoned == 1)
    assert call(gateway, "GET", f"/v1/streams/{name}").status_code == 404


def test_another_tenants_stream_is_nowhere(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Every route answers as if there were none, and the same ID is free for others."""
    upstream.play(streamed(FRAMES), streamed(FRAMES[:3] + FRAMES[-1:]))
    mine = ask(gateway, x_narthex_stream_id="answer-1").content
    routes = [("GET", ""), ("GET", "?after=0"), ("DELETE", ""), *(("POST", f"/{verb}") for verb in ("pause", "cancel"))]
    for method, rest in routes:
        hidden = call(gateway, method, f"/v1/streams/answer-1{rest}", key=OTHER_KEY)
        unknown = call(gateway, method, f"/v1/streams/answer-2{rest}", key=OTHER_KEY)
        assert hidden.status_code == unknown.status_code == 404
        assert hidden.json()["error"]["code"] == unknown.json()["error"]["code"] == "stream_not_found"
        assert hidden.json()["error"]["message"] == unknown.json()["error"]["message"]
    resumed = call(gateway, "POST", CHAT, json=ASKED, key=OTHER_KEY, headers={"last-event-id": "answer-1:1"})
    assert resumed.status_code == 404
    assert call(gateway, "GET", "/v1/streams", key=OTHER_KEY).json()["data"] == []
    theirs = call(gateway, "POST", CHAT, json=ASKED, key=OTHER_KEY, headers={"x-narthex-stream-id": "answer-1"})
    assert theirs.status_code == 200
    assert call(gateway, "GET", "/v1/streams/answer-1?after=0").content == mine


def test_an_id_stands_for_one_stream(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """A second call under it is refused, unless the first failed before it began; forgotten, it is gone."""
    refusal = call(
        gateway, "POST", CHAT, json={**ASKED, "model": "no/such"}, headers={"x-narthex-stream-id": "answer-1"}
    )
    assert refusal.status_code == 404
    assert report(gateway, "answer-1")["status"] == "failed"
    upstream.play(streamed(FRAMES))
    assert ask(gateway, x_narthex_stream_id="answer-1").status_code == 200
    again = ask(gateway, x_narthex_stream_id="answer-1")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "stream_exists")
    assert call(gateway, "DELETE", "/v1/streams/answer-1").json() == {
        "id": "answer-1",
        "object": "stream",
        "deleted": True,
    }
    gone = call(gateway, "GET", "/v1/streams/answer-1")
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "stream_expired")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-narthex-stream-id": "short"}, "invalid_request"),
        ({"x-narthex-stream-id": "with spaces in it"}, "invalid_request"),
        ({"x-narthex-on-disconnect": "shrug"}, "invalid_request"),
        ({"last-event-id": "nonsense"}, "invalid_request"),
        ({"last-event-id": "answer-9:1"}, "stream_not_found"),
        ({"last-event-id": "answer-1:999"}, "cursor_ahead"),
    ],
)
def test_what_makes_no_sense_is_refused(
    gateway: RunningGateway, upstream: ScriptedUpstream, headers: dict[str, str], code: str
) -> None:
    """With a clear error, and nothing is sent to a provider."""
    upstream.play(streamed(FRAMES))
    ask(gateway, x_narthex_stream_id="answer-1")
    refused = call(gateway, "POST", CHAT, json=ASKED, headers=headers)
    assert 400 <= refused.status_code < 500
    assert refused.json()["error"]["code"] == code
    assert len(upstream.requests) == 1


def test_the_answer_to_another_question_is_never_given(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """A cursor goes with the request that it came of."""
    upstream.play(streamed(FRAMES))
    ask(gateway, x_narthex_stream_id="answer-1")
    other = {**ASKED, "messages": [{"role": "user", "content": "Something else"}]}
    refused = call(gateway, "POST", CHAT, json=other, headers={"last-event-id": "answer-1:1"})
    assert refused.status_code == 409
    assert "GET /v1/streams/answer-1?after=1" in refused.json()["error"]["message"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "status=well"])
def test_a_list_is_asked_for_in_bounds(gateway: RunningGateway, query: str) -> None:
    """Anything else names the parameter."""
    refused = call(gateway, "GET", f"/v1/streams?{query}")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, query.partition("=")[0])


def test_lists_the_newest_first(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """As many as asked for, and whether there are more; of those that stand as asked for."""
    upstream.play(*[streamed(FRAMES)] * 3)
    for number in range(3):
        ask(gateway, x_narthex_stream_id=f"answer-{number}")
    listed = call(gateway, "GET", "/v1/streams?limit=2&status=done").json()
    assert [one["id"] for one in listed["data"]] == ["answer-2", "answer-1"]
    assert listed["has_more"] is True
    assert call(gateway, "GET", "/v1/streams?status=running").json()["data"] == []


def test_progress_is_told(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Bytes, events, tokens of the limit, the first token, and the gaps."""
    upstream.play(streamed(FRAMES, delay_s=0.01))
    answer = ask(gateway, x_narthex_stream_id="answer-1")
    told = cast("dict[str, object]", report(gateway, "answer-1")["progress"])
    assert (told["bytes"], told["events"], told["limit_tokens"]) == (len(answer.content), len(FRAMES), 50)
    assert cast("float", told["percent"]) > 0
    assert cast("int", told["first_token_ms"]) <= cast("int", told["elapsed_ms"])
    assert cast("dict[str, float]", told["gaps_ms"])["p50"] >= 1


def test_a_browser_reads_on_by_itself(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """`EventSource` names what it has read last, whatever address it was given."""
    upstream.play(streamed(FRAMES))
    whole = ask(gateway, x_narthex_stream_id="answer-1").content
    first = call(gateway, "GET", "/v1/streams/answer-1", headers={"accept": "text/event-stream"})
    assert first.content == whole
    headers = {"accept": "text/event-stream", "last-event-id": "answer-1:5"}
    later = call(gateway, "GET", "/v1/streams/answer-1?after=0", headers=headers)
    assert later.content == whole[whole.index(b"id: answer-1:6\n") :]
    foreign = call(gateway, "GET", "/v1/streams/answer-1", headers={"last-event-id": "answer-2:5"})
    assert foreign.status_code == 400


def test_a_stop_lets_a_detached_answer_end(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Nobody is connected any more, and it is whole all the same."""
    upstream.play(streamed(FRAMES, delay_s=0.02))
    connection, _ = begin(gateway, "answer-1", x_narthex_on_disconnect="detach")
    connection.close()
    assert gateway.gateway is not None
    log = gateway.gateway.registry.find("tenant:acme", "answer-1").log
    assert log is not None
    gateway.stop()
    gateway.__exit__(None, None, None)
    assert (log.closed, log.error, log.last_number) == (True, None, len(FRAMES))


def test_an_idempotency_key_goes_with_any_stream(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """How an answer is kept does not make it another call."""
    upstream.play(streamed(FRAMES))
    first = ask(gateway, idempotency_key="k", x_narthex_stream_id="answer-1")
    again = ask(gateway, idempotency_key="k", x_narthex_stream_id="answer-2", x_narthex_on_disconnect="detach")
    assert plain(again.content) == plain(first.content)
    assert len(upstream.requests) == 1
