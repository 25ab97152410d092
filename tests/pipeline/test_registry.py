"""Streams are found by their owners, bounded in number, bytes and age, and then forgotten honestly."""

from __future__ import annotations

import asyncio

import pytest

from narthex.errors import (
    InternalError,
    Overloaded,
    PausedTooLong,
    RateLimited,
    StreamExists,
    StreamExpired,
    StreamNotFound,
    StreamRunning,
)
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.owned import Owned
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.streams.stream import Stream
from narthex.tenancy.keys import Caller
from narthex.types.dialects import Dialect


def exchange(owner: str = "one") -> Exchange:
    """Return a streamed call of this tenant."""
    made = Exchange(Dialect.OPENAI_CHAT, b"{}", {}, caller=Caller(name="key", tenant=owner))
    made.streaming = True
    return made


def opened(registry: Registry, name: str, owner: str = "one", *, size: int = 0, close: bool = False) -> Owned:
    """Open a stream, write so many bytes, and close it if told to."""
    owned = registry.open(exchange(owner), id=name, on_disconnect=None)
    assert owned.log is not None
    owned.began = True
    if size:
        owned.log.append(b"x" * size)
    if close:
        owned.log.close()
    return owned


async def test_found_by_the_owner_alone() -> None:
    """Under one ID different owners have different streams."""
    registry = Registry(KeepPolicy(), {})
    mine, theirs = opened(registry, "same-name"), opened(registry, "same-name", "two")
    assert registry.find("tenant:one", "same-name") is mine
    assert registry.find("tenant:two", "same-name") is theirs
    with pytest.raises(StreamNotFound):
        registry.find("tenant:three", "same-name")
    with pytest.raises(StreamExists):
        opened(registry, "same-name")
    assert registry.of("tenant:one") == [mine]


async def test_forgotten_in_time() -> None:
    """After its time it is gone, and it is said that it was there, to its owner alone."""
    registry = Registry(KeepPolicy(keep_s=0.01), {})
    opened(registry, "name-name", size=100, close=True)
    await asyncio.sleep(0.05)
    with pytest.raises(StreamExpired):
        registry.find("tenant:one", "name-name")
    with pytest.raises(StreamNotFound):
        registry.find("tenant:two", "name-name")
    assert registry.held_bytes == 0


async def test_the_first_to_end_make_room() -> None:
    """What runs is never thrown away for room; what ended first goes first."""
    registry = Registry(KeepPolicy(max_total_bytes=1_000), {})
    running = opened(registry, "running-1", size=400)
    opened(registry, "ended-01", size=300, close=True)
    opened(registry, "ended-02", size=200, close=True)
    with pytest.raises(StreamExpired):
        registry.find("tenant:one", "ended-01")
    assert registry.find("tenant:one", "ended-02").ended
    assert running.log is not None
    running.log.append(b"x" * 700)
    with pytest.raises(Overloaded):
        opened(registry, "one-more")


async def test_an_owner_has_so_many_at_once() -> None:
    """One who floods the house is refused; others are not, and neither is it once some have ended."""
    registry = Registry(KeepPolicy(max_per_owner=2), {})
    first = opened(registry, "number-1")
    opened(registry, "number-2")
    with pytest.raises(RateLimited, match=r"streams\.max_per_owner"):
        opened(registry, "number-3")
    opened(registry, "number-3", "two")
    assert first.log is not None
    first.log.close(InternalError())
    opened(registry, "number-3")


async def test_what_runs_is_not_forgotten() -> None:
    """It must be ended first."""
    registry = Registry(KeepPolicy(), {})
    owned = opened(registry, "running-1")
    with pytest.raises(StreamRunning):
        registry.forget(owned)


async def test_streams_that_are_not_kept_are_found_while_they_run() -> None:
    """With one handle each, as long as they run, for their owner alone."""
    live: dict[str, Exchange] = {}
    registry = Registry(KeepPolicy(), live)
    running = exchange()
    live[running.id] = running
    assert registry.find("tenant:one", running.id).status == "waiting"
    running.answer = Stream(Dialect.OPENAI_CHAT)
    handle = registry.find("tenant:one", running.id)
    assert registry.find("tenant:one", running.id) is handle
    assert registry.of("tenant:one") == [handle]
    with pytest.raises(StreamNotFound):
        registry.find("tenant:two", running.id)
    running.answer.close()
    assert registry.find("tenant:one", running.id) is not handle


async def test_tells_how_much_is_kept() -> None:
    """As metrics."""
    registry = Registry(KeepPolicy(), {})
    opened(registry, "running-1", size=60)
    assert "narthex_streams_kept 1" in list(registry.lines())
    assert "narthex_streams_kept_bytes 100" in list(registry.lines())


async def test_a_stop_waits_for_what_runs() -> None:
    """What ends in time is whole; the rest is ended, and says why."""
    registry = Registry(KeepPolicy(), {})
    quick, slow = opened(registry, "quick-one"), opened(registry, "slow-one")
    assert quick.log is not None
    assert slow.log is not None
    slow.log.stop = slow.log.close
    asyncio.get_running_loop().call_later(0.01, quick.log.close)
    await registry.drain(0.1)
    assert quick.log.error is None
    assert isinstance(slow.log.error, Overloaded)
    await registry.drain(60)


async def test_a_paused_stream_is_found_when_its_answer_has_ended() -> None:
    """Only its owner's handle lets it go on, kept or not; then it is gone."""
    live: dict[str, Exchange] = {}
    registry = Registry(KeepPolicy(), live)
    running = exchange()
    live[running.id] = running
    running.answer = answer = Stream(Dialect.OPENAI_CHAT)
    reader = answer.reader()
    handle = registry.find("tenant:one", running.id)
    handle.pause(60, PausedTooLong())
    answer.close(last=b"x")
    del live[running.id]
    assert registry.find("tenant:one", running.id) is handle
    assert registry.of("tenant:one") == [handle]
    with pytest.raises(StreamNotFound):
        registry.find("tenant:two", running.id)
    handle.resume()
    assert (reader.take(), reader.ended) == ([b"x"], True)
    with pytest.raises(StreamNotFound):
        registry.find("tenant:one", running.id)


async def test_what_is_forgotten_while_it_is_paused_is_given_out() -> None:
    """Nobody could find it any more to go on with it."""
    registry = Registry(KeepPolicy(), {})
    owned = opened(registry, "paused-1")
    assert owned.log is not None
    reader = owned.log.reader()
    owned.pause(60, PausedTooLong())
    owned.log.close(last=b"x")
    registry.forget(owned)
    assert (reader.take(), reader.ended) == ([b"x"], True)


async def test_a_long_listing_lets_others_in_between() -> None:
    """A thousand reports at one stroke would hold up every answer."""
    registry = Registry(KeepPolicy(), {})
    for number in range(40):
        opened(registry, f"stream-{number:02d}")
    listing = asyncio.ensure_future(registry.listing("tenant:one"))
    turns = 0
    while not listing.done():
        turns += 1
        await asyncio.sleep(0)
    assert len(listing.result()) == 40
    assert turns >= 5
