"""Where sockets are opened, and what is talked there; both are loaded only once the server listens."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from narthex.http.services import Services
from narthex.http.sockets.contract import SocketRoute, Visit

if TYPE_CHECKING:
    from narthex.http.sockets.realtime import Realtime
    from narthex.http.sockets.streams import StreamsTalk

REALTIME_PATH = "/v1/realtime"
STREAMS_PATH = "/v1/streams/ws"
_LATE: Final = ("connection", "realtime", "streams")


def socket_routes(services: Services) -> Mapping[bytes, SocketRoute]:
    """Return every path on which a socket can be opened."""

    def realtime(visit: Visit) -> Realtime:
        from narthex.http.sockets.realtime import Realtime  # noqa: PLC0415 - see `load`

        return Realtime(
            services.engine,
            visit,
            default_model=services.catalog.default_model,
            limit_bytes=services.sockets.limits.max_conversation_bytes,
        )

    def streams(visit: Visit) -> StreamsTalk:
        from narthex.http.sockets.streams import StreamsTalk  # noqa: PLC0415 - see `load`

        return StreamsTalk(services.engine, services.registry, visit, pace_of=services.pace.pace_of)

    return {
        REALTIME_PATH.encode(): SocketRoute(subprotocol="realtime", ephemeral=True, talk=realtime),
        STREAMS_PATH.encode(): SocketRoute(subprotocol="narthex.streams.v1", ephemeral=False, talk=streams),
    }


def load() -> None:
    """Load what only sockets need, as `LateApp` does what only the other routes need.

    Whoever opens a socket before that is done waits for it.
    """
    for name in _LATE:
        import_module(f"narthex.http.sockets.{name}")
