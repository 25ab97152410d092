"""Where answers lie outside of memory, in the real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.app import Gateway
from narthex.cache_places import place_of
from narthex.config.cache_settings import CacheSettings
from tests.gateways import settings_for
from tests.pipeline.recalled import ZERO, call
from tests.tenancy.waiting import until

ASKED = {**ZERO, "model": "s/scripted"}


async def asked(gateway: Gateway) -> str:
    """Ask, and return how it was answered."""
    one = call(ASKED)
    answer = await gateway.engine.handle(one)
    assert answer.whole
    return str(dict(one.told).get("cache-status"))


async def opened(gateway: Gateway) -> None:
    """Wait until the database is open."""
    session = gateway.caching.places.disk_session
    assert session is not None
    await until(lambda: session.is_open and session.has_begun, within_s=10)


async def test_answers_survive_a_restart(tmp_path: Path) -> None:
    """And so does what was declared void, the moment that it is told to have been."""
    settings = settings_for(tmp_path, providers={"s": {"kind": "scripted"}}, cache={"disk_budget_ms": 5_000})
    async with Gateway(settings) as gateway:
        await opened(gateway)
        assert "uri-miss" in await asked(gateway)
    async with Gateway(settings) as gateway:
        await opened(gateway)
        assert (await asked(gateway)).endswith("detail=sqlite")
        assert "detail" not in await asked(gateway)
        lines = list(gateway.caching.lines())
        assert 'narthex_cache_tier_looks_total{tier="sqlite",outcome="hit"} 1' in lines
        await gateway.caching.desk.clear(None)
        coherence = gateway.caching.cache.coherence
        assert coherence is not None
        assert not coherence.waiting
    async with Gateway(settings) as gateway:
        await opened(gateway)
        assert "uri-miss" in await asked(gateway)


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """Then there is no file; so it is where nothing is kept at all."""
    for cache in ({"disk": False}, {"mode": "off"}, {"enabled": False}):
        async with Gateway(settings_for(tmp_path, cache=cache)) as gateway:
            assert gateway.caching.places.disk is None
            assert gateway.caching.places.tiers == ()
    assert not any(tmp_path.glob("cache.db*"))  # noqa: ASYNC240 - a moment


async def test_a_reload_changes_how_much_it_holds(tmp_path: Path) -> None:
    """At once."""
    async with Gateway(settings_for(tmp_path)) as gateway:
        gateway.caching.adopt(CacheSettings(disk_max_bytes=70_000, disk_budget_ms=7))
        tier = gateway.caching.places.disk
        assert tier is not None
        assert (tier.max_bytes, tier.budget_s) == (70_000, 0.007)


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, ("sqlite", "own")),
        ({"redis": {"url": "redis://x", "prefix": "p"}}, ("sqlite", "redis:p")),
        ({"database": {"url": "postgresql://x/y"}}, ("postgresql", "own")),
    ],
)
def test_it_lies_where_the_database_does(tmp_path: Path, more: dict[str, object], place: tuple[str, str]) -> None:
    """Numbered by whoever numbers declarations."""
    found = place_of(settings_for(tmp_path, **more))
    assert (found.kind, found.line) == place
