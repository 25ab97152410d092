"""Looking into the cache, and changing what is kept there."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from narthex.errors import NotFound
from narthex.pipeline import cache_desk
from narthex.pipeline.cache_desk import CacheDesk, Sought, Void, content_of
from narthex.types.dialects import Dialect
from tests.cache.kept import entry
from tests.cache.test_reports import Below
from tests.pipeline.recalled import ZERO, call, house, said

OWNER = "key:local"


def desk_of(made: object) -> CacheDesk:
    """Return the desk of a house."""
    caching = getattr(made, "caching", None)
    assert caching is not None
    found: CacheDesk = caching.desk
    return found


async def test_what_an_answer_says_is_read_in_any_form() -> None:
    """A body as it is, and what was translated as messages."""
    _, made = house()
    await said(made, call())
    desk = desk_of(made)
    (held,) = (await desk.entries(OWNER, Sought(10))).items
    assert b"answer 1" in bytes(content_of(held))  # type: ignore[call-overload]  # a body
    await made.engine.handle(call({**ZERO, "input": "Hi", "messages": None}, Dialect.OPENAI_RESPONSES))
    held.made = None
    broken = type(held)(entry(form="answer", data=b"\xc1"))
    with pytest.raises(NotFound):
        content_of(broken)


async def test_an_entry_below_is_found_by_its_owner() -> None:
    """By nobody else, and not once it is void."""
    _, made = house()
    desk = desk_of(made)
    one = entry(scope=OWNER, made_ms=made.cache.now_ms(), tags=("tag:key:local:a", "scope:key:local"))
    made.cache.below = (Below(one),)
    with pytest.raises(NotFound):
        await desk.entry("workspace:other", one.key)
    assert (await desk.entry(OWNER, one.key)).entry == one
    with pytest.raises(NotFound):
        await desk.entry(OWNER, b"other")
    assert await desk.invalidate(OWNER, Void(tags=["a"])) == 1
    with pytest.raises(NotFound):
        await desk.entry(OWNER, one.key)


async def test_what_is_being_answered_is_void_with_the_rest() -> None:
    """An answer that was asked for before is not kept; nothing named is nothing void."""
    provider, made = house()
    desk = desk_of(made)
    assert await desk.invalidate(OWNER, Void()) == 0
    number = made.cache.invalidation.number
    assert await desk.invalidate(OWNER, Void(models=["up/m"], keys=[b"absent"])) == 0
    assert made.cache.invalidation.is_void(["model:key:local:up/m"], number)
    assert not made.cache.invalidation.is_void(["model:key:other:up/m"], number)
    assert await desk.invalidate(None, Void(models=["up/m"])) == 0
    assert made.cache.invalidation.is_void(["model:key:other:up/m"], number)
    assert provider.calls == []


async def test_many_entries_go_while_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is given from then on; room is made a few at a time."""
    monkeypatch.setattr(cache_desk, "SWEPT", 10)
    _, made = house()
    desk, tags = desk_of(made), ("scope:key:local", "tag:key:local:a")
    now_ms = made.cache.now_ms()
    for void in (None, Void(tags=["a"])):
        for number in range(100):
            one = entry(key=number.to_bytes(32), scope=OWNER, tags=tags, made_ms=now_ms)
            assert made.cache.keep(replace(one, number=made.cache.invalidation.number))
        changing = asyncio.ensure_future(desk.clear(OWNER) if void is None else desk.invalidate(OWNER, void))
        left = set[int]()
        while not changing.done():
            await asyncio.sleep(0)
            left.add(len(made.cache.memory))
        assert (await changing, len(made.cache.memory)) == (100, 0)
        assert len(left) >= 10
