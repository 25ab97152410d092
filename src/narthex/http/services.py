"""What the routes call: everything that the composition root has built, on one page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from narthex import __version__
from narthex.config.settings import Settings
from narthex.http.access import Access
from narthex.http.heartbeat import Heartbeat
from narthex.http.representations import Representations
from narthex.http.sockets.hub import SocketHub
from narthex.ledger.limits.in_force import InForce
from narthex.pipeline.background import Background
from narthex.pipeline.cache_desk import CacheDesk
from narthex.pipeline.explain import Explainer
from narthex.pipeline.gateway import Engine
from narthex.pipeline.generate import Generator
from narthex.pipeline.playback import Player
from narthex.pipeline.registry import Registry
from narthex.pipeline.stages.admit import Doorkeeper
from narthex.pipeline.stages.pace import SetPace
from narthex.pipeline.usage_desk import UsageDesk
from narthex.providers.catalog import Catalog
from narthex.resilience.boards import BreakerBoard
from narthex.resilience.places import Places
from narthex.resilience.shedding import Shedder
from narthex.routing.router import Router
from narthex.stores.database import Database
from narthex.telemetry.metrics import Metrics
from narthex.tenancy.auditing import AuditNotes
from narthex.tenancy.keys import Keyring
from narthex.tenancy.office import Office
from narthex.tenancy.sign_in.reception import Reception

if TYPE_CHECKING:
    from narthex.pipeline.shared_state import SharedState


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of a running house."""

    engine: Engine
    catalog: Catalog
    access: Access
    doorkeeper: Doorkeeper
    places: Places
    router: Router
    heartbeat: Heartbeat
    representations: Representations
    pace: SetPace
    background: Background
    explainer: Explainer
    sockets: SocketHub
    player: Player
    office: Office
    limits: InForce
    usage: UsageDesk
    cache: CacheDesk
    dashboard: ASGIApp
    refresh: Callable[[], Awaitable[None]]
    """Ask the providers for their models again, if that was not done lately."""
    shared: SharedState | None
    """What is shared with other processes, if anything is."""
    embedded_status: Callable[[], dict[str, object]]
    address: Callable[[], str]
    """The address that the server listens on."""
    settings: Settings
    """As they were at the start."""
    version: str = __version__

    @property
    def keyring(self) -> Keyring:
        """The keys that open this server."""
        return self.office.directory.keyring

    @property
    def generator(self) -> Generator:
        """What makes text, JSON or XML of a prompt."""
        return Generator(self.engine)

    @property
    def breakers(self) -> BreakerBoard:
        """The breakers of models and providers."""
        return self.explainer.board

    @property
    def metrics(self) -> Metrics:
        """What is counted."""
        return self.doorkeeper.metrics

    @property
    def shedder(self) -> Shedder:
        """Says whom this server takes while it has much to do."""
        return self.doorkeeper.shedder

    @property
    def reception(self) -> Reception:
        """Who is signed in."""
        reception = self.office.reception
        assert reception is not None, "it is opened with the office"
        return reception

    @property
    def audit(self) -> AuditNotes:
        """Where it is written what was done."""
        return self.office.audit

    def database(self) -> Database | None:
        """Return the database, once it is open."""
        return self.office.opened

    @property
    def registry(self) -> Registry:
        """Where streams are found."""
        return self.player.registry

    async def settle(self) -> None:
        """Wait a moment until other processes know what was changed by hand here; not at all if there are none."""
        if self.shared is not None:
            await self.shared.settle()

    @property
    def data_dir(self) -> Path:
        """The data folder."""
        return self.settings.data_dir.expanduser()

    @property
    def max_body_bytes(self) -> int:
        """Largest request body, in bytes."""
        return self.settings.server.max_body_bytes
