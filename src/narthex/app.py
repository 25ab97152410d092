"""The composition root: the only place that picks concrete classes, builds them in order and closes them in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from narthex.config.load import Loaded, load
from narthex.config.rules import rules
from narthex.config.settings import EmbeddedSettings, Settings
from narthex.config.stream_settings import StreamSettings
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
from narthex.pipeline.generate import Generator
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
from narthex.pipeline.shared_state import SharedState
from narthex.pipeline.simulating import Simulation
from narthex.pipeline.stages.admit import Doorkeeper
from narthex.pipeline.stages.idempotency import Idempotency
from narthex.pipeline.stages.merge import Merge
from narthex.pipeline.stages.own import Own
from narthex.pipeline.stages.pace import SetPace
from narthex.pipeline.stages.remember import Remember
from narthex.policies import (
    breaker_policy,
    keep_policy,
    lag_s,
    limit_policy,
    link_settings,
    maximums,
    recording_limits,
    shadow_limits,
    socket_limits,
)
from narthex.provider_pool import ProviderPool
from narthex.providers.embedded.provider import EmbeddedProvider
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
from narthex.stores.shelves import MemoryShelf
from narthex.streams.recordings import Recordings
from narthex.telemetry.lag import LagWatch
from narthex.telemetry.metrics import Metrics
from narthex.telemetry.request_log import RequestLog
from narthex.tenancy.keys import Ceiling, Keyring
from narthex.types.catalog import ModelFacts
from narthex.types.priorities import PRIORITIES

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
        # First to end: what is cancelled here still needs its provider, and leaves its line in the log.
        self._resources.push_async_callback(self._tasks.aclose)
        self.catalog = await self.pool.catalog(settings)
        self.survey = Survey(self.catalog, self._tasks.spawn)
        self.board = BreakerBoard(breaker_policy(settings.breakers), wide=settings.breakers.provider_wide)
        self.spending = Spending(time.time, self.catalog.facts)
        self.figures = Figures(time.monotonic, available=self.board.available)
        self.router = self._router(settings)
        self.hedger = Hedger(self._tasks.spawn)
        self.recovery = self._recovery(settings)
        self.idempotency = Idempotency(settings.idempotency, self._tasks.spawn)
        self.answers = self._registered(settings)
        self.shadows = self._shadows(settings, log)
        self.cascades = Cascades(self.router.virtual_models)
        self.metrics.sources += self._counters()
        self.shared = await self._share(settings)
        self.engine = self._engine(settings, log)

    def _engine(self, settings: Settings, log: RequestLog | None) -> Engine:
        self.merges = configured_merges(settings)
        self.simulation = Simulation(settings.streams.simulated_tokens_per_s)
        settlement = Settlement(self.metrics, log, self.spending)
        self.registry = Registry(keep_policy(settings.streams), settlement.live)
        self.player = Player(self.registry, self.recorder, self._tasks.spawn)
        self._keep_responses(settings)
        self.metrics.sources += [self.registry.lines, self.responses.lines, self._shelf.lines]
        engine = Engine(self._stages(settlement), settlement)
        self.background.handle = engine.handle
        return engine

    async def _share(self, settings: Settings) -> SharedState | None:
        where = link_settings(settings.redis)
        if where is None:
            return None
        shared = SharedState(where, self.board)
        self.metrics.sources.append(shared.lines)
        await shared.start(self._tasks.spawn, self.catalog.providers)
        return shared

    def _keep_responses(self, settings: Settings) -> None:
        limits, shared = shelf_limits(settings.responses), self.shared
        self._shelf = MemoryShelf(limits, time.monotonic) if shared is None else shared.shelf(limits)
        self.responses = Responses(
            self._shelf, settings.responses, self._tasks.spawn, max_input_bytes=settings.server.max_body_bytes
        )
        self.background = Background(self.responses, self.registry, self._tasks.spawn)

    def _counters(self) -> list[Callable[[], Iterator[str]]]:
        """Return what renders the counters that others than the metrics keep."""
        counting = (self.recovery.counters, self.answers, self.board, self.shadows.dropped, self.cascades)
        more = (self.hedger.counters, self.places, self.shedder, self.spending, self.idempotency.store, self.sockets)
        return [*(one.lines for one in (*counting, *more)), self._key_lines]

    def _open_door(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.keyring = _keyring(settings)
        self.shedder = Shedder(lag_s=lag_s(settings), max_active=settings.server.max_active_calls)
        self.doorkeeper = Doorkeeper(self.shedder, self.metrics)
        self.lag_watch = self._resources.enter_context(LagWatch(self.shedder.observe))
        self.places = Places(limit_policy(settings.limits), maximums=maximums(settings))
        self.pace = SetPace(settings.streams)
        self.heartbeat = Heartbeat(settings.streams.keep_alive_comment_s)
        self.sockets = SocketHub(socket_limits(settings.sockets), self.keyring)

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
        )

    def _merge(self, settlement: Settlement) -> Merge:
        def check(name: str) -> None:
            if not self.router.is_virtual(name):
                self.catalog.resolve(name)

        return Merge(self.merges, settlement, self._tasks.spawn, check=check, simulation=self.simulation)

    def _registered(self, settings: Settings) -> RegisteredAnswers:
        return RegisteredAnswers(
            (*self._given_answers, *configured_answers(settings.answers)), canonical=self.catalog.meant
        )

    def _shadows(self, settings: Settings, log: RequestLog | None) -> Shadows:
        self._shadow_places = Places(limit_policy(settings.limits), maximums=maximums(settings))
        # Ended before the providers are closed: a copy cut off by our stop is no failure of theirs.
        tasks = TaskKeeper()
        self._resources.push_async_callback(tasks.aclose)
        return Shadows(
            catalog=self.catalog,
            router=self.router,
            settlement=Settlement(self.metrics.shadows, log),
            attempt=lone_attempt(tasks.spawn, self._shadow_places),
            spawn=tasks.spawn,
            # Not where callers would have to wait themselves.
            available=lambda name: self.board.available(name) and self.places.of(name).has_room,
            limits=shadow_limits(settings.shadows),
        )

    def _router(self, settings: Settings) -> Router:
        catalog = self.catalog
        # Drawing lots needs no secrets.
        random = Random()  # noqa: S311
        means = Means(now=time.time, random=random, canonical=catalog.meant)
        around = Surroundings(
            live=self.figures, clock=time.monotonic, random=random, facts_of=catalog.facts, spending=self.spending
        )
        return Router(
            means, around, models=virtual_models(settings), fallbacks=settings.fallbacks, rules=rules(settings)
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
            # What nobody asks for is not counted.
            figures=self.figures if settings.virtual else None,
            hedger=self.hedger.by(settings.hedging),
        )

    def _recorder(self, settings: Settings, folder: Path) -> Recorder:
        recordings = Recordings(folder, recording_limits(settings.streams))
        # After the tasks have ended: what they bring until then is recorded.
        self._resources.push_async_callback(recordings.aclose)
        return Recorder(recordings)

    def _open_log(self, folder: Path) -> RequestLog | None:
        settings = self.settings.log
        if not settings.requests:
            return None
        log = RequestLog(
            folder, max_file_bytes=settings.max_file_bytes, keep_files=settings.keep_files, metrics=self.metrics
        )
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
        if self.shared is not None:
            self.shared.follow(self.catalog.providers)
        self.keyring.adopt(_keyring(settings))
        self.router.adopt(self._router(settings))
        self.recovery.adopt(self._recovery(settings))
        self.answers.adopt(self._registered(settings))
        self.shadows.limits = shadow_limits(settings.shadows)
        self._shadow_places.adopt(limit_policy(settings.limits), maximums(settings))
        self.places.adopt(limit_policy(settings.limits), maximums(settings))
        self.shedder.lag_s = lag_s(settings)
        self.sockets.limits = socket_limits(settings.sockets)
        self.cascades.adopt(Cascades(self.router.virtual_models))
        self.spending.keep([model.name for model in self.router.virtual_models if model.budget is not None])
        self.idempotency.adopt(settings.idempotency)
        self.merges.adopt(configured_merges(settings))
        self._reload_streams(settings.streams)
        self.responses.settings = settings.responses
        self._shelf.adopt(shelf_limits(settings.responses))
        self.settings = settings
        self.survey.expire()

    def _reload_streams(self, streams: StreamSettings) -> None:
        self.simulation.tokens_per_s = streams.simulated_tokens_per_s
        self.registry.adopt(keep_policy(streams))
        self.recorder.recordings.limits = recording_limits(streams)
        self.pace.adopt(streams)
        self.heartbeat.interval_s = streams.keep_alive_comment_s

    def services(self, address: Callable[[], str]) -> Services:
        """Return what the server's routes call."""
        return Services(
            engine=self.engine,
            generator=Generator(self.engine),
            catalog=self.catalog,
            keyring=self.keyring,
            access=self._access(),
            doorkeeper=self.doorkeeper,
            metrics=self.metrics,
            breakers=self.board,
            places=self.places,
            shedder=self.shedder,
            router=self.router,
            explainer=self._explainer(),
            player=self.player,
            heartbeat=self.heartbeat,
            pace=self.pace,
            background=self.background,
            sockets=self.sockets,
            dashboard=DashboardFiles(DASHBOARD_DIST),
            refresh=self.survey.refresh,
            embedded_status=self._embedded_status,
            shared=self.shared,
            address=address,
            settings=self.settings,
        )

    def _access(self) -> Access:
        server = self.settings.server
        return Access(self.keyring, allowed_hosts=server.allowed_hosts, cors_origins=server.cors_origins)

    def _explainer(self) -> Explainer:
        return Explainer(catalog=self.catalog, router=self.router, board=self.board, keyring=self.keyring)

    def _key_lines(self) -> Iterator[str]:
        return key_lines(reports_by_provider(self.catalog.providers))

    def _embedded_status(self) -> dict[str, object]:
        if self.embedded is None:
            return {"installed": False, "loaded": False, "model": None, "progress": None, "detail": "switched off"}
        return self.embedded.status()


def serve(loaded: Loaded, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Run the server until it is told to stop.

    Args:
        loaded: The configuration.
        on_ready: Called with the address once requests are taken.

    Raises:
        OSError: The address is taken or is not one of this machine.
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
            try:
                await server.serve([listener])
            finally:
                watching.cancel()

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


def _embedded(settings: EmbeddedSettings, data_dir: Path) -> EmbeddedProvider | None:
    return EmbeddedProvider(settings, settings.models_dir or data_dir / "models") if settings.enabled else None


def _keyring(settings: Settings) -> Keyring:
    tenants = {key.name: key.tenant for key in settings.keys if key.tenant}
    priorities = {key.name: PRIORITIES[key.priority] for key in settings.keys}
    ceilings = {
        key.name: Ceiling(tokens_per_s=key.max_tokens_per_s, bytes_per_s=key.max_bytes_per_s)
        for key in settings.keys
        if key.max_tokens_per_s is not None or key.max_bytes_per_s is not None
    }
    keys = ((key.name, key.key.get_secret_value()) for key in settings.keys)
    return Keyring(keys, tenants, priorities=priorities, ceilings=ceilings)


__all__ = ["Gateway", "NarthexError", "run_in_loop", "serve"]
