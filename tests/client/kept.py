"""What the tests of kept streams share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from narthex.client import Client, Reconnect, StreamFrame
from narthex.testing import ScriptedUpstream
from narthex.testing.acts import hung_up, streamed

SCRIPT = {
    "kind": "scripted",
    "script": {"models": ["calm"], "directives": True, "tokens_per_second": 4_000, "reply_tokens": 150},
}
QUICK = Reconnect(base_s=0.001, cap_s=0.002, attempts=50)


def whole(url: str, name: str) -> bytes:
    """Return all bytes of a stream that has ended, over one connection that is not cut."""
    with Client(url) as client, client.streams.attach(name) as stream:
        return b"".join(frame.data for frame in stream.frames())


def check(frames: list[StreamFrame], url: str, name: str) -> None:
    """Hold what was read, over however many connections, to be all of it, byte by byte."""
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
    assert b"".join(frame.data for frame in frames) == whole(url, name)
    assert frames[-1].data.endswith(b"data: [DONE]\n\n")


@contextmanager
def away_at_the_end() -> Iterator[ScriptedUpstream]:
    """Open what stands for a gateway: it lets go of a reader in the middle, is away for a moment, and comes back."""
    told = {"x-narthex-stream-id": "stream-1"}
    first, last = b"id: stream-1:1\ndata: {}\n\n", b"id: stream-1:2\ndata: [DONE]\n\n"
    with ScriptedUpstream() as gateway:
        gateway.play(streamed([first], headers=told), hung_up(), streamed([last], headers=told))
        yield gateway
