"""Streams of others are followed once, for as long as somebody reads them, and never with a hole."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec
import pytest

from narthex.errors import Cancelled, ProducerLost, StreamExpired, StreamNotFound, StreamUnreachable
from narthex.pipeline.mirroring import IDLE_S, Mirroring, beyond
from narthex.pipeline.owned import Told
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.stores.redis_streams import StreamStore
from narthex.stores.stream_records import Entry, Names, StreamFacts
from narthex.streams.log import LogBounds
from tests.pipeline.test_registry import opened

KEY = Names("test").key("tenant:one", "name-name")
FACTS = StreamFacts(node="there", digest=b"d", dialect="openai.chat", request="req_1", last=0, ended="", report=b"")


class Shelf:
    """What a store has of one stream."""

    def __init__(self, facts: StreamFacts | None, *entries: Entry) -> None:
        self.facts, self.entries = facts, list(entries)
        self.asked = 0

    async def whole(self, _key: object) -> tuple[StreamFacts | None, list[Entry]]:
        """See `StreamStore.whole`."""
        self.asked += 1
        return self.facts, self.entries


class Following:
    """What follows, with a clock and scales."""

    def __init__(self) -> None:
        self.now_s, self.bytes, self.woken = 0.0, 0, 0
        self.mirrors = Mirroring(bounds=LogBounds, weigh=self._weigh, woken=self._wake, clock=lambda: self.now_s)

    def _weigh(self, more: int) -> None:
        self.bytes += more

    def _wake(self) -> None:
        self.woken += 1


def part(first: int, last: int) -> Entry:
    """Return an entry with these events."""
    return Entry(last, tuple(b"%d;" % number for number in range(first, last + 1)))


async def ended(error: Told | None = None) -> bytes:
    """Return the report of a stream that has ended."""
    report = opened(Registry(KeepPolicy(), {}), "name-name", size=1, close=True).report()
    return msgspec.json.encode(msgspec.structs.replace(report, error=error))


async def test_followed_once_from_what_is_there() -> None:
    """All who read it read one log; what comes then is taken in its order."""
    there = Following()
    shelf = Shelf(FACTS, part(1, 3))
    one = await there.mirrors.open(cast("StreamStore", shelf), KEY)
    assert await there.mirrors.open(cast("StreamStore", shelf), KEY) is one
    assert (shelf.asked, there.woken, len(there.mirrors)) == (1, 1, 1)
    assert there.mirrors.wanted() == {KEY: "3-0"}
    reader = one.mirror.log.reader(after=1)
    there.mirrors.took(KEY, [part(2, 5)])
    assert reader.take() == [b"2;", b"3;", b"4;", b"5;"]
    there.mirrors.took(KEY, [Entry(5, report=await ended())])
    assert reader.ended
    assert there.mirrors.wanted() == {}
    assert there.mirrors.by_node() == {}


async def test_it_ends_with_the_error_of_its_end() -> None:
    """As it is told there."""
    there = Following()
    report = await ended(Told(code="cancelled", message="by its owner"))
    one = await there.mirrors.open(cast("StreamStore", Shelf(FACTS, part(1, 1), Entry(1, report=report))), KEY)
    assert isinstance(one.mirror.log.error, Cancelled)


async def test_it_begins_behind_the_last_hole() -> None:
    """What was forgotten there is forgotten here, too."""
    there = Following()
    one = await there.mirrors.open(cast("StreamStore", Shelf(FACTS, part(1, 3), part(7, 9))), KEY)
    assert (one.mirror.log.first_number, one.mirror.log.last_number) == (7, 9)


async def test_a_hole_lets_readers_go() -> None:
    """They may come back, and hear then what is gone; whoever comes to the old log hears that this is no end."""
    there = Following()
    one = await there.mirrors.open(cast("StreamStore", Shelf(FACTS, part(1, 3))), KEY)
    reader = one.mirror.log.reader()
    there.mirrors.took(KEY, [part(6, 7)])
    assert reader.dropped
    assert (len(there.mirrors), there.bytes) == (0, 0)
    assert isinstance(one.mirror.log.error, StreamUnreachable)
    assert not one.mirror.log.tells_error


async def test_what_is_not_there_is_told() -> None:
    """There is none, or there was one."""
    there = Following()
    with pytest.raises(StreamNotFound):
        await there.mirrors.open(cast("StreamStore", Shelf(None)), KEY)
    facts = StreamFacts(
        node="there", digest=b"d", dialect="openai.chat", request="r", last=9, ended="own", report=b"{}"
    )
    with pytest.raises(StreamExpired):
        await there.mirrors.open(cast("StreamStore", Shelf(facts)), KEY)


async def test_it_is_let_go_when_nobody_reads() -> None:
    """Not at once, and not while somebody does."""
    there = Following()
    one = await there.mirrors.open(cast("StreamStore", Shelf(FACTS, part(1, 3))), KEY)
    reader = one.mirror.log.reader()
    there.now_s = IDLE_S * 3
    there.mirrors.tidy()
    assert len(there.mirrors) == 1
    reader.leave()
    there.now_s += IDLE_S
    there.mirrors.tidy()
    assert len(there.mirrors) == 1
    there.now_s += 0.1
    there.mirrors.tidy()
    assert (len(there.mirrors), there.bytes) == (0, 0)


async def test_left_alone_they_are_all_let_go() -> None:
    """When nobody knows how they go on; those that have ended stay."""
    there = Following()
    one = await there.mirrors.open(cast("StreamStore", Shelf(FACTS, part(1, 3))), KEY)
    reader = one.mirror.log.reader()
    other = Names("test").key("tenant:one", "name-too")
    await there.mirrors.open(cast("StreamStore", Shelf(FACTS, part(1, 1), Entry(1, report=await ended()))), other)
    there.mirrors.drop_all()
    assert reader.dropped
    assert len(there.mirrors) == 1
    there.mirrors.forget(other)
    assert len(there.mirrors) == 0


async def test_lost_without_a_trace_it_ends_honestly() -> None:
    """Its readers get what came, and the next event says why there is no more."""
    there = Following()
    one = await there.mirrors.open(cast("StreamStore", Shelf(FACTS, part(1, 3))), KEY)
    reader = one.mirror.log.reader()
    there.mirrors.lost(KEY)
    *_, last = reader.take()
    assert isinstance(last, bytes)
    assert last.startswith(b"id: name-name:4\n")
    assert b"producer_lost" in last
    assert isinstance(one.mirror.log.error, ProducerLost)


@pytest.mark.parametrize("dialect", ["openai.chat", "anthropic.messages", "openai.responses"])
async def test_one_who_read_more_is_told_the_end(dialect: str) -> None:
    """Under the next number, in its own dialect."""
    facts = StreamFacts(node="there", digest=b"d", dialect=dialect, request="req_1", last=4, ended="lost", report=b"")
    log = beyond("name-name", facts, 57)
    [last] = log.reader(after=57).take()
    assert isinstance(last, bytes)
    assert last.startswith(b"id: name-name:58\n")
    assert b"producer_lost" in last or b"died before its end" in last


async def test_a_long_one_is_taken_in_part_by_part() -> None:
    """Others have their turn meanwhile; two who come to it at once read one log, and what is dropped weighs nothing."""
    there = Following()
    shelf = cast("StreamStore", Shelf(FACTS, *(part(1 + 500 * n, 500 + 500 * n) for n in range(20))))
    leaving = asyncio.ensure_future(there.mirrors.open(shelf, KEY))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not leaving.done()
    assert there.bytes > 0
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert (there.bytes, len(there.mirrors)) == (0, 0)
    one, other = await asyncio.gather(there.mirrors.open(shelf, KEY), there.mirrors.open(shelf, KEY))
    assert one is other
    assert one.mirror.last == 10_000
    assert there.bytes == one.mirror.log.held_bytes
