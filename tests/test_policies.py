"""What is configured is what the parts go by."""

from __future__ import annotations

import math
from pathlib import Path

from narthex.config.settings import Settings, TimeoutOverrides, TimeoutSettings
from narthex.pipeline.shadows import ShadowLimits
from narthex.policies import (
    breaker_policy,
    compression_policies,
    compressor,
    lag_s,
    limit_policy,
    maximums,
    partial_timeouts,
    prefix_caching,
    represent,
    request_log,
    shadow_limits,
    timeouts,
)
from narthex.providers.contract import PartialTimeouts, Timeouts
from narthex.providers.prefixes import Prefixes
from narthex.resilience.breakers import BreakerPolicy
from narthex.resilience.concurrency import LimitPolicy
from narthex.telemetry.metrics import Metrics
from narthex.telemetry.request_log import RequestLog


def settings(**given: object) -> Settings:
    """Return settings with these given."""
    return Settings.model_validate(given)


def test_what_is_not_configured_is_as_the_parts_have_it() -> None:
    """Without any setting each part goes by its own defaults."""
    plain = settings()
    assert breaker_policy(plain.breakers) == BreakerPolicy(minimum_calls=10)
    assert shadow_limits(plain.shadows) == ShadowLimits()
    assert limit_policy(plain.limits) == LimitPolicy()
    assert timeouts(plain.timeouts) == Timeouts()
    assert partial_timeouts(TimeoutOverrides()) == PartialTimeouts()
    assert (maximums(plain), lag_s(plain)) == ({}, 0.25)


def test_only_the_cache_learns_dictionaries() -> None:
    """What is no copy of anything never depends on a dictionary, which may be lost."""
    policies = compression_policies(settings(compression={"responses": "gzip", "level": 9}).compression)
    assert {kind: (policy.codec, policy.trains) for kind, policy in policies.items()} == {
        "cache": ("zstd", True),
        "responses": ("gzip", False),
        "documents": ("zstd", False),
    }
    assert {policy.level for policy in policies.values()} == {9}
    assert not compression_policies(settings(compression={"dictionaries": False}).compression)["cache"].trains


def test_what_compresses_keeps_its_dictionaries_in_a_folder(tmp_path: Path) -> None:
    """Nothing is made before there is something to keep."""
    made = compressor(settings().compression, tmp_path / "dictionaries", lambda work: work.close())
    assert made.decompress(made.compress(b"a" * 500, kind="cache"), kind="cache") == b"a" * 500
    assert list(tmp_path.iterdir()) == []


def test_answers_go_out_as_configured() -> None:
    """Codings by their names over HTTP; what there is already goes by other settings after a reload."""
    by = represent(settings())
    assert (by.coding(b"br, gzip", 1_024), by.coding(b"gzip", 1_023), by.answers_bytes) == ("br", None, 1_024)
    assert by.events_coding({b"accept-encoding": b"gzip"}) == "gzip"
    rules = [{"path": "/api/models", "cache_control": "max-age=5"}]
    compression = {"http": ["gzip"], "answers_threshold_bytes": -1, "streams": False}
    assert represent(settings(compression=compression, http_cache={"rules": rules}), by) is by
    assert (by.coding(b"br, gzip", 1_024), by.answers_bytes) == ("gzip", math.inf)
    assert by.events_coding({b"accept-encoding": b"gzip"}) is None
    assert by.rules.of("/api/models", "GET", 200, None) == "private, max-age=5"


def test_calls_are_written_down_unless_that_is_switched_off(tmp_path: Path) -> None:
    """There is a request log, or none."""
    assert request_log(settings(log={"requests": False}).log, tmp_path, Metrics()) is None
    assert isinstance(request_log(settings().log, tmp_path, Metrics()), RequestLog)


def test_parts_of_a_hundred_become_shares() -> None:
    """Percentages are taken for what they are."""
    policy = breaker_policy(settings(breakers={"failure_percent": 25, "slow_percent": 80}).breakers)
    assert (policy.failure_rate, policy.slow_rate) == (0.25, 0.8)


def test_limits_are_taken_over() -> None:
    """Each setting of a limit has its place, and a provider's own maximum stands by the provider's name."""
    given = settings(
        limits={"adaptive": False, "maximum": 20, "queue": 5, "queue_timeout_s": 2},
        providers={"small": {"kind": "scripted", "max_concurrency": 3}, "any": {"kind": "scripted"}},
    )
    assert limit_policy(given.limits) == LimitPolicy(adaptive=False, maximum=20, queue=5, queue_timeout_s=2)
    assert maximums(given) == {"small": 3}


def test_shedding_can_be_switched_off() -> None:
    """Switched off, no lag is too long."""
    assert lag_s(settings(shedding={"enabled": False})) == math.inf


def test_every_limit_of_time_has_its_place() -> None:
    """None is taken for another."""
    seconds = {"connect_s": 1.0, "headers_s": 2.0, "first_token_s": 3.0, "idle_s": 4.0, "total_s": 5.0}
    assert timeouts(TimeoutSettings(**seconds)) == Timeouts(**seconds)
    assert partial_timeouts(TimeoutOverrides(**seconds)) == PartialTimeouts(**seconds)


def test_caches_of_prompts_are_used_as_each_provider_wants_it() -> None:
    """Marks for one wire, keys for OpenAI itself and for who is said to take them; a model may differ."""
    openai = "https://api.openai.com/v1"
    given = settings(
        providers={
            **{name: {} for name in ("anthropic", "openai", "groq")},
            "mine": {"base_url": "http://127.0.0.1:1/v1", "prompt_cache_key": True, "context_cache": "off"},
            "proxied": {"kind": "openai", "base_url": f"{openai}/"},
            "plain": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1"},
            "refuses": {"kind": "openai", "base_url": openai, "prompt_cache_key": False},
            "demo": {"kind": "scripted"},
        },
        models={"anthropic/small": {"context_cache": "off"}, "groq/m": {"context_cache": "auto"}},
        context_cache={"ttl": "1h"},
    )
    found = prefix_caching(given, given.providers, Prefixes(lambda: 0.0))
    assert {name: (one.way, one.auto, one.ttl) for name, one in found.items()} == {
        "anthropic": ("markers", True, "1h"),
        "anthropic/small": ("markers", False, "1h"),
        "openai": ("key", True, "1h"),
        "mine": ("key", False, "1h"),
        "proxied": ("key", True, "1h"),
    }
