"""Blocking connections."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator

import pytest

from narthex.client import sockets
from narthex.client.endpoint import endpoint_for
from narthex.client.http1 import ResponseReader
from narthex.client.sockets import SocketConnection, SocketPool
from narthex.errors import GatewayTimeout, GatewayUnreachable
from narthex.testing import ScriptedUpstream
from narthex.testing.acts import Reset, whole

ASKED = b"GET / HTTP/1.1\r\n\r\n"


@pytest.fixture
def gateway() -> Iterator[ScriptedUpstream]:
    """Return what stands for a gateway."""
    with ScriptedUpstream() as running:
        running.always(whole(b"x"))
        yield running


def _read(connection: SocketConnection) -> ResponseReader:
    reader = ResponseReader()
    connection.send(ASKED)
    while not reader.complete:
        reader.feed(connection.receive())
    return reader


def test_idle_connections_are_kept_within_bounds(gateway: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Used connections are kept up to a number, the last used first; the others are closed."""
    monkeypatch.setattr(sockets, "MAX_IDLE", 1)
    pool = SocketPool(endpoint_for(gateway.url))
    first, second = pool.take(), pool.take()
    for connection in (first, second):
        pool.give_back(connection, _read(connection))
    assert pool.take() is first
    gateway.wait_for(lambda: gateway.closed == 1)
    first.close()


def test_a_program_with_many_files_open_has_idle_connections(gateway: ScriptedUpstream) -> None:
    """Above the highest descriptor that `select()` takes, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 2_048), hard), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    try:
        pool = SocketPool(endpoint_for(gateway.url))
        connection = pool.take()
        pool.give_back(connection, _read(connection))
        assert pool.take() is connection
        connection.close()
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_old_connections_are_not_used(gateway: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that lay idle too long is closed instead: the gateway may be about to."""
    pool = SocketPool(endpoint_for(gateway.url))
    connection = pool.take()
    pool.give_back(connection, _read(connection))
    monkeypatch.setattr(sockets, "IDLE_S", -1)
    other = pool.take()
    assert other is not connection
    other.close()
    gateway.wait_for(lambda: gateway.closed == 2)


def test_unfinished_connections_are_closed(gateway: ScriptedUpstream) -> None:
    """A connection whose answer is not complete is never given to another call."""
    pool = SocketPool(endpoint_for(gateway.url))
    connection = pool.take()
    pool.give_back(connection, ResponseReader())
    gateway.wait_for(lambda: gateway.closed == 1)
    pool.close()


def test_an_address_that_never_answers_times_out() -> None:
    """A connection that is never taken ends in a timeout, not in patience."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        # A listener whose queue is full leaves the next connection without an answer.
        queued = [socket.socket() for _ in range(4)]
        for waiting in queued:
            waiting.setblocking(False)
            waiting.connect_ex(address)
        endpoint = endpoint_for(f"http://127.0.0.1:{address[1]}", connect_timeout_s=0.1)
        with pytest.raises(GatewayTimeout, match=r"within 0\.1 s"):
            SocketConnection(endpoint)
        for waiting in queued:
            waiting.close()


def test_a_gateway_that_does_not_read_times_out() -> None:
    """A request that nobody reads ends in a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        connection = SocketConnection(endpoint_for(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.1))
        with pytest.raises(GatewayTimeout, match="sent nothing"):
            connection.send(bytes(50_000_000))
        connection.close()


def test_a_connection_that_breaks_is_told(gateway: ScriptedUpstream) -> None:
    """A reset while sending or receiving is an unreachable gateway."""
    gateway.always((Reset(),))
    connection = SocketConnection(endpoint_for(gateway.url))
    connection.send(ASKED)
    with pytest.raises(GatewayUnreachable, match="broke"):
        connection.receive()
    with pytest.raises(GatewayUnreachable, match="broke"):
        connection.send(ASKED)
    connection.close()
