"""The composition root: the only place that picks concrete classes, builds them in order and closes them in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Self

from narthex.audit.log import Audit
from narthex.books import Books
from narthex.caching import Caching
from narthex.config.load import Loaded, load
from narthex.config.rules import rules
from narthex.config.settings import EmbeddedSettings, ServerSettings, Settings
from narthex.config.virtual_models import virtual_models
from narthex.config.watch import watch
from narthex.dashboard.files import DashboardFiles
from narthex.errors import ConfigError, NarthexError
from narthex.http.access import Access
from narthex.http.heartbeat import Heartbeat
from narthex.http.server import address_of, bind, make_server, run_in_loop
from narthex.http.services import Services
from narthex.http.sockets.hub import SocketHub
from narthex.pipeline.answers import RegisteredAnswer, RegisteredAnswers, configured_answers
from narthex.pipeline.background import Background
from narthex.pipeline.cascades import Cascades
from narthex.pipeline.chain import default_stages, lone_attempt
from narthex.pipeline.contract import Check, Stage
from narthex.pipeline.explain import Explainer
from narthex.pipeline.fallbacks import Fallbacks
from narthex.pipeline.gateway import Engine, TaskKeeper
from narthex.pipeline.hedging import Hedger
from narthex.pipeline.in_process import InProcess
from narthex.pipeline.merges import configured_merges
from narthex.pipeline.playback import Player
from narthex.pipeline.recorder import Recorder
from narthex.pipeline.recovery import Recovery
from narthex.pipeline.registry import Registry
from narthex.pipeline.responses import Responses, shelf_limits
from narthex.pipeline.settle import Settlement
from narthex.pipeline.shadows import Shadows
from narthex.pipeline.simulating import Simulation
from narthex.pipeline.stages.admit import Doorkeeper
from narthex.pipeline.stages.idempotency import Idempotency
from narthex.pipeline.stages.merge import Merge
from narthex.pipeline.stages.own import Own
from narthex.pipeline.stages.pace import SetPace
from narthex.pipeline.stages.remember import Remember
from narthex.pipeline.stages.reserve import Reserve
from narthex.pipeline.storage import count_storage
from narthex.policies import (
    breaker_policy,
    compression_policies,
    compressor,
    keep_policy,
    keyring_of,
    lag_s,
    limit_policy,
    link_settings,
    maximums,
    recording_limits,
    represent,
    request_log,
    shadow_limits,
    socket_limits,
)
from narthex.provider_pool import ProviderPool
from narthex.providers.catalog import Catalog
from narthex.providers.embedded.provider import EmbeddedProvider, status_of
from narthex.providers.key_books import key_lines, reports_by_provider
from narthex.providers.survey import Survey
from narthex.resilience.backoff import Backoff
from narthex.resilience.boards import BreakerBoard
from narthex.resilience.budget import BudgetPolicy, RetryBudget
from narthex.resilience.decisions import Policy
from narthex.resilience.places import Places
from narthex.resilience.shedding import Shedder
from narthex.routing.conditions import Means
from narthex.routing.figures import Figures
from narthex.routing.pacing import Spending
from narthex.routing.router import Router
from narthex.routing.strategies import Surroundings
from narthex.stores.compressed_shelf import CompressedShelf
from narthex.stores.shelves import MemoryShelf
from narthex.streams.recordings import Recordings
from narthex.telemetry.lag import LagWatch
from narthex.telemetry.metrics import Metrics
from narthex.telemetry.request_log import RequestLog
from narthex.tenancy.keys import Keyring
from narthex.tenancy.readings import Readings
from narthex.tenancy.sign_in.opening import adopt_accounts, open_accounts
from narthex.types.catalog import ModelFacts

if TYPE_CHECKING:
    from narthex.pipeline.shared_state import SharedState
    from narthex.stores.link import LinkSettings
    from narthex.tenancy.office import Office

logger = logging.getLogger(__name__)

DASHBOARD_DIST = Path(__file__).parent / "dashboard" / "dist"


class Gateway(InProcess):
    """The whole gateway inside this process.

        async with Gateway() as gateway:
            async for event in gateway.stream("Why is the sky blue?"):
                ...

    Without arguments it is configured as `narthex serve` would be: from `narthex.toml` and the environment.
    """

    def __init__(self, settings: Settings | Loaded | None = None, *, answers: Sequence[RegisteredAnswer] = ()) -> None:
        """Take the settings; nothing is opened before the gateway is entered.

        Args:
            settings: The configuration; by default what `narthex serve` would find.
            answers: Given in place of errors; looked at before those of the configuration.

        Raises:
            ConfigError: The configuration found cannot be used.
        """
        if settings is None:
            settings = load(environ=os.environ)
        self.settings = settings.settings if isinstance(settings, Loaded) else settings
        self._given_answers = tuple(answers)
        self._resources = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Build everything, in order; where that fails, nothing of it stays open."""
        # Last to end: the ends of all calls are still to be copied.
        last = await self._resources.enter_async_context(contextlib.AsyncExitStack())
        try:
            await self._build(self.settings)
            if self.shared is not None:
                last.push_async_callback((await self.shared.share(self.registry)).aclose)
        except BaseException:
            await self._resources.aclose()
            raise
        return self

    async def _build(self, settings: Settings) -> None:
        self._tasks = TaskKeeper()
        self._open_door(settings)
        data_dir = settings.data_dir.expanduser()
        log = self._open_log(data_dir / "logs")
        self.embedded = _embedded(settings.embedded, data_dir)
        self.pool = ProviderPool(self.embedded, os.environ)
        self._resources.push_async_callback(self.pool.aclose)
        self.recorder = self._recorder(settings, data_dir / "recordings")
        self.compressor = compressor(settings.compression, data_dir / "dictionaries", self._tasks.spawn)
        clerks = self._open_books(settings, data_dir / "ledger")
        # First to end: what is cancelled here still needs its provider, and leaves its line in the log.
        self._resources.push_async_callback(self._tasks.aclose)
        self.catalog = await self.pool.catalog(settings)
        self.survey = Survey(self.catalog, self._tasks.spawn)
        self.board = BreakerBoard(breaker_policy(settings.breakers), wide=settings.breakers.provider_wide)
        self.spending = Spending(time.time, self.catalog.facts)
        self.figures = Figures(time.monotonic, available=self.board.available)
        self.router = _router(settings, self.catalog, self.figures, self.spending)
        self._recover_and_copy(settings, log)
        self.metrics.sources += self._counters()
        self.shared = await self._share(settings)
        self.engine = self._engine(settings, log)
        await count_storage(self.books.limits.quotas, self.recorder, self.responses, self._shelf, self.shared)
        self.books.follow(self.office, clerks.spawn, log, when_erased=self.caching.forget_erased)

    def _recover_and_copy(self, settings: Settings, log: RequestLog | None) -> None:
        self.hedger = Hedger(self._tasks.spawn)
        self.recovery = self._recovery(settings)
        self.idempotency = Idempotency(settings.idempotency, self._tasks.spawn)
        self.answers = self._registered(settings)
        self.shadows = self._shadows(settings, log)
        self.cascades = Cascades(self.router.virtual_models)
        self.caching = Caching.of(settings, self._tasks.spawn, self.keyring, self.compressor, self.recovery.has_spare)

    def _open_books(self, settings: Settings, folder: Path) -> TaskKeeper:
        self.books = Books(folder, lambda model: self.catalog.price(model))  # noqa: PLW0108 - the catalog comes later
        self.books.heed(self.office, settings, link_settings(settings.redis))
        # Behind the calls, before the database.
        self._resources.push_async_callback(self.books.aclose)
        self._resources.push_async_callback((clerks := TaskKeeper()).aclose)
        return clerks

    def _engine(self, settings: Settings, log: RequestLog | None) -> Engine:
        self.merges = configured_merges(settings)
        self.simulation = Simulation(settings.streams.simulated_tokens_per_s)
        settlement = Settlement(self.metrics, log, self.spending, self.books.billing)
        self.registry = Registry(keep_policy(settings.streams), settlement.live, Readings(self.audit))
        self.player = Player(self.registry, self.recorder, self._tasks.spawn)
        self._keep_responses(settings)
        self.metrics.sources += [self.registry.lines, self.responses.lines, self._shelf.lines]
        engine = Engine(self._stages(settlement), settlement)
        self.background.handle = self.caching.handle = engine.handle
        return engine

    async def _share(self, settings: Settings) -> SharedState | None:
        where = link_settings(settings.redis)
        if where is None:
            return None
        shared = _shared_state(where, self.board, self.office)
        self.metrics.sources.append(shared.lines)
        await shared.start(self._tasks.spawn, self.catalog.providers)
        return shared

    def _keep_responses(self, settings: Settings) -> None:
        limits, shared = shelf_limits(settings.responses), self.shared
        self._shelf = MemoryShelf(limits, time.monotonic) if shared is None else shared.shelf(limits)
        kept = CompressedShelf(self._shelf, self.compressor, "responses")
        most = settings.server.max_body_bytes
        self.responses = Responses(kept, settings.responses, self._tasks.spawn, max_input_bytes=most)
        self.background = Background(self.responses, self.registry, self._tasks.spawn, self.books.limits.quotas)

    def _counters(self) -> list[Callable[[], Iterator[str]]]:
        """Return what renders the counters that others than the metrics keep."""
        counting = (self.books, self.recovery.counters, self.answers, self.board, self.shadows.dropped, self.cascades)
        more = (self.hedger.counters, self.places, self.shedder, self.spending, self.idempotency.store, self.sockets)
        lines = [one.lines for one in (*counting, *more, self.compressor.stats, self.caching)]
        return [*lines, lambda: key_lines(reports_by_provider(self.catalog.providers))]

    def _open_door(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.representations = represent(settings)
        self.keyring = keyring_of(settings)
        self.shedder = Shedder(lag_s=lag_s(settings), max_active=settings.server.max_active_calls)
        self.doorkeeper = Doorkeeper(self.shedder, self.metrics)
        self.lag_watch = self._resources.enter_context(LagWatch(self.shedder.observe))
        self.places = Places(limit_policy(settings.limits), maximums=maximums(settings))
        self.pace = SetPace(settings.streams)
        self.heartbeat = Heartbeat(settings.streams.keep_alive_comment_s)
        self.sockets = SocketHub(socket_limits(settings.sockets), self.keyring)
        self.keyring.when_gone = self.sockets.close_gone
        self.audit = Audit(settings.audit.level, max_waiting=settings.audit.max_waiting)
        self.office = open_accounts(settings, self.keyring, self.audit, self._tasks.spawn)
        self._resources.push_async_callback(asyncio.to_thread, self.audit.close)  # last: the office writes what waits
        self._resources.push_async_callback(self.office.aclose)
        self.metrics.sources.append(self.audit.lines)
        self.office.start()

    def _stages(self, settlement: Settlement) -> list[Check | Stage]:
        return default_stages(
            keyring=self.keyring,
            doorkeeper=self.doorkeeper,
            idempotency=self.idempotency,
            remember=Remember(self.responses, self.background),
            catalog=self.catalog,
            router=self.router,
            spawn=self._tasks.spawn,
            recovery=self.recovery,
            rescue=self.settings.rescue,
            answers=self.answers,
            shadows=self.shadows,
            cascades=self.cascades,
            simulation=self.simulation,
            own=Own(self.registry, settlement.live, self._tasks.spawn, self.recorder),
            pace=self.pace,
            merge=self._merge(settlement),
            recall=self.caching.stage(settlement, self.books.billing, self.books.book, self.catalog.resolve),
            reserve=Reserve(self.books.billing),
        )

    def _merge(self, settlement: Settlement) -> Merge:
        check = partial(_known, self.router, self.catalog)
        return Merge(self.merges, settlement, self._tasks.spawn, check=check, simulation=self.simulation)

    def _registered(self, settings: Settings) -> RegisteredAnswers:
        return RegisteredAnswers(
            (*self._given_answers, *configured_answers(settings.answers)), canonical=self.catalog.meant
        )

    def _shadows(self, settings: Settings, log: RequestLog | None) -> Shadows:
        self._shadow_places = Places(limit_policy(settings.limits), maximums=maximums(settings))
        tasks = TaskKeeper()
        self._resources.push_async_callback(tasks.aclose)  # before the providers: no failure of theirs if it is cut off
        return Shadows(
            catalog=self.catalog,
            router=self.router,
            settlement=Settlement(self.metrics.shadows, log, billing=self.books.billing),
            attempt=lone_attempt(tasks.spawn, self._shadow_places, Reserve(self.books.billing, limited=False)),
            spawn=tasks.spawn,
            # Not where callers would have to wait themselves.
            available=lambda name: self.board.available(name) and self.places.of(name).has_room,
            limits=shadow_limits(settings.shadows),
        )

    def _recovery(self, settings: Settings) -> Recovery:
        retries = settings.retries
        return Recovery(
            chain=Fallbacks(self.catalog, self.router),
            policy=Policy(
                retries=retries.retries, patience_s=retries.patience_s, filtered_elsewhere=retries.filtered_elsewhere
            ),
            backoff=Backoff(base_s=retries.base_s, cap_s=retries.cap_s),
            budget=RetryBudget(BudgetPolicy(ratio=retries.budget_percent / 100)),
            board=self.board,
            places=self.places,
            figures=self.figures if settings.virtual else None,  # what nobody asks for is not counted
            hedger=self.hedger.by(settings.hedging),
            further=self.books.billing.further,
        )

    def _recorder(self, settings: Settings, folder: Path) -> Recorder:
        recordings = Recordings(folder, recording_limits(settings.streams))
        self._resources.push_async_callback(recordings.aclose)  # after the tasks: what they bring is recorded
        return Recorder(recordings)

    def _open_log(self, folder: Path) -> RequestLog | None:
        if (log := request_log(self.settings.log, folder, self.metrics)) is not None:
            log.start()
            self._resources.callback(log.close)
        return log

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything, in reverse."""
        await self._resources.aclose()

    # -- in this process -------------------------------------------------------------------------------------------

    async def models(self) -> list[ModelFacts]:
        """Return what is known of the models there are."""
        await self.survey.refresh()
        return self.catalog.models()

    # -- composition -----------------------------------------------------------------------------------------------

    async def reload(self, settings: Settings) -> None:
        """Take new settings over without a pause: calls under way go on as they began.

        Providers, aliases, keys and limits of calls change at once; what the server is bound to (address, TLS, data
        folder, embedded model, logs) changes at the next start, and the log says so.
        """
        for section in ("server", "data_dir", "embedded", "log", "rescue", "breakers", "redis"):
            if getattr(settings, section) != getattr(self.settings, section):
                logger.warning("a change of `%s` takes effect at the next start", section)
        self.catalog.adopt(await self.pool.change(settings, self._tasks.spawn))
        self.books.adopt(settings)
        if self.shared is not None:
            self.shared.follow(self.catalog.providers)
        adopt_accounts(self.office, keyring_of(settings), settings.sign_in)
        self.router.adopt(_router(settings, self.catalog, self.figures, self.spending))
        self.recovery.adopt(self._recovery(settings))
        self.answers.adopt(self._registered(settings))
        self.shadows.limits = shadow_limits(settings.shadows)
        self.cascades.adopt(Cascades(self.router.virtual_models))
        self.spending.keep([model.name for model in self.router.virtual_models if model.budget is not None])
        self.idempotency.adopt(settings.idempotency)
        self.merges.adopt(configured_merges(settings))
        self._reload_streams(settings)
        self._reload_kept(settings)
        self.settings = settings
        self.survey.expire()

    def _reload_streams(self, settings: Settings) -> None:
        streams, limits = settings.streams, (limit_policy(settings.limits), maximums(settings))
        self._shadow_places.adopt(*limits)
        self.places.adopt(*limits)
        self.shedder.lag_s, self.sockets.limits = lag_s(settings), socket_limits(settings.sockets)
        self.registry.adopt(keep_policy(streams))
        self.recorder.recordings.limits = recording_limits(streams)
        self.pace.adopt(streams)
        self.simulation.tokens_per_s = streams.simulated_tokens_per_s
        self.heartbeat.interval_s = streams.keep_alive_comment_s

    def _reload_kept(self, settings: Settings) -> None:
        self.caching.adopt(settings.cache)
        self.compressor.policies = compression_policies(settings.compression)
        represent(settings, self.representations)
        self.responses.settings = settings.responses
        self._shelf.adopt(shelf_limits(settings.responses))

    def services(self, address: Callable[[], str]) -> Services:
        """Return what the server's routes call."""
        return Services(
            engine=self.engine,
            catalog=self.catalog,
            access=_access(self.settings.server, self.keyring),
            doorkeeper=self.doorkeeper,
            places=self.places,
            router=self.router,
            explainer=self._explainer(),
            player=self.player,
            heartbeat=self.heartbeat,
            representations=self.representations,
            pace=self.pace,
            background=self.background,
            office=self.office,
            limits=self.books.limits,
            usage=self.books.usage,
            cache=self.caching.desk,
            sockets=self.sockets,
            dashboard=DashboardFiles(DASHBOARD_DIST),
            refresh=self.survey.refresh,
            embedded_status=lambda: status_of(self.embedded),
            shared=self.shared,
            address=address,
            settings=self.settings,
        )

    def _explainer(self) -> Explainer:
        return Explainer(self.catalog, self.router, board=self.board, keyring=self.keyring, merges=self.merges)


def _known(router: Router, catalog: Catalog, name: str) -> object:
    """Look a model up by any name it may have; raises `ModelNotFound` if there is none."""
    return router.is_virtual(name) or catalog.resolve(name)


def serve(loaded: Loaded, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Run the server until it is told to stop.

    Args:
        loaded: The configuration.
        on_ready: Called with the address once requests are taken.

    Raises:
        OSError: The address is taken or is not one of this machine.
        NarthexError: The database is of a newer version, or of another master key, or its address is wrong.
    """
    listener = bind(loaded.settings.server)

    async def run() -> None:
        address = address_of(listener, loaded.settings.server)
        async with Gateway(loaded) as gateway:
            watching = asyncio.ensure_future(_follow(gateway, loaded))
            server = make_server(
                gateway.services(lambda: address),
                loaded.settings.server,
                on_ready=lambda: on_ready(address) if on_ready is not None else None,
                on_stop=lambda: setattr(gateway.doorkeeper, "stopping", True),
            )
            refusing = asyncio.ensure_future(server.stop_for(gateway.office.given_up()))
            try:
                await server.serve([listener])
            finally:
                watching.cancel()
                refusing.cancel()
        if refusing.done() and not refusing.cancelled():
            raise refusing.result()

    try:
        run_in_loop(run())
    finally:
        listener.close()


async def _follow(gateway: Gateway, loaded: Loaded) -> None:
    """Reload when the configuration file changes, and on SIGHUP; a broken one is reported, and the old one stays."""
    async for change in watch(loaded):
        try:
            if isinstance(change, ConfigError):
                raise change
            await gateway.reload(change.settings)
        except NarthexError as error:
            logger.error("the configuration is not reloaded:\n%s", error)  # noqa: TRY400 - its lines say it all
        else:
            logger.info("configuration reloaded from %s", loaded.file or "the environment")


def _shared_state(where: LinkSettings, board: BreakerBoard, office: Office) -> SharedState:
    from narthex.pipeline.shared_state import SharedState  # noqa: PLC0415 - a start without it need not wait for it

    shared = SharedState(where, board)
    office.when_changed, shared.bell.heard = shared.bell.ring, office.wake.set
    return shared


def _access(server: ServerSettings, keyring: Keyring) -> Access:
    return Access(keyring, allowed_hosts=server.allowed_hosts, cors_origins=server.cors_origins)


def _router(settings: Settings, catalog: Catalog, figures: Figures, spending: Spending) -> Router:
    # Drawing lots needs no secrets.
    random = Random()  # noqa: S311
    means = Means(now=time.time, random=random, canonical=catalog.meant)
    near = settings.context_cache.by_prefix
    around = Surroundings(
        live=figures, clock=time.monotonic, random=random, facts_of=catalog.facts, spending=spending, by_prefix=near
    )
    return Router(means, around, models=virtual_models(settings), fallbacks=settings.fallbacks, rules=rules(settings))


def _embedded(settings: EmbeddedSettings, data_dir: Path) -> EmbeddedProvider | None:
    return EmbeddedProvider(settings, settings.models_dir or data_dir / "models") if settings.enabled else None


__all__ = ["Gateway", "NarthexError", "run_in_loop", "serve"]
