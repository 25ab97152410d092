"""The settings in the words of the parts that go by them."""

from __future__ import annotations

import math

from narthex.config.settings import (
    BreakerSettings,
    LimitSettings,
    Settings,
    ShadowTrafficSettings,
    TimeoutOverrides,
    TimeoutSettings,
)
from narthex.config.socket_settings import SocketSettings
from narthex.config.stores import RedisSettings
from narthex.config.stream_settings import StreamSettings
from narthex.http.sockets.contract import SocketLimits
from narthex.pipeline.registry import KeepPolicy
from narthex.pipeline.shadows import ShadowLimits
from narthex.providers.contract import PartialTimeouts, Timeouts
from narthex.resilience.breakers import BreakerPolicy
from narthex.resilience.concurrency import LimitPolicy
from narthex.stores.link import LinkSettings
from narthex.streams.log import LogBounds
from narthex.streams.recordings import RecordingLimits


def breaker_policy(breakers: BreakerSettings) -> BreakerPolicy:
    """Return when a model or provider that fails is left alone."""
    return BreakerPolicy(
        consecutive_failures=breakers.consecutive_failures,
        failure_rate=breakers.failure_percent / 100,
        slow_rate=breakers.slow_percent / 100,
        slow_call_s=breakers.slow_call_s,
        minimum_calls=breakers.minimum_calls,
        window_s=breakers.window_s,
        open_s=breakers.open_s,
        open_cap_s=breakers.open_cap_s,
    )


def shadow_limits(shadows: ShadowTrafficSettings) -> ShadowLimits:
    """Return what copies of calls may take."""
    return ShadowLimits(max_active=shadows.max_active, timeout_s=shadows.timeout_s)


def socket_limits(sockets: SocketSettings) -> SocketLimits:
    """Return what WebSockets may do."""
    return SocketLimits(**sockets.model_dump())


def limit_policy(limits: LimitSettings) -> LimitPolicy:
    """Return how the limit on calls at once to a model moves."""
    return LimitPolicy(
        adaptive=limits.adaptive, maximum=limits.maximum, queue=limits.queue, queue_timeout_s=limits.queue_timeout_s
    )


def maximums(settings: Settings) -> dict[str, int]:
    """Return the most calls at once to each model of those providers that have a figure of their own."""
    return {name: one.max_concurrency for name, one in settings.providers.items() if one.max_concurrency is not None}


def lag_s(settings: Settings) -> float:
    """Return from which lag of the event loop on calls are refused, in seconds; infinite for never."""
    return settings.shedding.lag_s if settings.shedding.enabled else math.inf


def timeouts(settings: TimeoutSettings) -> Timeouts:
    """Return the limits of calls to a provider."""
    return Timeouts(
        connect_s=settings.connect_s,
        headers_s=settings.headers_s,
        first_token_s=settings.first_token_s,
        idle_s=settings.idle_s,
        total_s=settings.total_s,
    )


def partial_timeouts(settings: TimeoutOverrides) -> PartialTimeouts:
    """Return the limits of some calls, as far as they differ from those of the others."""
    return PartialTimeouts(
        connect_s=settings.connect_s,
        headers_s=settings.headers_s,
        first_token_s=settings.first_token_s,
        idle_s=settings.idle_s,
        total_s=settings.total_s,
    )


def streaming(settings: Settings) -> dict[str, bool]:
    """Return which providers, by name, and which models, by `provider/model`, can or cannot stream."""
    providers = {name: one.streams for name, one in settings.providers.items()}
    return providers | {name: one.streams for name, one in settings.models.items() if one.streams is not None}


def link_settings(settings: RedisSettings) -> LinkSettings | None:
    """Return where the store is that several processes share; None where they share nothing."""
    if settings.url is None:
        return None
    return LinkSettings(
        url=settings.url.get_secret_value(),
        prefix=settings.prefix,
        connect_timeout_s=settings.connect_timeout_s,
        timeout_s=settings.timeout_s,
    )


def recording_limits(settings: StreamSettings) -> RecordingLimits:
    """Return how much is recorded of streams."""
    return RecordingLimits(
        max_recordings=settings.max_recordings,
        max_bytes=settings.max_recording_bytes,
        max_total_bytes=settings.max_recordings_bytes,
    )


def keep_policy(settings: StreamSettings) -> KeepPolicy:
    """Return which streamed answers are kept, how much of them, and for how long."""
    return KeepPolicy(
        always=settings.keep == "always",
        on_disconnect=settings.on_disconnect,
        keep_s=settings.keep_s,
        bounds=LogBounds(max_bytes=settings.max_bytes, reader_lag_bytes=settings.reader_lag_bytes),
        max_total_bytes=settings.max_total_bytes,
        max_per_owner=settings.max_per_owner,
        pause_limit_s=settings.pause_limit_s,
    )
