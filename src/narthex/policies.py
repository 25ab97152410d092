"""The settings in the words of the parts that go by them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec

from narthex.compression.compressor import Compressor, Spawn
from narthex.compression.contents import Coding
from narthex.compression.contract import Kind, Policy
from narthex.compression.dictionaries import FolderDictionaries
from narthex.config.compression_settings import CompressionSettings
from narthex.config.settings import (
    BreakerSettings,
    LimitSettings,
    LogSettings,
    ProviderSettings,
    Settings,
    ShadowTrafficSettings,
    TimeoutOverrides,
    TimeoutSettings,
)
from narthex.config.socket_settings import SocketSettings
from narthex.config.stores import RedisSettings
from narthex.config.stream_settings import StreamSettings
from narthex.http.caching import Rule
from narthex.http.representations import Representations
from narthex.http.sockets.contract import SocketLimits
from narthex.pipeline.registry import KeepPolicy
from narthex.pipeline.shadows import ShadowLimits
from narthex.providers.contract import PartialTimeouts, Timeouts
from narthex.providers.prefixes import PrefixCaching, Prefixes
from narthex.resilience.breakers import BreakerPolicy
from narthex.resilience.concurrency import LimitPolicy
from narthex.stores.link import LinkSettings
from narthex.streams.log import LogBounds
from narthex.streams.recordings import RecordingLimits
from narthex.telemetry.metrics import Metrics
from narthex.telemetry.request_log import RequestLog
from narthex.tenancy.keys import Ceiling, Keyring
from narthex.types.priorities import PRIORITIES
from narthex.types.vendors import VENDORS


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


def compression_policies(compression: CompressionSettings) -> Mapping[Kind, Policy]:
    """Return how each kind of data is compressed.

    Only the cache learns dictionaries: what lies there is a copy, and may be lost with one.
    """
    usual = Policy(
        level=compression.level,
        threshold_bytes=compression.threshold_bytes,
        dictionary_bytes=compression.dictionary_bytes,
        trains=False,
    )
    return {
        "cache": replace(usual, codec=compression.cache, trains=compression.dictionaries),
        "responses": replace(usual, codec=compression.responses),
        "documents": replace(usual, codec=compression.documents),
    }


def compressor(compression: CompressionSettings, folder: Path, spawn: Spawn) -> Compressor:
    """Return what compresses, with its dictionaries in a folder."""
    return Compressor(compression_policies(compression), FolderDictionaries(folder), spawn)


def represent(settings: Settings, by: Representations | None = None) -> Representations:
    """Return how answers go out, or have what there is already go by other settings."""
    representations = Representations() if by is None else by
    compression = settings.compression
    names: dict[str, Coding] = {"zstd": "zstd", "brotli": "br", "gzip": "gzip"}
    answers = compression.answers_threshold_bytes
    representations.adopt(
        codings=[names[name] for name in compression.http],
        threshold_bytes=compression.http_threshold_bytes,
        answers_bytes=None if answers < 0 else answers,
        encodes_events=compression.streams,
        rules=[Rule(rule.path, rule.cache_control) for rule in settings.http_cache.rules],
    )
    return representations


def request_log(settings: LogSettings, folder: Path, metrics: Metrics) -> RequestLog | None:
    """Return where calls are written down; None if they are not."""
    if not settings.requests:
        return None
    return RequestLog(folder, max_file_bytes=settings.max_file_bytes, keep_files=settings.keep_files, metrics=metrics)


def limit_policy(limits: LimitSettings) -> LimitPolicy:
    """Return how the limit on calls at once to a model moves."""
    return LimitPolicy(
        adaptive=limits.adaptive,
        follows=limits.follow_headers,
        maximum=limits.maximum,
        queue=limits.queue,
        queue_timeout_s=limits.queue_timeout_s,
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


def prefix_caching(
    settings: Settings, providers: Mapping[str, ProviderSettings], prefixes: Prefixes
) -> dict[str, PrefixCaching]:
    """Return how caches of prompts are used, of providers by name and of models by `provider/model`.

    Args:
        settings: The whole configuration.
        providers: Those that are used.
        prefixes: What remembers which prefixes came.
    """
    usual, found = settings.context_cache, dict[str, PrefixCaching]()
    for name, one in providers.items():
        way = _way_of_caching(name, one)
        if way is not None:
            auto = (one.context_cache or usual.mode) == "auto"
            found[name] = PrefixCaching(way=way, auto=auto, ttl=usual.ttl, prefixes=prefixes)
    for name, model in settings.models.items():
        at_provider = found.get(name.partition("/")[0])
        if at_provider is not None and model.context_cache is not None:
            found[name] = msgspec.structs.replace(at_provider, auto=model.context_cache == "auto")
    return found


def _way_of_caching(name: str, settings: ProviderSettings) -> Literal["markers", "key"] | None:
    vendor = VENDORS.get(name)
    kind = settings.kind or (vendor.kind if vendor else "openai")
    if kind == "anthropic":
        return "markers"
    if kind != "openai":
        return None
    url = settings.base_url or (vendor.base_url if vendor else "")
    knows = settings.prompt_cache_key
    if knows is None:
        # Most others refuse fields that they do not know.
        knows = url.rstrip("/") == VENDORS["openai"].base_url
    return "key" if knows else None


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


def keyring_of(settings: Settings) -> Keyring:
    """Return the keys of the configuration; the virtual ones are learned later."""
    tenants = {key.name: key.tenant for key in settings.keys if key.tenant}
    priorities = {key.name: PRIORITIES[key.priority] for key in settings.keys}
    ceilings = {
        key.name: Ceiling(tokens_per_s=key.max_tokens_per_s, bytes_per_s=key.max_bytes_per_s)
        for key in settings.keys
        if key.max_tokens_per_s is not None or key.max_bytes_per_s is not None
    }
    keys = ((key.name, key.key.get_secret_value()) for key in settings.keys)
    return Keyring(keys, tenants, priorities=priorities, ceilings=ceilings, knows_all=False)
