"""Many kept streams on one socket: started, followed again, controlled, and hidden from others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from narthex.testing.acts import Answer, Stall, cut_after, streamed
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_frames
from tests.gateways import KEY, RunningGateway, running
from tests.http.sockets.talking import Refused, SocketClient

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


def test_an_ephemeral_key_opens_no_streams(gateway: RunningGateway) -> None:
    """Keys for pages are for sessions alone."""
    with pytest.raises(Refused) as refused:
        SocketClient(gateway.port, PATH, key="ek_0123")
    assert refused.value.status == 403
