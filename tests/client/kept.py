"""What the tests of kept streams share."""

from __future__ import annotations

from narthex.client import Client, Reconnect, StreamFrame

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
