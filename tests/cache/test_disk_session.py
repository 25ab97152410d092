"""What is on disk is there again after a start, with all that was declared void; what is damaged harms nobody."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from narthex import cache_places
from narthex.cache.entries import Entry
from tests.cache.kept import ENTRY, entry
from tests.cache.on_disk import SOON_S, OnDisk, noise
from tests.tenancy.waiting import until


def _files(folder: Path, pattern: str = "cache.db*") -> list[Path]:
    return list(folder.glob(pattern))


async def test_what_it_holds_is_there_after_a_start(database_url: str, tmp_path: Path) -> None:
    """And what was declared void before is void still, of what was written before that."""
    first, again = OnDisk(database_url, tmp_path), OnDisk(database_url, tmp_path)
    other = entry(key=b"o" * 32, tags=("model:other",))
    async with first.open() as tier:
        number = first.coherence.number
        assert number
        for one in (ENTRY, other):
            await tier.put(entry(key=one.key, tags=one.tags, number=number))
        await first.written()
        first.coherence.declare(patterns=["model:o*"])
        await until(lambda: not first.coherence.waiting, within_s=SOON_S)
        later = entry(key=b"l" * 32, tags=("model:other",), number=first.coherence.number)
        await tier.put(later)
    async with again.open() as tier:
        assert again.coherence.number == first.coherence.number
        found = [await tier.get(key) for key in (ENTRY.key, other.key, later.key)]
        assert all(found)
        void = [again.coherence.is_void(one.key, one.tags, one.number) for one in found if one is not None]
        assert void == [False, True, False]


async def test_what_is_in_memory_before_it_is_open_stays(tmp_path: Path) -> None:
    """Whatever was declared void before this process began is none of its business, and so is a new file."""
    for _ in range(2):
        one = OnDisk("", tmp_path)
        number = one.own.number
        async with one.open():
            assert not one.own.is_void(["model:m"], number)
            one.coherence.declare(tags=["model:m"])
            await until(lambda one=one: not one.coherence.waiting, within_s=SOON_S)  # type: ignore[misc]


async def test_several_processes_hear_of_one_another(database_url: str, tmp_path: Path) -> None:
    """What one declares void the other hears; before it has, nothing that lies there is given."""
    one, other = OnDisk(database_url, tmp_path), OnDisk(database_url, tmp_path)
    async with one.open() as tier:
        await tier.put(ENTRY)
        await one.written()
        async with other.open() as others:
            assert await others.get(ENTRY.key) == ENTRY
            number = other.coherence.number
            others.known = lambda: number
            one.coherence.declare(tags=["x"])
            await until(lambda: other.coherence.number > number, within_s=SOON_S)
            assert await others.get(ENTRY.key) is None
            others.known = lambda: other.coherence.number
            assert await others.get(ENTRY.key) == ENTRY


async def test_nothing_of_who_was_erased_stays(database_url: str, tmp_path: Path) -> None:
    """Their entries go, and in a file nothing of them is left anywhere."""
    one = OnDisk(database_url, tmp_path)
    secret = entry(key=b"s" * 32, data=b"eve said", tags=("end-user:ws:eve",))
    async with one.open() as tier:
        for each in (ENTRY, secret):
            await tier.put(each)
        await one.written()

        def is_eves(asked: Entry) -> bool:
            return "end-user:ws:eve" in asked.tags

        assert [await one.session.erase(is_eves, until_ms) for until_ms in (5, 5)] == [1, 0]
        assert [await tier.get(key) for key in (ENTRY.key, secret.key)] == [ENTRY, None]
        if one.place.kind == "sqlite":
            assert all(b"eve said" not in part.read_bytes() for part in _files(tmp_path))


async def test_a_damaged_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is made anew, with a line in the log; so it is where the damage is found later."""
    one, again = OnDisk("", tmp_path), OnDisk("", tmp_path)
    one.file.write_bytes(b"this is no database" * 500)
    async with one.open() as tier:
        await tier.put(ENTRY)
        await one.written()
    assert len(_files(tmp_path, "*.damaged-*")) == 1
    assert "is damaged" in caplog.text
    async with again.open() as tier:
        assert await tier.get(ENTRY.key) == ENTRY
        broken = sqlite3.DatabaseError("malformed")
        broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        tier.broken = broken
        tier.waits.set()
        await until(lambda: tier.broken is None and tier.is_open, within_s=SOON_S)
        assert await tier.get(ENTRY.key) is None


@pytest.mark.parametrize("why", ["locked", "full", "gone"])
async def test_a_file_that_cannot_be_used_is_a_miss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """Told once; it is tried again, and no call has to know."""
    monkeypatch.setattr(cache_places, "BUSY_S", 0.05)
    one = OnDisk("", tmp_path)
    if why == "gone":
        one.file.mkdir()
    running = asyncio.ensure_future(one.session.run())
    driver = None
    if why != "gone":
        await until(lambda: one.tier.is_open, within_s=SOON_S)
        driver = one.place.connect(True)
        driver.do("BEGIN IMMEDIATE" if why == "locked" else "SELECT 1")
    if why == "full":
        assert one.session._rows is not None
        await one.session._in_thread(partial(one.session._rows._driver.do, "PRAGMA max_page_count = 1"))
    for number in range(3):
        await one.tier.put(entry(key=bytes([number]) * 32, data=noise(number) * 10))
    await until(lambda: one.tier.figures.failures > 0, within_s=SOON_S)
    assert caplog.text.count("is not given until it is well again") == 1
    assert await one.tier.get(b"never there" * 3) is None
    running.cancel()
    if driver is not None:
        driver.close()
    await asyncio.gather(running, return_exceptions=True)
