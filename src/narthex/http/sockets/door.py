"""The door of the sockets: a connection that asks for one is checked, answered and handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from uvicorn.server import ServerState

from narthex.errors import Overloaded, PermissionDenied
from narthex.http.access import Access
from narthex.http.sockets.connection import SocketConnection
from narthex.http.sockets.contract import SocketRoute, Visit
from narthex.http.sockets.handshake import Offer, answer, choose, read_offer
from narthex.http.sockets.hub import SocketHub
from narthex.pipeline.stages.admit import Doorkeeper
from narthex.tenancy.ephemeral import PREFIX
from narthex.tenancy.keys import Keyring, bare

_OURS: Final = b"x-narthex-"
_PER_CALL: Final = frozenset({b"x-narthex-stream-id", b"x-narthex-on-disconnect"})
"""Headers that mean one call, and not every call on a socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketDoor:
    """Where sockets are opened."""

    hub: SocketHub
    access: Access
    keyring: Keyring
    doorkeeper: Doorkeeper
    routes: Mapping[bytes, SocketRoute]

    def knows(self, url: bytes) -> bool:
        """Tell whether a socket can be opened there."""
        return url.partition(b"?")[0] in self.routes

    def open(
        self,
        url: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        transport: asyncio.Transport,
        *,
        state: ServerState,
        common: bytes,
    ) -> SocketConnection:
        """Answer a handshake and take the connection over.

        Args:
            url: Asked for, with its query.
            headers: Of the request, names in lower case.
            transport: The connection, on which nothing else is under way.
            state: The books of the server.
            common: The header lines of every answer.

        Raises:
            NarthexError: There is no socket for this request, and this is why; nothing is written.
        """
        offer = read_offer(url, headers)
        route = self.routes[offer.path]
        self.access.check(offer.headers)
        visit = self._visit(offer, route)
        if self.doorkeeper.stopping:
            raise Overloaded("this server is stopping; try again in a moment", retry_after_s=1)
        self.hub.admit(visit.caller)
        subprotocol = choose(offer.subprotocols, route.subprotocol)
        talk = route.talk(visit)
        transport.write(answer(offer, subprotocol, common))
        connection = SocketConnection(self.hub, state, talk, caller=visit.caller, mark=visit.mark)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        return connection

    def _visit(self, offer: Offer, route: SocketRoute) -> Visit:
        presented = offer.presented
        session = None
        key = b"" if presented is None else bare(presented)
        if key.startswith(PREFIX.encode()):
            if not route.ephemeral:
                raise PermissionDenied("an ephemeral key opens /v1/realtime and nothing else; use a real key")
            caller, grant = self.hub.ephemeral.redeem(key)
            mark, session = grant.rests_on, grant.session
        else:
            caller = self.keyring.identify(presented)
            mark = self.keyring.mark(presented)
        headers = {
            name: value
            for name, value in offer.headers.items()
            if (name.startswith(_OURS) and name not in _PER_CALL) or name == b"traceparent"
        }
        return Visit(caller=caller, mark=mark, session=session, query=offer.query, headers=headers)
