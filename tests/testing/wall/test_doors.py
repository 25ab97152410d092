"""Addresses that fail before any request."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from narthex.testing.catalogue import DOORS, Door
from narthex.testing.wall.doors import Doors


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    """Return open doors."""
    with Doors() as opened:
        yield opened


def _connect(doors: Doors, door: Door, timeout_s: float = 5.0) -> socket.socket:
    address = urlsplit(doors.address(door))
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=timeout_s)


def test_an_outage_refuses(doors: Doors) -> None:
    """Nothing listens there, and nobody else can."""
    with pytest.raises(ConnectionRefusedError):
        _connect(doors, "outage")
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", urlsplit(doors.address("outage")).port or 0))


def test_a_connection_is_not_taken(doors: Doors) -> None:
    """Callers wait until their own patience ends, one after the other."""
    for _ in range(3):
        with pytest.raises(TimeoutError):
            _connect(doors, "connect_timeout", 0.1)


def test_a_connection_is_reset(doors: Doors) -> None:
    """It breaks before anything can be said, and is counted."""
    before = doors.knocks["reset"]
    assert _said_by_reset(doors) == "reset"
    assert doors.knocks["reset"] > before


def _said_by_reset(doors: Doors) -> str:
    """Return how a connection to the door that resets ends."""
    try:
        with _connect(doors, "reset") as plain:
            return "data" if plain.recv(1) else "an orderly end"
    except ConnectionResetError:
        return "reset"


def test_a_handshake_fails(doors: Doors) -> None:
    """A client of TLS is refused in TLS's own words."""
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"), closing(_connect(doors, "tls_error")) as plain:
        context.wrap_socket(plain, server_hostname="localhost")
    assert doors.knocks["tls_error"] >= 1


def test_a_name_does_not_resolve(doors: Doors) -> None:
    """The name is one that is never given to anybody."""
    assert urlsplit(doors.address("dns_error")).hostname == "narthex-wall.invalid"


def test_doors_take_the_ports_they_are_told() -> None:
    """From the first on, in their order; one that is taken leaves none open."""
    # Below the ports that systems give out by themselves, so that nobody else has the next ones.
    start = 20_000 + os.getpid() % 1_000 * 8
    with Doors(first_port=start) as first:
        assert urlsplit(first.address("tls_error")).port in range(start, start + 4)
        with pytest.raises(OSError, match="in use"):
            Doors(first_port=start).start()
    with Doors(first_port=start) as again:
        ports = [urlsplit(again.address(door)).port for door in DOORS[:-1]]
    assert ports == [start, start + 1, start + 2, start + 3]
