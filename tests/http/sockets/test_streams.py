"""Many kept streams on one socket: started, followed again, controlled, and hidden from others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import cast

import httpx
import pytest

from narthex.testing.acts import Answer, Hold, Stall, cut_after, streamed
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_frames
from tests.gateways import KEY, RunningGateway, running
from tests.http.sockets.talking import Refused, SocketClient, masked
from tests.stores.servers import running_redis

PATH = "/v1/streams/ws"
OTHER = "sk-other-0123456789abcdef"
BODY = {"model": "up/m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """A provider."""
    with ScriptedUpstream() as one:
        yield one


@pytest.fixture(scope="module")
def gateway(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A server with two keys and one provider."""
    with running(
        tmp_path_factory.mktemp("data"),
        keys=[{"name": "test", "key": KEY}, {"name": "other", "key": OTHER}],
        providers={"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]}},
    ) as one:
        yield one


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[SocketClient]:
    """A socket."""
    with SocketClient(gateway.port, PATH, protocols=["narthex.streams.v1"]) as one:
        yield one


def start(name: str, **more: object) -> dict[str, object]:
    """Return the message that starts a stream."""
    return {"type": "start", "stream": name, "path": "/v1/chat/completions", "body": BODY, **more}


def half() -> Answer:
    """Answer the beginning of a text, and then nothing."""
    return cut_after(streamed(openai_frames("One two three")), sends=4, by=Stall())


def error_of(client: SocketClient, message: dict[str, object]) -> str:
    """Return the code of the error that a message is answered with."""
    client.send(message)
    return str(cast("dict[str, object]", client.until("error")[-1]["error"])["code"])


def test_a_stream_is_told_and_can_be_read_again(
    gateway: RunningGateway, client: SocketClient, upstream: ScriptedUpstream
) -> None:
    """Events come with their numbers to the end; another socket of the same key reads on behind any of them."""
    upstream.play(streamed(openai_frames("One two three")))
    client.send(start("stream-one"))
    events = client.until("end")
    numbers = [one["seq"] for one in events[:-1]]
    assert numbers == list(range(1, len(events)))
    assert events[-2]["data"] == "[DONE]"
    assert events[-1] == {"type": "end", "stream": "stream-one", "after": numbers[-1], "error": None}
    with SocketClient(gateway.port, PATH) as again:
        again.send({"type": "attach", "stream": "stream-one", "after": 2})
        assert again.until("end") == events[2:]


def test_streams_share_a_socket_and_are_controlled_one_by_one(client: SocketClient, upstream: ScriptedUpstream) -> None:
    """One that stands still does not hold another up; a cancel ends it, and says so."""
    upstream.play(half(), streamed(openai_frames("Quick")))
    client.send(start("stream-slow"))
    client.until("event")
    client.send(start("stream-quick"))
    assert client.until("end")[-1]["stream"] == "stream-quick"
    client.send({"type": "pause", "stream": "stream-slow"})
    assert cast("dict[str, object]", client.until("state")[-1]["state"])["status"] == "paused"
    client.send({"type": "resume", "stream": "stream-slow"})
    client.until("state")
    client.send({"type": "cancel", "stream": "stream-slow"})
    end = client.until("end")[-1]
    assert (end["stream"], cast("dict[str, object]", end["error"])["code"]) == ("stream-slow", "cancelled")


def test_a_detached_stream_outlives_its_socket(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Its reader leaves with a cursor, and finds the rest there."""
    upstream.play(half())
    with SocketClient(gateway.port, PATH) as first:
        first.send(start("stream-kept", on_disconnect="detach"))
        first.until("event")
        first.send({"type": "detach", "stream": "stream-kept"})
        after = first.until("detached")[-1]["after"]
    with SocketClient(gateway.port, PATH) as second:
        second.send({"type": "attach", "stream": "stream-kept", "after": after})
        second.send({"type": "cancel", "stream": "stream-kept"})
        second.until("end")


def test_what_cannot_be_done_is_told_and_harms_nothing(
    gateway: RunningGateway, client: SocketClient, upstream: ScriptedUpstream
) -> None:
    """Unknown and foreign streams, cursors ahead, faulty messages: each has its code, and the socket goes on."""
    upstream.play(half())
    client.send(start("stream-mine"))
    client.until("event")
    with SocketClient(gateway.port, PATH, key=OTHER) as other:
        for kind in ("attach", "pause", "resume", "cancel"):
            assert error_of(other, {"type": kind, "stream": "stream-mine"}) == "stream_not_found"
        assert error_of(other, {"type": "detach", "stream": "stream-mine"}) == "invalid_request"
    for message in (
        {"type": "dance"},
        {"type": "start", "stream": "stream-x"},
        {"type": "start", "stream": "stream-x", "path": "/v1/embeddings", "body": {}},
        start("stream-mine"),
        start("x"),
        {"type": "attach", "stream": "stream-mine"},
        {"type": "attach", "stream": 5},
    ):
        assert error_of(client, cast("dict[str, object]", message)) == "invalid_request"
    with SocketClient(gateway.port, PATH) as same:
        assert error_of(same, {"type": "attach", "stream": "stream-mine", "after": 99}) == "cursor_ahead"
        assert error_of(same, start("stream-mine")) == "stream_exists"
    client.send({"type": "ping"})
    client.until("pong")
    client.send({"type": "cancel", "stream": "stream-mine"})
    client.until("end")


def status_of(gateway: RunningGateway, name: str) -> str:
    """Return how a stream stands."""
    told = httpx.get(f"{gateway.url}/v1/streams/{name}", headers={"authorization": f"Bearer {KEY}"}, timeout=20)
    return str(told.json()["status"])


def wait_until(gateway: RunningGateway, name: str, status: str) -> None:
    """Wait until a stream stands so."""
    for _ in range(2_000):
        if status_of(gateway, name) == status:
            return
        time.sleep(0.01)
    raise AssertionError(f"it is {status_of(gateway, name)}")


def numbers_of(messages: list[dict[str, object]]) -> list[object]:
    """Return the numbers of the events among some messages."""
    return [one["seq"] for one in messages if one["type"] == "event"]


def test_a_slow_reader_is_dropped_with_a_cursor(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Who takes nothing is told behind which event it was dropped, and reads the rest from there, with no gap."""
    follows = Event()
    # More than the sockets of a system hold by themselves. Who comes when all is written may take it slowly, hence the
    # first events before the others.
    head, *frames = streamed(openai_frames(" ".join("x" * 40_000 for _ in range(250))))
    upstream.play((head, *frames[:2], Hold(follows.is_set), *frames[2:]))
    providers = {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]}}
    streams = {"reader_lag_bytes": 65_536, "max_bytes": 67_108_864}
    with (
        running(tmp_path, providers=providers, streams=streams) as one,
        SocketClient(one.port, PATH, key=None, receive_buffer_bytes=65_536) as slow,
    ):
        slow.send(start("stream-large", on_disconnect="detach"))
        came = slow.until("event")
        follows.set()
        wait_until(one, "stream-large", "done")
        came += slow.until("dropped")
        told = numbers_of(came)
        assert came[-1] == {"type": "dropped", "stream": "stream-large", "after": told[-1]}
        slow.send({"type": "attach", "stream": "stream-large", "after": told[-1]})
        rest = slow.until("end")
        assert rest[-1]["error"] is None
        assert [*told, *numbers_of(rest)] == list(range(1, cast("int", rest[-1]["after"]) + 1))


def test_a_stream_is_told_no_faster_than_its_key_may(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """The limit of a key holds on a socket too, for what is started and for what is read again."""
    upstream.play(streamed(openai_frames("One two three")))
    providers = {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]}}
    keys = [{"name": "test", "key": KEY, "max_tokens_per_s": 0.01}]
    with (
        running(tmp_path, keys=keys, providers=providers) as one,
        SocketClient(one.port, PATH) as first,
        SocketClient(one.port, PATH) as second,
    ):
        first.send(start("stream-paced", on_disconnect="detach"))
        wait_until(one, "stream-paced", "done")
        second.send({"type": "attach", "stream": "stream-paced", "after": 2})
        for client, number in ((first, 1), (second, 3)):
            client.send({"type": "ping"})
            assert numbers_of(client.until("pong")) == [number]


@contextmanager
def two_nodes(tmp_path: Path, upstream: ScriptedUpstream) -> Iterator[tuple[RunningGateway, RunningGateway]]:
    """Run two servers that share what they keep."""
    with running_redis(tmp_path) as redis, ExitStack() as stack:
        changes: dict[str, object] = {
            "keys": [{"name": "test", "key": KEY}, {"name": "other", "key": OTHER}],
            "providers": {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]}},
            "redis": {"url": redis.url},
        }
        one, two = (stack.enter_context(running(tmp_path / name, **changes)) for name in ("one", "two"))
        yield one, two


def attached(client: SocketClient, name: str, after: int) -> dict[str, object]:
    """Attach to a stream that another node may not have heard of yet, and return the first event."""
    told: dict[str, object] = {}
    for _ in range(500):
        client.send({"type": "attach", "stream": name, "after": after})
        told = client.receive()
        if told["type"] != "error":
            return told
        assert cast("dict[str, object]", told["error"])["code"] == "stream_not_found"
        time.sleep(0.01)
    raise AssertionError(told)


def told_words(client: SocketClient, words: list[str]) -> list[object]:
    """Say several words about a stream at once, and return how it stood after each."""
    for word in words:
        client.send({"type": word, "stream": "stream-there"})
    return [cast("dict[str, object]", client.until("state")[-1]["state"])["status"] for _ in words]


def test_a_stream_of_another_node_is_followed_and_controlled(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """It is read from any event on to its end, every word reaches its node in order, and nobody else finds it."""
    upstream.play(half())
    with two_nodes(tmp_path, upstream) as (one, two), SocketClient(one.port, PATH) as here:
        here.send(start("stream-there", on_disconnect="detach"))
        first = here.until("event")[-1]
        with SocketClient(two.port, PATH, key=OTHER) as other:
            for kind in ("attach", "pause", "resume", "cancel"):
                assert error_of(other, {"type": kind, "stream": "stream-there"}) == "stream_not_found"
        with SocketClient(two.port, PATH) as there:
            assert attached(there, "stream-there", 0) == first
            assert error_of(there, {"type": "attach", "stream": "stream-there"}) == "invalid_request"
            assert told_words(there, ["pause", "resume", "pause", "resume"]) == ["paused", "running"] * 2
            there.send({"type": "detach", "stream": "stream-there"})
            after = there.until("detached")[-1]["after"]
            with SocketClient(two.port, PATH) as ahead:
                assert error_of(ahead, {"type": "attach", "stream": "stream-there", "after": 99}) == "cursor_ahead"
            there.send({"type": "attach", "stream": "stream-there", "after": after})
            there.send({"type": "cancel", "stream": "stream-there"})
            ends = [one.until("end") for one in (here, there)]
            assert [cast("dict[str, object]", end[-1]["error"])["code"] for end in ends] == ["cancelled"] * 2
            assert ends[0][-1]["after"] == ends[1][-1]["after"]
            assert error_of(there, {"type": "pause", "stream": "stream-there"}) == "stream_ended"
            there.send({"type": "attach", "stream": "stream-there"})
            last = cast("int", ends[0][-1]["after"])
            assert numbers_of(there.until("end")) == list(range(1, last + 1))


def test_many_words_about_a_stream_of_another_node_wait_in_bounds(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """What is said faster than other nodes answer is refused, and what was taken is answered."""
    upstream.play(half())
    with two_nodes(tmp_path, upstream) as (one, two), SocketClient(one.port, PATH) as here:
        here.send(start("stream-there", on_disconnect="detach"))
        here.until("event")
        with SocketClient(two.port, PATH) as there:
            attached(there, "stream-there", 0)
            there.send({"type": "detach", "stream": "stream-there"})
            there.until("detached")
            there.send_raw(b"".join(masked(1, b'{"type":"pause","stream":"stream-there"}') for _ in range(40)))
            told = [there.receive() for _ in range(40)]
            refused = [cast("dict[str, object]", say["error"])["code"] for say in told if say["type"] == "error"]
            assert set(refused) == {"rate_limited"}
            assert sum(say["type"] == "state" for say in told) >= 16
        here.send({"type": "cancel", "stream": "stream-there"})
        here.until("end")


def test_an_ephemeral_key_opens_no_streams(gateway: RunningGateway) -> None:
    """Keys for pages are for sessions alone."""
    with pytest.raises(Refused) as refused:
        SocketClient(gateway.port, PATH, key="ek_0123")
    assert refused.value.status == 403
