"""Connections on an event loop."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from narthex.client import streams
from narthex.client.endpoint import endpoint_for
from narthex.client.http1 import ResponseReader
from narthex.client.streams import StreamConnection, StreamPool
from narthex.errors import GatewayTimeout, GatewayUnreachable
from narthex.testing import ScriptedUpstream
from narthex.testing.acts import Reset, whole


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


async def test_a_gateway_that_does_not_read_times_out() -> None:
    """A request that nobody reads ends in a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = endpoint_for(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.1)
        connection = await StreamConnection.open(endpoint)
        with pytest.raises(GatewayTimeout, match="sent nothing"):
            await connection.send(bytes(50_000_000))
        connection.close()


async def test_a_connection_that_breaks_is_told(gateway: ScriptedUpstream) -> None:
    """A reset while sending or receiving is an unreachable gateway."""
    gateway.always((Reset(),))
    connection = await StreamConnection.open(endpoint_for(gateway.url))
    await connection.send(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(GatewayUnreachable, match="broke"):
        await connection.receive()
    with pytest.raises(GatewayUnreachable, match="broke"):
        await connection.send(b"GET / HTTP/1.1\r\n\r\n")
    connection.close()
