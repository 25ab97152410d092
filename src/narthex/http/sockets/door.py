"""The door of the sockets: a connection that asks for one is checked, answered and handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.utils import get_remote_addr, is_ssl
from uvicorn.server import ServerState

from narthex.errors import AuthenticationFailed, CrossSiteRequest, Overloaded, PermissionDenied
from narthex.http.access import Access
from narthex.http.cookies import check_own_page, guest_of
from narthex.http.guards import GUARDS, route_word
from narthex.http.sockets.contract import SocketRoute, Visit
from narthex.http.sockets.handshake import Offer, answer, choose, read_offer
from narthex.http.sockets.hub import SocketHub
from narthex.pipeline.stages.admit import Doorkeeper
from narthex.tenancy.ephemeral import PREFIX
from narthex.tenancy.keys import Caller, Keyring, Peer, bare
from narthex.tenancy.sign_in.reception import Guest, Reception

if TYPE_CHECKING:
    from narthex.http.sockets.connection import SocketConnection

_OURS: Final = b"x-narthex-"
_PER_CALL: Final = frozenset({b"x-narthex-stream-id", b"x-narthex-on-disconnect"})
"""Headers that mean one call, and not every call on a socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketDoor:
    """Where sockets are opened."""

    hub: SocketHub
    access: Access
    keyring: Keyring
    reception: Reception
    doorkeeper: Doorkeeper
    routes: Mapping[bytes, SocketRoute]

    def knows(self, url: bytes) -> bool:
        """Tell whether a socket can be opened there."""
        return url.partition(b"?")[0] in self.routes

    def unknown(self, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
        """Return the key that a handshake presents if it is none that is known; another process may have made it.

        Raises:
            InvalidRequest: It is no handshake.
        """
        presented = read_offer(url, headers).presented
        if presented is None or bare(presented).startswith(PREFIX.encode()):
            return None
        try:
            self.keyring.identify(presented)
        except AuthenticationFailed:
            return presented
        return None

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
        peer = get_remote_addr(transport)
        visit = self._visit(offer, route, self._guest(offer, transport), peer)
        needed = GUARDS["GET", offer.path.decode("latin-1")].permission
        if needed not in visit.caller.permissions:
            self._note(visit.caller, offer, {"permission": needed}, peer)
            raise PermissionDenied(f"this needs the permission `{needed}`, which you do not have here")
        if self.doorkeeper.stopping:
            raise Overloaded("this server is stopping; try again in a moment", retry_after_s=1)
        self.hub.admit(visit.caller)
        subprotocol = choose(offer.subprotocols, route.subprotocol)
        talk = route.talk(visit)
        from narthex.http.sockets.connection import SocketConnection  # noqa: PLC0415 - see `places.load`

        transport.write(answer(offer, subprotocol, common))
        connection = SocketConnection(self.hub, state, talk, caller=visit.caller, mark=visit.mark)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        return connection

    def _guest(self, offer: Offer, transport: asyncio.Transport) -> Guest | None:
        """Return who is signed in at the page that opens a socket, if it presents no key."""
        if offer.presented is not None or b"cookie" not in offer.headers:
            return None
        guest = guest_of(self.reception, {"scheme": "https" if is_ssl(transport) else "http"}, offer.headers)
        if guest is not None:
            try:
                check_own_page(offer.headers)
            except CrossSiteRequest as error:
                self._note(guest.caller, offer, {"why": error.code}, get_remote_addr(transport))
                raise
        return guest

    def _note(self, caller: Caller, offer: Offer, why: Mapping[str, str], peer: Peer) -> None:
        """Have it written down that a socket is refused."""
        self.keyring.denials.note(caller.denial(why, peer, target=f"GET {offer.path.decode('latin-1')}"))

    def _visit(self, offer: Offer, route: SocketRoute, guest: Guest | None, peer: Peer) -> Visit:
        presented, word = offer.presented, route_word(offer.path.decode("latin-1"))
        session = None
        key = b"" if presented is None else bare(presented)
        if key.startswith(PREFIX.encode()):
            if not route.ephemeral:
                raise PermissionDenied("an ephemeral key opens /v1/realtime and nothing else; use a real key")
            holder, grant = self.hub.ephemeral.redeem(key)
            caller = self.keyring.let_in(holder, word, peer)
            mark, session = grant.rests_on, grant.session
        elif guest is not None:
            caller, mark = self.keyring.let_in(guest.caller, word, peer), guest.mark
        else:
            caller = self.keyring.admit(presented, word, peer)
            mark = self.keyring.mark(presented)
        headers = {
            name: value
            for name, value in offer.headers.items()
            if (name.startswith(_OURS) and name not in _PER_CALL) or name == b"traceparent"
        }
        address = "" if peer is None else peer[0]
        return Visit(caller=caller, mark=mark, session=session, query=offer.query, headers=headers, address=address)
