"""Both doors behind one port, under uvicorn: signals, TLS and the graceful stop are its."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine

import uvicorn
from starlette.types import ASGIApp

from narthex.config.settings import ServerSettings
from narthex.errors import NarthexError
from narthex.http.deadlines import Limits, Sweeper
from narthex.http.entrance import Entrance
from narthex.http.lane import Lane, LaneProtocol
from narthex.http.late import LateApp
from narthex.http.services import Services
from narthex.http.sockets.door import SocketDoor
from narthex.http.sockets.places import load as load_sockets
from narthex.http.sockets.places import socket_routes

logger = logging.getLogger(__name__)


def bind(settings: ServerSettings) -> socket.socket:
    """Return the listening socket.

    Raises:
        OSError: The address is taken or is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host.strip("[]"), settings.port))
        listener.listen(4_096)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def address_of(listener: socket.socket, settings: ServerSettings) -> str:
    """Return the URL under which the listener is reached."""
    port = listener.getsockname()[1]
    host = f"[{settings.host.strip('[]')}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls_cert else 'http'}://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn, which also watches for slow clients and says when it is ready and when it stops."""

    def __init__(
        self,
        config: uvicorn.Config,
        lane: Lane,
        late: LateApp,
        *,
        on_ready: Callable[[], None],
        on_stop: Callable[[], None],
        drain: Callable[[float], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._late = late
        self._lane = lane
        self._sockets = lane.sockets.hub
        self._sockets.clock = lambda: lane.sweeper.now
        self._on_ready = on_ready
        self._on_stop = on_stop
        self._watching: list[asyncio.Future[None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        gc.set_threshold(50_000, 20, 50)
        self._on_ready()

    async def stop_for(self, reason: Awaitable[NarthexError]) -> NarthexError:
        """Wait for a reason to stop, do so, and return it."""
        why = await reason
        self.should_exit = True
        return why

    async def main_loop(self) -> None:
        """Serve until told to stop."""
        self._watching = [
            asyncio.ensure_future(self._lane.sweeper.run(self.server_state.connections)),
            asyncio.ensure_future(self._lane.heartbeat.run()),
            asyncio.ensure_future(self._prepare()),
        ]
        try:
            await super().main_loop()
        except BaseException:
            await self._look_away()
            raise

    async def _prepare(self) -> None:
        """Make the application that was left for later, then set aside all that lives as long as the process."""
        try:
            await self._late.prepare()
        except Exception:  # the edge of a task: without these routes the model routes still serve
            logger.exception("the routes beside the model routes could not be made")
        # The collector need not look at it again.
        gc.collect()
        gc.freeze()

    async def _look_away(self) -> None:
        """Watch the connections no longer."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: nothing new is let in, what runs may end."""
        began = time.monotonic()
        self._on_stop()
        try:
            # Clients that are slow, or gone, are watched to the last: the stop is not to wait for them.
            await super().shutdown(sockets)
        finally:
            await self._look_away()
        # Sockets with calls that did not end in time are told why, too.
        self._sockets.close_all()
        await asyncio.sleep(0)
        patience_s = float(self.config.timeout_graceful_shutdown or 0)
        # Answers that go on without a connection.
        await self._drain(0.0 if self.force_exit else max(0.0, began + patience_s - time.monotonic()))


def make_server(
    services: Services, settings: ServerSettings, *, on_ready: Callable[[], None], on_stop: Callable[[], None]
) -> Server:
    """Return a server for these services; `await server.serve([listener])` runs it."""
    late = LateApp(lambda: _routes(services))
    lane = _lane(services, settings)
    config = uvicorn.Config(
        Entrance(late, services),
        http=type("Connection", (LaneProtocol,), {"lane": lane}),
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=max(1, round(settings.graceful_timeout_s)),
        backlog=4_096,
    )
    return Server(config, lane, late, on_ready=on_ready, on_stop=on_stop, drain=services.registry.drain)


def _lane(services: Services, settings: ServerSettings) -> Lane:
    sockets = SocketDoor(
        hub=services.sockets,
        access=services.access,
        keyring=services.keyring,
        reception=services.reception,
        doorkeeper=services.doorkeeper,
        routes=socket_routes(services),
    )
    return Lane(
        engine=services.engine,
        access=services.access,
        sweeper=Sweeper(_limits(settings)),
        heartbeat=services.heartbeat,
        representations=services.representations,
        sockets=sockets,
        max_body_bytes=settings.max_body_bytes,
        max_header_bytes=settings.max_header_bytes,
        max_connections=settings.max_connections,
    )


def _routes(services: Services) -> ASGIApp:
    from narthex.http.app import represented_routes  # noqa: PLC0415 - see `LateApp`

    load_sockets()
    return represented_routes(services)


def _limits(settings: ServerSettings) -> Limits:
    return Limits(
        header_s=settings.header_timeout_s,
        body_s=settings.body_timeout_s,
        keep_alive_s=settings.keep_alive_s,
        write_s=settings.write_timeout_s,
    )


def run_in_loop(work: Coroutine[object, object, None]) -> None:
    """Run `work` on the fastest event loop there is here."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - not to be had on Windows

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)
