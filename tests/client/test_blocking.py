"""The client without an event loop."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from narthex.client import Client
from narthex.errors import StreamExpired
from narthex.testing import ScriptedUpstream
from narthex.testing.acts import streamed, whole
from tests.client.answers import generated, generation_frames


@pytest.fixture
def gateway() -> Iterator[ScriptedUpstream]:
    """Return what stands for a gateway."""
    with ScriptedUpstream() as running:
        running.always(generated())
        yield running


def test_threads_share_a_client(gateway: ScriptedUpstream) -> None:
    """Several threads use one client at once, each on a connection of its own, none kept beyond need."""
    found: list[str] = []

    def ask(client: Client) -> None:
        found.extend([client.generate("x").text for _ in range(5)])

    with Client(gateway.url) as client:
        threads = [threading.Thread(target=ask, args=(client,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == ["Blue, mostly."] * 30
    assert gateway.opened <= 6
    gateway.wait_for(lambda: gateway.closed == gateway.opened)


def test_a_stream_is_left_with_its_block(gateway: ScriptedUpstream) -> None:
    """Leaving the `with` block of a stream leaves the answer."""
    gateway.play(generated(generation_frames("a", "b")[:-1], ended=False))
    with Client(gateway.url) as client:
        with client.generate("x", stream=True) as stream:
            assert next(stream).text == "a"
        assert list(stream) == []
    gateway.wait_for(lambda: gateway.closed == 1)


def test_types_follow_the_call(gateway: ScriptedUpstream) -> None:
    """`stream` decides what comes back, for the type checker too."""
    gateway.play(generated(), generated(generation_frames("a")))
    with Client(gateway.url) as client:
        whole: str = client.generate("x").text
        pieces: list[str] = [event.text for event in client.generate("x", stream=True)]
    assert (whole, pieces) == ("Blue, mostly.", ["a", ""])
    assert client.url == gateway.url


def test_any_route_is_called_whole_or_piece_by_piece(gateway: ScriptedUpstream) -> None:
    """An error is raised as what it is; whoever leaves a stream leaves its connection."""
    gateway.play(whole(b'{"a":1}'))
    gateway.play(streamed([b"one", b"two"]))
    gateway.play(whole(b'{"error":{"message":"gone","code":"stream_expired"}}', status=410))
    gateway.play(streamed([b"one"] * 50, delay_s=0.05))
    with Client(gateway.url) as client:
        assert client.call("POST", "/v1/streams/a/pause") == b'{"a":1}'
        assert b"".join(client.pieces("/v1/streams/a?after=0")) == b"onetwo"
        with pytest.raises(StreamExpired, match="gone"):
            next(client.pieces("/v1/streams/a?after=0"))
        pieces = client.pieces("/v1/streams/a?after=0")
        next(pieces)
        pieces.close()
    gateway.wait_for(lambda: gateway.abandoned == 1)
