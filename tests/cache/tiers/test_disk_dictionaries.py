"""Dictionaries beside the entries, in a PostgreSQL that several processes share."""

from __future__ import annotations

from pathlib import Path

from narthex.cache.entries import Entry
from narthex.cache.tiers.disk_dictionaries import WRITTEN_AGAIN_MS, DiskDictionaries
from narthex.cache.tiers.packing import Packing
from narthex.compression.compressor import Compressor
from narthex.compression.contract import Policy
from narthex.compression.dictionaries import MemoryDictionaries, dictionary
from narthex.compression.zstandard import train
from tests.cache.kept import ENTRY, entry
from tests.cache.on_disk import OnDisk
from tests.compression.samples import answers

LEARNED = dictionary(f"cache:{ENTRY.scope}", train(answers(200), 8_192, 3))
ASKED = entry(data=answers(201)[-1])


async def test_processes_read_what_was_written_with_anothers_dictionary(database_url: str, tmp_path: Path) -> None:
    """It lies there as well; where it is gone, the entry is of use to nobody, and goes. A file is one process's."""
    one, other = OnDisk(database_url, tmp_path), OnDisk(database_url, tmp_path)
    one.store.put(LEARNED)
    async with one.open() as tier:
        await tier.put(ASKED)
        await one.written()
        driver = one.place.connect(True)
        there = [bytes(row[0]) for row in driver.do("SELECT id FROM narthex_cache_dictionaries")]  # type: ignore[call-overload]
        assert there == ([LEARNED.id] if tier.is_shared else [])
        async with other.open() as others:
            assert await others.get(ENTRY.key) == (ASKED if tier.is_shared else None)
        if tier.is_shared:
            driver.do("DELETE FROM narthex_cache_dictionaries")
            third = OnDisk(database_url, tmp_path)
            async with third.open() as others:
                assert await others.get(ENTRY.key) is None
                await third.written()
            assert driver.do("SELECT key FROM narthex_cache_entries") == []
        driver.close()


async def test_they_go_with_who_was_erased(database_url: str, tmp_path: Path) -> None:
    """They may hold what was said; and what waits to be written of that person is not written."""
    one = OnDisk(database_url, tmp_path)
    one.store.put(LEARNED)
    eves = entry(key=b"\x00" * 32, tags=("eve",))

    def is_eves(asked: Entry) -> bool:
        return "eve" in asked.tags

    async with one.open() as tier:
        await tier.put(ASKED)
        await one.written()
        async with one.session._lock:
            await tier.put(eves)
        one.now_ms += 10
        assert await one.session.erase(is_eves, one.now_ms) <= 1
        await one.written()
        driver = one.place.connect(True)
        assert driver.do("SELECT id FROM narthex_cache_dictionaries") == []
        assert [await tier.get(key) for key in (eves.key, ENTRY.key)] == [None, ASKED]
        driver.close()


def test_they_are_written_again_after_a_while() -> None:
    """Once, and then so that they outlive whatever needs them; after an erasure at once."""
    store = MemoryDictionaries()
    store.put(LEARNED)
    compressor = Compressor({"cache": Policy()}, store)
    packing = Packing(compressor)
    frame = compressor.compress(ASKED.data, kind="cache", namespace=ENTRY.scope)
    scope = ENTRY.scope.encode()
    value = len(scope).to_bytes(2, "big") + scope + frame
    known = DiskDictionaries(packing, shared=True)
    (row,) = known.unwritten([value, value], 0)
    assert (row.id, row.kept_ms) == (LEARNED.id, 0)
    assert known.unwritten([value], 0) == [row]
    known.written([row])
    assert known.unwritten([value], WRITTEN_AGAIN_MS - 1) == []
    assert len(known.unwritten([value], WRITTEN_AGAIN_MS)) == 1
    known.forget()
    assert len(known.unwritten([value], 1)) == 1
    assert DiskDictionaries(packing, shared=False).unwritten([value], 0) == []
