"""From a name to a connection: the addresses of a host, tried in the resolver's order."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Callable
from typing import TypeVar

from narthex.errors import without_frames
from narthex.providers.transport.origin import Origin

_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)


async def dial(origin: Origin, protocol: Callable[[], _Protocol]) -> tuple[asyncio.BaseTransport, _Protocol]:
    """Return a new connection to an origin, TLS included.

    Raises:
        OSError: The name leads nowhere, every address refused, or the certificate is wrong.
        UnicodeError: The name cannot be one of a host.

    The name is looked up here and not by `create_connection()`: uvloop's leaves its lookup behind when it is cancelled,
    and the event loop then complains of a failure that nobody heard of: https://github.com/MagicStack/uvloop/issues/437
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    context = origin.context()
    failure: BaseException = OSError(f"{origin.host} has no address")
    for _, _, _, _, address in found:
        try:
            return await loop.create_connection(
                protocol,
                str(address[0]),
                origin.port,
                ssl=context,
                server_hostname=origin.host if context else None,
            )
        except OSError as error:
            failure = without_frames(error)
    try:
        raise failure
    finally:
        # The error holds this frame, which must not hold the error.
        del failure


async def takes_connections(origin: Origin, *, timeout_s: float = 0.3) -> bool:
    """Tell whether somebody is there: nothing is asked but to take a connection."""
    try:
        async with asyncio.timeout(timeout_s):
            transport, _ = await dial(dataclasses.replace(origin, tls=False), asyncio.Protocol)
    except (OSError, UnicodeError, TimeoutError):
        return False
    transport.close()
    return True
