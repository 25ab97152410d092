"""Where sockets are opened, and what is talked there."""

from __future__ import annotations

from collections.abc import Mapping

from narthex.http.services import Services
from narthex.http.sockets.contract import SocketRoute, Visit
from narthex.http.sockets.realtime import SUBPROTOCOL, Realtime
from narthex.http.sockets.streams import SUBPROTOCOL as STREAMS_SUBPROTOCOL
from narthex.http.sockets.streams import StreamsTalk

REALTIME_PATH = "/v1/realtime"
STREAMS_PATH = "/v1/streams/ws"


def socket_routes(services: Services) -> Mapping[bytes, SocketRoute]:
    """Return every path on which a socket can be opened."""

    def realtime(visit: Visit) -> Realtime:
        return Realtime(
            services.engine,
            visit,
            default_model=services.catalog.default_model,
            limit_bytes=services.sockets.limits.max_conversation_bytes,
        )

    def streams(visit: Visit) -> StreamsTalk:
        return StreamsTalk(services.engine, services.registry, visit)

    return {
        REALTIME_PATH.encode(): SocketRoute(subprotocol=SUBPROTOCOL, ephemeral=True, talk=realtime),
        STREAMS_PATH.encode(): SocketRoute(subprotocol=STREAMS_SUBPROTOCOL, ephemeral=False, talk=streams),
    }
