"""Connections are made to the first address that takes them, and a lookup that is given up leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable

import pytest

from narthex.app import run_in_loop
from narthex.providers.transport.dialling import dial, takes_connections
from narthex.providers.transport.origin import Origin

NOWHERE = Origin(host="-nowhere-", port=80, tls=False, path="")
"""No resolver asks anybody for a name that begins with a hyphen."""


def resolving(*addresses: str, port: int) -> Callable[..., object]:
    """Return a lookup that finds these addresses for every name."""

    async def lookup(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    return lookup


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("::1", "127.0.0.1")])
async def test_the_first_address_that_takes_it_is_used(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    """An address that refuses is passed over for the next."""
    served = asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()
        served.set()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    lookup = resolving(*addresses, port=port)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    transport, protocol = await dial(Origin(host="example", port=port, tls=False, path=""), asyncio.Protocol)
    assert transport.get_extra_info("peername")[:2] == ("127.0.0.1", port)
    assert isinstance(protocol, asyncio.Protocol)
    transport.close()
    await served.wait()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("::1", "127.0.0.1")])
async def test_where_every_address_refuses_that_is_told(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    """Whether a name has one address or several: nobody there is an error of the system."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolving(*addresses, port=port))
        with pytest.raises(ConnectionRefusedError):
            await dial(Origin(host="example", port=port, tls=False, path=""), asyncio.Protocol)


async def test_a_name_without_addresses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that knows the name, and no address for it, is told as that."""
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolving(port=1))
    with pytest.raises(OSError, match="example has no address"):
        await dial(Origin(host="example", port=1, tls=False, path=""), asyncio.Protocol)


async def test_a_name_that_leads_nowhere_is_told() -> None:
    """The resolver's answer is an error of the system too."""
    with pytest.raises(socket.gaierror):
        await dial(NOWHERE, asyncio.Protocol)


def test_a_lookup_that_is_given_up_leaves_no_complaint() -> None:
    """When a call ends while its name is looked up, what the resolver says then is nobody's business."""
    complaints: list[str] = []

    async def give_up() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
        task = asyncio.ensure_future(dial(NOWHERE, asyncio.Protocol))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # A second lookup has its answer after the first.
        with pytest.raises(socket.gaierror):
            await dial(NOWHERE, asyncio.Protocol)
        gc.collect()

    run_in_loop(give_up())
    assert complaints == []


async def test_it_is_known_whether_somebody_is_there() -> None:
    """Whoever takes a connection is there, TLS or not; a closed port and a name that leads nowhere are not."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for tls in (False, True):
        assert await takes_connections(Origin(host="127.0.0.1", port=port, tls=tls, path=""))
    server.close()
    await server.wait_closed()
    assert not await takes_connections(Origin(host="127.0.0.1", port=port, tls=False, path=""))
    assert not await takes_connections(NOWHERE)
