"""What is written here is copied in groups, goes on where it stopped, and is believed to be what the store says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.pipeline.copying import Copying
from narthex.pipeline.owned import Owned, StreamReport
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.stores.link import StoreUnavailable
from narthex.stores.redis_streams import ENDED, FOREIGN, Addition, Outcome, StreamStore
from narthex.stores.stream_records import Names, StreamKey
from narthex.streams.log import LogBounds
from tests.pipeline.test_registry import exchange, opened
from tests.streams.test_mirror import event

decode = msgspec.json.Decoder(StreamReport).decode


class Shelf:
    """A store in memory, which fails when it is told to."""

    def __init__(self) -> None:
        self.events: dict[StreamKey, dict[int, bytes]] = {}
        self.last: dict[StreamKey, int] = {}
        self.reports: dict[StreamKey, bytes] = {}
        self.kept: dict[StreamKey, float] = {}
        self.gone: list[StreamKey] = []
        self.says: int | None = None
        self.strokes = 0
        self.fails = 0
        """How many writes fail; of those every other one is written all the same."""

    async def append(self, _node: str, additions: Sequence[Addition]) -> list[Outcome]:
        """See `StreamStore.append`."""
        self.strokes += 1
        if self.fails:
            self.fails -= 1
            if self.fails % 2:
                self._append(additions)
            raise StoreUnavailable("away")
        return self._append(additions)

    async def forget(self, _node: str, keys: Sequence[StreamKey]) -> None:
        """See `StreamStore.forget`."""
        self.gone += keys
        for key in keys:
            for kept in (self.events, self.last, self.reports, self.kept):
                kept.pop(key, None)

    def lose(self) -> None:
        """Lose everything."""
        for kept in (self.events, self.last, self.kept):
            kept.clear()

    def _append(self, additions: Sequence[Addition]) -> list[Outcome]:
        return [Outcome(self.says, False) if self.says is not None else self._add(one) for one in additions]

    def _add(self, one: Addition) -> Outcome:
        last = self.last.get(one.key, 0)
        fits = last == one.expected and one.key not in self.kept
        if fits:
            for number, text in enumerate(one.events, one.last - len(one.events) + 1):
                self.events.setdefault(one.key, {})[number] = text
            self.last[one.key] = one.last
            self.reports[one.key] = one.report or self.reports[one.key]
            if one.keep_s is not None:
                self.kept[one.key] = one.keep_s
        return Outcome(self.last.get(one.key, 0), fits or one.key in self.kept)


def copying(policy: KeepPolicy | None = None) -> tuple[Copying, Registry, Shelf, StreamStore]:
    """Return what copies, where streams are opened, and where they go."""
    shelf = Shelf()
    made = Copying(Names("test"), "me", keep_s=lambda: 60.0)
    return made, Registry(policy or KeepPolicy(), {}), shelf, cast("StreamStore", shelf)


def written(owned: Owned, first: int, count: int) -> None:
    """Write so many events."""
    assert owned.log is not None
    for number in range(first, first + count):
        owned.log.append(event(number))


KEY = Names("test").key("tenant:one", "name-name")


async def test_all_is_copied_with_how_it_stands() -> None:
    """At one stroke, and then the end, with what is known of it."""
    made, registry, shelf, store = copying()
    one, other = opened(registry, "name-name"), opened(registry, "name-too")
    made.add(one)
    made.add(other)
    written(one, 1, 5)
    written(other, 1, 3)
    assert not made.idle
    assert made.behind == (2, 8)
    await made.flush(store)
    assert (shelf.strokes, shelf.events[KEY][5]) == (1, b"5;")
    assert (made.idle, made.behind, made.events_total) == (True, (0, 0), 8)
    assert decode(shelf.reports[KEY]).status == "running"
    assert one.log is not None
    one.log.close()
    await made.flush(store)
    assert decode(shelf.reports[KEY]).status == "done"
    assert shelf.kept[KEY] == pytest.approx(60, abs=5)
    assert made.of(KEY) is one


async def test_paused_nothing_more_is_given_away() -> None:
    """What is written meanwhile is copied when it goes on; that it is paused is told at once."""
    made, registry, shelf, store = copying()
    owned = opened(registry, "name-name")
    made.add(owned)
    written(owned, 1, 1)
    await made.flush(store)
    assert owned.log is not None
    owned.log.pause_delivery()
    written(owned, 2, 2)
    made.touch(owned)
    await made.flush(store)
    assert (shelf.last[KEY], decode(shelf.reports[KEY]).status) == (1, "paused")
    owned.log.resume_delivery()
    await made.flush(store)
    assert shelf.last[KEY] == 3


async def test_what_is_forgotten_is_forgotten_there() -> None:
    """Before anything else is written under its ID."""
    made, registry, shelf, store = copying()
    made.add(opened(registry, "name-name", size=1))
    made.forget(KEY)
    await made.flush(store)
    assert shelf.gone == [KEY]
    assert shelf.events == {}
    assert made.of(KEY) is None


@pytest.mark.parametrize("answer", [FOREIGN, ENDED])
async def test_fenced_it_is_copied_no_more(answer: int) -> None:
    """What others hold for theirs, or for ended, is left alone there, also when it is forgotten here."""
    made, registry, shelf, store = copying()
    owned = opened(registry, "name-name")
    made.add(owned)
    written(owned, 1, 1)
    shelf.says = answer
    await made.flush(store)
    written(owned, 2, 5)
    made.recheck()
    assert (made.idle, made.behind) == (True, (0, 0))
    made.forget(KEY)
    await made.flush(store)
    assert shelf.gone == []


async def test_a_store_that_lost_all_is_filled_again() -> None:
    """From the oldest event that is held; also what has ended."""
    made, registry, shelf, store = copying()
    owned = opened(registry, "name-name")
    made.add(owned)
    written(owned, 1, 7)
    assert owned.log is not None
    owned.log.close()
    await made.flush(store)
    before = shelf.events.pop(KEY)
    shelf.last.clear()
    shelf.kept.clear()
    made.recheck()
    await made.flush(store)
    assert shelf.events[KEY] == before
    assert KEY in shelf.kept


async def test_an_end_is_written_although_its_last_event_was_there_before() -> None:
    """As it is where the store wrote that event down, and was not heard to say so."""
    made, registry, shelf, store = copying()
    owned = opened(registry, "name-name")
    made.add(owned)
    written(owned, 1, 3)
    shelf.fails = 2
    await _tried(made, store)
    assert shelf.last[KEY] == 3
    shelf.fails = 0
    assert owned.log is not None
    owned.log.close()
    await made.flush(store)
    assert KEY in shelf.kept


async def test_a_log_need_not_begin_at_its_first_event() -> None:
    """What is played from its middle on is written once, also while nothing has come, and ends."""
    made, registry, shelf, store = copying()
    owned = registry.open(exchange(), id="name-name", on_disconnect=None, first_number=8)
    made.add(owned)
    async with asyncio.timeout(5):
        await made.flush(store)
    assert (shelf.strokes, shelf.last[KEY], made.behind) == (1, 7, (0, 0))
    written(owned, 8, 2)
    assert owned.log is not None
    owned.log.close()
    await made.flush(store)
    assert shelf.events[KEY] == {8: event(8), 9: event(9)}
    assert KEY in shelf.kept


async def test_what_was_given_before_a_pause_is_copied_during_it() -> None:
    """Its reader may come back anywhere."""
    made, registry, shelf, store = copying()
    owned = opened(registry, "name-name")
    made.add(owned)
    written(owned, 1, 3)
    assert owned.log is not None
    owned.log.pause_delivery()
    written(owned, 4, 2)
    await made.flush(store)
    assert (shelf.last[KEY], made.behind) == (3, (0, 0))


async def test_an_id_that_stands_for_another_stream_is_not_written_by_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if that was just being written when its ID was given away."""
    made, registry, shelf, store = copying()
    old = opened(registry, "name-name")
    made.add(old)
    written(old, 1, 2)
    append = shelf.append

    async def slow(node: str, additions: Sequence[Addition]) -> list[Outcome]:
        monkeypatch.setattr(shelf, "append", append)
        assert old.log is not None
        written(old, 3, 2)
        old.log.close()
        registry.forget(old)
        made.forget(KEY)
        made.add(opened(registry, "name-name"))
        return await append(node, additions)

    monkeypatch.setattr(shelf, "append", slow)
    await made.flush(store)
    assert shelf.gone == [KEY]
    new = made.of(KEY)
    assert new is not None
    assert new is not old
    assert shelf.events.get(KEY, {}) == {}


async def test_what_could_not_be_forgotten_there_is_forgotten_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store is back, also if nothing else is to be written."""
    made, registry, shelf, store = copying()
    made.add(opened(registry, "name-name"))
    made.forget(KEY)
    forget = shelf.forget

    async def away(_node: str, _keys: Sequence[StreamKey]) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(shelf, "forget", away)
    await _tried(made, store)
    monkeypatch.setattr(shelf, "forget", forget)
    made.recheck()
    await made.flush(store)
    assert shelf.gone == [KEY]
    assert made.idle


@given(steps=st.lists(st.tuples(st.sampled_from(["write", "flush", "fail", "lose"]), st.integers(1, 400)), max_size=25))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_to_the_store_it_has_what_the_log_has(steps: list[tuple[str, int]]) -> None:
    """It fails, before or after it has written, or loses all: in the end each event is there under its number."""
    asyncio.run(_played(steps))


async def _played(steps: list[tuple[str, int]]) -> None:
    made, registry, shelf, store = copying(KeepPolicy(bounds=LogBounds(max_bytes=600)))
    owned = opened(registry, "name-name")
    made.add(owned)
    total = 0
    for step, size in steps:
        match step:
            case "write":
                written(owned, total + 1, size)
                total += size
            case "fail":
                shelf.fails = size % 4 + 1
            case "lose":
                shelf.lose()
                made.recheck()
            case _:
                await _tried(made, store)
    await _ended(owned, made, shelf)
    assert owned.log is not None
    assert shelf.last.get(KEY, 0) == total
    assert KEY in shelf.kept
    held = range(owned.log.first_number, total + 1)
    there = shelf.events.get(KEY, {})
    assert [there[number] for number in held] == [event(number) for number in held]
    assert all(text == event(number) for number, text in there.items())


async def _ended(owned: Owned, made: Copying, shelf: Shelf) -> None:
    assert owned.log is not None
    owned.log.close()
    shelf.fails = 0
    await _tried(made, cast("StreamStore", shelf))


async def _tried(made: Copying, store: StreamStore) -> None:
    try:
        await made.flush(store)
    except StoreUnavailable:
        made.recheck()
