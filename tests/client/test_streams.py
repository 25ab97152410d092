"""Connections on an event loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from narthex.client import streams
from narthex.client.endpoint import endpoint_for
from narthex.client.http1 import ResponseReader
from narthex.client.streams import StreamConnection, StreamPool
from narthex.testing import ScriptedUpstream
from narthex.testing.acts import whole


@pytest.fixture
def gateway() -> Iterator[ScriptedUpstream]:
    """Return what stands for a gateway."""
    with ScriptedUpstream() as running:
        running.always(whole(b"x"))
        yield running


async def _read(connection: StreamConnection) -> ResponseReader:
    reader = ResponseReader()
    await connection.send(b"GET / HTTP/1.1\r\n\r\n")
    while not reader.complete:
        reader.feed(await connection.receive())
    return reader


async def test_idle_connections_are_kept_within_bounds(
    gateway: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Used connections are kept up to a number, the last used first; the others are closed."""
    monkeypatch.setattr(streams, "MAX_IDLE", 1)
    pool = StreamPool(endpoint_for(gateway.url))
    first, second = await pool.take(), await pool.take()
    for connection in (first, second):
        pool.give_back(connection, await _read(connection))
    assert await pool.take() is first
    first.close()
    await gateway.all_closed()


async def test_old_connections_are_not_used(gateway: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that lay idle too long is closed instead: the gateway may be about to."""
    pool = StreamPool(endpoint_for(gateway.url))
    connection = await pool.take()
    pool.give_back(connection, await _read(connection))
    monkeypatch.setattr(streams, "IDLE_S", -1)
    other = await pool.take()
    assert other is not connection
    other.close()
    await gateway.all_closed()


async def test_unfinished_connections_are_closed(gateway: ScriptedUpstream) -> None:
    """A connection whose answer is not complete is never given to another call."""
    pool = StreamPool(endpoint_for(gateway.url))
    pool.give_back(await pool.take(), ResponseReader())
    await gateway.all_closed()
    await pool.aclose()
