"""The tier on disk, in a file of SQLite and in a real PostgreSQL: it is never in the way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from narthex.cache.tiers import disk
from tests.cache.kept import ENTRY, entry
from tests.cache.on_disk import OnDisk, noise
from tests.cache.tiers.test_contract import promises_of_a_tier


async def test_it_is_a_tier(database_url: str, tmp_path: Path) -> None:
    """It keeps what every tier promises."""
    one = OnDisk(database_url, tmp_path)
    assert await one.tier.get(ENTRY.key) is None
    async with one.open() as tier:
        await promises_of_a_tier(tier, one.written)


async def test_it_holds_so_much_and_no_more(database_url: str, tmp_path: Path) -> None:
    """What has ended goes, and then what was used least lately."""
    one = OnDisk(database_url, tmp_path, max_bytes=40_000)
    async with one.open() as tier:
        await tier.put(entry(key=b"e" * 32, made_ms=ENTRY.made_ms - ENTRY.kept_ms + 1))
        await one.written()
        for number in range(20):
            one.now_ms += 1
            await tier.put(entry(key=bytes([number]) * 32, data=noise(number)))
            await one.written()
        one.now_ms += 1
        assert await tier.get(bytes(32)) is not None
        await one.written()
        await one.session.sweep()
        figures = tier.figures
        assert figures.bytes is not None
        assert figures.evicted
        assert (figures.bytes <= 40_000, figures.entries) == (True, 20 - figures.evicted)
        assert await tier.get(b"e" * 32) is None
        assert await tier.get(bytes(32)) is not None, "it was used lately"
        assert await tier.get(b"\x01" * 32) is None


async def test_what_is_damaged_in_it_is_gone(database_url: str, tmp_path: Path) -> None:
    """A row that is no entry is a miss, and is taken away."""
    one = OnDisk(database_url, tmp_path)
    async with one.open() as tier:
        await tier.put(ENTRY)
        await one.written()
        driver = one.place.connect(True)
        driver.do("UPDATE narthex_cache_entries SET value = ?", (b"\x80\x04cos\nsystem\n.",))
        assert await tier.get(ENTRY.key) is None
        await one.written()
        assert driver.do("SELECT key FROM narthex_cache_entries") == []
        driver.close()


async def test_nothing_waits_without_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither entries nor those who look."""
    monkeypatch.setattr(disk, "MAX_WAITING", 2)
    one = OnDisk("", tmp_path)
    for number in range(3):
        await one.tier.put(entry(key=bytes([number]) * 32))
    assert one.tier.figures.dropped == 1
    assert await one.tier.get(bytes(32)) == entry(key=bytes(32))


async def test_a_database_that_is_slow_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After a few looks that took too long nobody looks there for a while."""
    one = OnDisk("", tmp_path)
    async with one.open() as tier:
        await tier.put(ENTRY)
        await one.written()
        tier.budget_s, go_on = 0.001, threading.Event()
        one.session._reader.submit(go_on.wait)
        for _ in range(disk.SLOW_TIMES):
            assert await tier.get(ENTRY.key) is None
        assert "does not answer within" in caplog.text
        go_on.set()
        tier.budget_s = 5
        assert await tier.get(ENTRY.key) is None
