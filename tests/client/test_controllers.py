"""Kept streams without an event loop, against the real server, over connections that are cut."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import httpx
import pytest

from narthex.client import Client, Reconnect, StreamFrame, StreamReport
from narthex.errors import (
    BrokenAnswer,
    Cancelled,
    CursorAhead,
    GatewayUnreachable,
    NarthexError,
    StreamEnded,
    StreamExists,
    StreamNotFound,
    StreamRunning,
)
from narthex.types.events import Ended, TextDelta
from tests.client.cutting import CuttingProxy
from tests.client.kept import QUICK, SCRIPT, away_at_the_end, check
from tests.gateways import RunningGateway, running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """Return a gateway whose model is scripted."""
    with running(tmp_path_factory.mktemp("data"), providers={"stage": SCRIPT}, default_model="stage/calm") as found:
        yield found


@pytest.fixture
def proxy(gateway: RunningGateway) -> Iterator[CuttingProxy]:
    """Return what stands between client and gateway, and cuts."""
    with CuttingProxy(gateway.port) as found:
        yield found


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the seconds that the gateway asks for between two connections pass at once."""
    monkeypatch.setattr("narthex.client.controllers.sleep", lambda _s: None)


def test_a_hundred_random_cuts_lose_nothing(gateway: RunningGateway, proxy: CuttingProxy) -> None:
    """Cut at any byte, the concatenation is byte by byte what an uncut connection brings, and is asked for once."""
    chance = random.Random(5)
    made = 0
    with Client(gateway.url) as client:
        before = len(client.streams.list(limit=1_000))
    with Client(proxy.url) as client:
        while proxy.cuts < 100:
            made += 1
            proxy.cut_after(lambda: chance.randrange(1, 4_000))
            stream = client.streams.start(f"Round {made}", reconnect=QUICK)
            frames = list(stream.frames())
            proxy.cut_after(None)
            check(frames, gateway.url, stream.id)
    with Client(gateway.url) as client:
        assert len(client.streams.list(limit=1_000)) == before + made


def test_events_are_those_of_any_streamed_chat(gateway: RunningGateway, proxy: CuttingProxy) -> None:
    """Iterating yields typed events, the same with cuts as without."""
    chance = random.Random(7)
    with Client(proxy.url) as client:
        stream = client.streams.start("[[reply One two three.]]")
        texts = [event.text for event in stream if isinstance(event, TextDelta)]
        assert "".join(texts) == "One two three."
        proxy.cut_after(lambda: chance.randrange(200, 2_000))
        events = list(client.streams.attach(stream.id, reconnect=QUICK))
    assert [event.text for event in events if isinstance(event, TextDelta)] == texts
    assert isinstance(events[-1], Ended)


def test_what_a_stream_speaks_is_found_over_a_lost_connection(gateway: RunningGateway, proxy: CuttingProxy) -> None:
    """Whoever attaches to a stream asks for that first, and again where nothing came back."""
    with Client(gateway.url) as client, client.streams.start("[[reply One two three.]]") as begun:
        name = begun.id
    with Client(proxy.url) as client:
        stream = client.streams.attach(name, reconnect=QUICK)
        proxy.refuse(1)
        texts = [event.text for event in stream if isinstance(event, TextDelta)]
    assert "".join(texts) == "One two three."


def test_a_stream_is_read_on_by_its_number(gateway: RunningGateway) -> None:
    """`attach` behind an event yields what comes after it."""
    with Client(gateway.url) as client:
        stream = client.streams.start("Hello")
        frames = list(stream.frames())
        assert list(client.streams.attach(stream.id, after=40).frames()) == frames[40:]


def test_streams_of_other_dialects_are_read(gateway: RunningGateway) -> None:
    """What was asked for in Anthropic's words has the same events, once it is attached to; in unknown words, bytes."""
    body = {"model": "stage/calm", "max_tokens": 50, "stream": True}
    body |= {"messages": [{"role": "user", "content": "[[reply One two.]]"}]}
    headers = {"x-narthex-stream-id": "anthropic-1"}
    httpx.post(f"{gateway.url}/v1/messages", json=body, headers=headers).raise_for_status()
    with Client(gateway.url) as client:
        events = list(client.streams.attach("anthropic-1"))
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "One two."
        assert isinstance(events[-1], Ended)
        assert list(client.streams.attach("anthropic-1").frames())[-1].data.startswith(b"id: anthropic-1:")


def test_a_stream_is_paused_resumed_and_cancelled(gateway: RunningGateway) -> None:
    """The handle acts on the gateway, and a cancelled answer raises behind what came."""
    with Client(gateway.url) as client:
        stream = client.streams.start("[[tokens 60000]]")
        events = iter(stream)
        next(events)
        assert stream.pause().status == "paused"
        assert stream.progress().status == "paused"
        assert stream.resume().status in {"running", "waiting"}
        with pytest.raises(StreamRunning):
            client.streams.delete(stream.id)
        assert stream.cancel().status == "cancelled"
        with pytest.raises(Cancelled):
            list(events)
        report = client.streams.progress(stream.id)
        assert (report.status, report.on_disconnect) == ("cancelled", "detach")
        assert report.error is not None
        with pytest.raises(StreamEnded):
            stream.cancel()
        assert client.streams.list(status="cancelled", limit=1)[0].id == stream.id
        client.streams.delete(stream.id)
        with pytest.raises(NarthexError) as gone:
            client.streams.attach(stream.id)
        assert gone.value.code in {"stream_not_found", "stream_expired"}


def test_refusals_are_what_they_were(gateway: RunningGateway) -> None:
    """Unknown, taken and ahead: each is its own class, and nothing is tried again."""
    with Client(gateway.url) as client:
        with pytest.raises(StreamNotFound):
            client.streams.attach("nobody-knows-it")
        stream = client.streams.start("Hello")
        list(stream)
        with pytest.raises(CursorAhead):
            client.streams.attach(stream.id, after=100_000)
        with pytest.raises(StreamExists):
            client.streams.start("Another", name=stream.id)


def test_a_gateway_that_is_gone_is_told(proxy: CuttingProxy) -> None:
    """When nothing can be had any more, the reader hears it, behind what came."""
    with Client(proxy.url) as client:
        proxy.cut_after(lambda: 3_000)
        stream = client.streams.start("Hello", reconnect=Reconnect(attempts=3))
        seen: list[StreamFrame] = []
        proxy.cut_after(lambda: 1)
        with pytest.raises((GatewayUnreachable, BrokenAnswer)):
            seen.extend(stream.frames())
        assert stream.last_seq > 0


def test_a_call_that_never_arrived_is_sent_again(gateway: RunningGateway, proxy: CuttingProxy) -> None:
    """A connection that is cut before the gateway has heard anything costs no answer, and no second call."""
    proxy.refuse(1)
    with Client(proxy.url) as client:
        stream = client.streams.start("[[reply Here.]]", reconnect=QUICK)
        assert "".join(event.text for event in stream if isinstance(event, TextDelta)) == "Here."


def test_leaving_lets_a_detached_answer_be_written(gateway: RunningGateway) -> None:
    """Left in the middle, it goes on; begun with `cancel`, it ends."""
    ends: dict[str, StreamReport] = {}
    with Client(gateway.url) as client:
        for word in ("detach", "cancel"):
            stream = client.streams.start("[[tokens 2000]]", on_disconnect="detach" if word == "detach" else "cancel")
            with stream:
                next(iter(stream))
            give_up_at = time.monotonic() + 20
            while not (report := stream.progress()).ended and time.monotonic() < give_up_at:
                time.sleep(0.02)
            ends[word] = report
    assert (ends["detach"].status, ends["cancel"].status) == ("done", "cancelled")


def test_a_gateway_that_is_away_at_the_end_is_asked_again() -> None:
    """A connection that ended before the answer did, and nobody to ask why: the rest is had once it is back."""
    with away_at_the_end() as provider, Client(provider.url) as client:
        stream = client.streams.start("Hello", name="stream-1", reconnect=QUICK)
        assert [frame.seq for frame in stream.frames()] == [1, 2]
    # The call, the question, and the rest.
    assert [request.method for request in provider.requests] == ["POST", "GET", "GET"]
