"""A shelf on which things lie compressed."""

from __future__ import annotations

import logging

import pytest

from narthex.compression.compressor import Compressor
from narthex.compression.dictionaries import MemoryDictionaries
from narthex.stores.compressed_shelf import CompressedShelf
from narthex.stores.shelves import MemoryShelf, ShelfLimits

LIMITS = ShelfLimits(max_bytes=1_000_000, owner_bytes=500_000, keep_s=100)


def shelves() -> tuple[MemoryShelf, CompressedShelf]:
    """Return a shelf, and the one around it."""
    plain = MemoryShelf(LIMITS, lambda: 0.0)
    return plain, CompressedShelf(plain, Compressor({}, MemoryDictionaries()), "responses")


@pytest.mark.parametrize("size", [10, 2_000, 200_000])
async def test_things_take_up_less_and_are_given_back(size: int) -> None:
    """What is put is got as it was, and lies there smaller where that can be."""
    plain, shelf = shelves()
    value = (b"something that repeats itself " * (size // 30 + 1))[:size]
    await shelf.put("acme", "one", value)
    assert await shelf.get("acme", "one") == value
    held = await plain.get("acme", "one")
    assert held is not None
    assert len(held) < max(100, size // 4)
    assert await shelf.get("other", "one") is None


async def test_what_lay_there_before_is_read() -> None:
    """Things from before compression are returned as they are."""
    plain, shelf = shelves()
    await plain.put("acme", "old", b'{"id": "resp_1"}')
    assert await shelf.get("acme", "old") == b'{"id": "resp_1"}'


async def test_what_is_damaged_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """Damage costs the thing and a line in the log, and gives nothing else in its place."""
    plain, shelf = shelves()
    await shelf.put("acme", "one", b"a" * 1_000)
    held = bytearray(await plain.get("acme", "one") or b"")
    held[-1] ^= 1
    await plain.put("acme", "one", bytes(held))
    with caplog.at_level(logging.ERROR):
        assert await shelf.get("acme", "one") is None
    assert "'one' cannot be read any more" in caplog.text


async def test_all_else_is_as_on_any_shelf() -> None:
    """Times, renewing and deleting are those of the shelf inside."""
    plain, shelf = shelves()
    shelf.keep_for("acme", 5)
    assert plain.keeps_s("acme") == 5
    await shelf.put("acme", "one", b"x")
    await shelf.renew("acme", ["one"])
    assert await shelf.delete("acme", "one")
    assert not await shelf.delete("acme", "one")
