"""The providers that settings name: built once each, kept over a reload, closed when nothing names them."""

from __future__ import annotations

from pathlib import Path

from narthex.pipeline.gateway import TaskKeeper
from narthex.provider_pool import ProviderPool
from tests.gateways import settings_for


async def test_a_provider_is_kept_while_nothing_about_it_changes(tmp_path: Path) -> None:
    """What others know of it, such as its connections, is not lost by a change elsewhere."""
    pool, tasks = ProviderPool(None, {}), TaskKeeper()
    demo = {"demo": {"kind": "scripted"}, "away": {"base_url": "http://127.0.0.1:9/v1"}}
    first = await pool.catalog(settings_for(tmp_path, providers=demo))
    second = await pool.change(settings_for(tmp_path, providers=demo, default_model="demo/echo"), tasks.spawn)
    assert [one.name for one in second.providers] == ["demo", "away"]
    assert all(one is other for one, other in zip(first.providers, second.providers, strict=True))
    changed = {**demo, "away": {"base_url": "http://127.0.0.1:10/v1"}}
    third = await pool.change(settings_for(tmp_path, providers=changed), tasks.spawn)
    assert [one in second.providers for one in third.providers] == [True, False]
    assert len(tasks) == 1
    await tasks.aclose()
    await pool.aclose()
