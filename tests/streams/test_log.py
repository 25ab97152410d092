"""The kept log: numbers, cursors, bounds, slow readers, pause, and what becomes of the producer."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import CursorAhead, EventsForgotten, InternalError
from narthex.streams.log import Log, LogBounds, ReaderDropped, events_behind
from narthex.streams.stream import FRAME_BYTES, HIGH_WATER_BYTES
from narthex.types.dialects import Dialect

CHAT = Dialect.OPENAI_CHAT


def log_of(*events: bytes, bounds: LogBounds | None = None) -> Log:
    """Return a log that holds these events."""
    log = Log(CHAT, bounds)
    for event in events:
        log.append(event)
    return log


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=30), st.lists(st.integers(0, 30), max_size=12))
def test_whoever_comes_behind_any_number_gets_the_rest(events: list[bytes], cursors: list[int]) -> None:
    """Readers that begin anywhere get exactly what follows, while it is written and after the end."""
    log = Log(CHAT)
    readers = []
    for count, event in enumerate(events):
        readers += [(cursor, log.reader(after=cursor)) for cursor in cursors if cursor == count]
        log.append(event)
    log.close()
    readers += [(cursor, log.reader(after=cursor)) for cursor in cursors if cursor <= len(events)]
    for cursor, reader in readers:
        assert reader.take() == events[cursor:]
        assert reader.ended


@given(st.lists(st.binary(min_size=1, max_size=4_000), min_size=1, max_size=80))
def test_the_bound_holds_whatever_comes(events: list[bytes]) -> None:
    """The oldest events go, the newest stays, numbers never change, and what is weighed is what is held."""
    weighed: list[int] = []
    log = Log(CHAT, LogBounds(max_bytes=10_000), weigh=weighed.append)
    for event in events:
        log.append(event)
        assert log.held_bytes - FRAME_BYTES * (log.last_number - log.first_number + 1) <= 10_000
        assert sum(weighed) == log.held_bytes
    assert log.last_number == len(events)
    held = log.reader(after=log.first_number - 1).take()
    assert held == events[log.first_number - 1 :]
    assert len(log.times_ms) == len(held)


def test_a_cursor_must_be_there() -> None:
    """Behind an event that is not there yet, or no longer, nobody can begin."""
    log = log_of(*[b"x" * 1_000] * 30, bounds=LogBounds(max_bytes=10_000))
    with pytest.raises(CursorAhead, match="the last one is 30"):
        log.reader(after=31)
    with pytest.raises(EventsForgotten, match="no longer held"):
        log.reader(after=0)
    assert log.reader(after=30).take() == []


async def test_readers_that_come_and_go_do_not_end_a_detached_log() -> None:
    """A log that is detached is written to its end; another ends with its last reader."""
    ended: list[str] = []
    for detached in (True, False):
        log = Log(CHAT)
        log.detached = detached
        log.cancel = lambda detached=detached: ended.append(f"{detached}")  # type: ignore[misc]  # its own
        log.reader().leave()
    assert ended == ["False"]


async def test_who_lags_is_dropped_and_slows_nobody() -> None:
    """One of two readers that falls too far behind is dropped, loudly; the other gets everything."""
    log = Log(CHAT, LogBounds(reader_lag_bytes=50_000))
    woken: list[str] = []
    slow = log.reader(lambda: woken.append("slow"))
    fast = log.reader()
    got = []
    for _ in range(100):
        log.append(b"x" * 1_000)
        got += fast.take()
    assert (len(got), slow.dropped, log.readers) == (100, True, 1)
    with pytest.raises(ReaderDropped):
        slow.take()
    with pytest.raises(ReaderDropped):
        await slow.wait()
    again = log.reader(after=slow.position)
    assert len(again.take()) == 100 - slow.position


def test_the_only_reader_holds_the_producer_instead() -> None:
    """An answer with one reader, which ends with it, waits for that reader rather than lose it."""
    calls: list[str] = []
    log = Log(CHAT, LogBounds(reader_lag_bytes=HIGH_WATER_BYTES * 4))
    log.throttle(lambda: calls.append("pause"), lambda: calls.append("resume"))
    reader = log.reader()
    while not calls:
        log.append(b"x" * 10_000)
    assert not reader.dropped
    reader.take()
    assert calls == ["pause", "resume"]


def test_a_detached_log_waits_for_nobody() -> None:
    """Its producer goes on; who cannot follow is dropped."""
    calls: list[str] = []
    log = Log(CHAT)
    log.detached = True
    log.throttle(lambda: calls.append("pause"), lambda: calls.append("resume"))
    reader = log.reader()
    for _ in range(200):
        log.append(b"x" * 10_000)
    assert (calls, reader.dropped) == ([], True)


async def test_a_pause_stops_delivery_then_the_producer() -> None:
    """Readers get nothing and see no end meanwhile; what waits is bounded; all of it comes after."""
    calls: list[str] = []
    log = log_of(b"one")
    log.detached = True
    log.throttle(lambda: calls.append("pause"), lambda: calls.append("resume"))
    reader = log.reader()
    log.pause_delivery()
    assert reader.take() == []
    while not calls:
        log.append(b"x" * 10_000)
    waiting = asyncio.ensure_future(reader.wait())
    await asyncio.sleep(0)
    log.close(InternalError())
    await asyncio.sleep(0)
    assert (waiting.done(), reader.ended) == (False, False)
    log.resume_delivery()
    assert await waiting
    assert len(reader.take()) == log.last_number
    assert reader.ended
    assert calls == ["pause"]


def test_the_producer_goes_on_after_a_pause() -> None:
    """As soon as what waited is taken."""
    calls: list[str] = []
    log = log_of(b"one")
    log.throttle(lambda: calls.append("pause"), lambda: calls.append("resume"))
    reader = log.reader()
    log.pause_delivery()
    while not calls:
        log.append(b"x" * 10_000)
    log.resume_delivery()
    assert len(reader.take()) == log.last_number
    assert calls == ["pause", "resume"]


def test_the_time_of_each_event_is_kept() -> None:
    """In milliseconds since the log was opened."""
    now = [5.0]
    log = Log(CHAT, clock=lambda: now[0])
    for seconds in (5.1, 5.35):
        now[0] = seconds
        log.append(b"x")
    assert list(log.times_ms) == pytest.approx([100, 350], abs=1)


async def test_a_watcher_is_told_and_is_no_reader() -> None:
    """It hears of each event that is given out and of the end, and neither holds the log nor is counted."""
    log = Log(CHAT)
    heard: list[int] = []

    def wake() -> None:
        heard.append(log.last_number)

    log.watch(wake)
    log.append(b"1")
    log.pause_delivery()
    log.append(b"2")
    log.resume_delivery()
    assert (heard, log.readers) == ([1, 2], 0)
    log.close()
    assert heard == [1, 2, 2]
    other = Log(CHAT)
    other.watch(wake)()
    other.append(b"1")
    assert len(heard) == 3


def test_events_are_given_from_the_oldest_that_is_held() -> None:
    """Behind a number, up to a size, with the number of the first; a log may begin behind any number."""
    log = Log(CHAT, LogBounds(max_bytes=90), first_number=6)
    assert (log.first_number, log.last_number, events_behind(log, 0, 100)) == (6, 5, (6, []))
    for number in range(6, 20):
        log.append(b"%010d" % number)
    first, events = events_behind(log, 0, 1_000)
    assert (first, events[0], events[-1]) == (log.first_number, b"%010d" % first, b"%010d" % 19)
    assert events_behind(log, 17, 1_000) == (18, [b"%010d" % 18, b"%010d" % 19])
    assert events_behind(log, 17, 1) == (18, [b"%010d" % 18])
    with pytest.raises(EventsForgotten):
        log.check(5)
    reader = log.reader(after=18)
    assert reader.take() == [b"%010d" % 19]


def test_nobody_is_dropped_for_one_large_event() -> None:
    """Who has all that came before is not behind, however large the next event is."""
    log = Log(CHAT, LogBounds(reader_lag_bytes=50_000))
    log.detached = True
    reader = log.reader()
    log.append(b"x" * 200_000)
    assert [len(cast("bytes", event)) for event in reader.take()] == [200_000]
    log.append(b"x" * 200_000)
    log.append(b"x")
    assert reader.dropped


def test_the_producer_goes_on_without_a_reader_that_it_waited_for() -> None:
    """One whose next event had to be forgotten holds nobody any more."""
    calls: list[str] = []
    log = Log(CHAT, LogBounds(max_bytes=400_000))
    log.throttle(lambda: calls.append("pause"), lambda: calls.append("resume"))
    reader = log.reader()
    while not reader.dropped:
        # More than it was asked for: what had come by then.
        log.append(b"x" * 10_000)
    assert calls == ["pause", "resume"]


def test_the_only_reader_of_a_small_log_is_waited_for_in_time() -> None:
    """Before what it has not read would have to be forgotten."""
    log = Log(CHAT, LogBounds(max_bytes=65_536, reader_lag_bytes=16_384))
    held: list[bool] = []
    log.throttle(lambda: held.append(True), lambda: held.append(False))
    reader = log.reader()
    while not held:
        log.append(b"x" * 2_000)
    assert (held, reader.dropped, log.first_number) == ([True], False, 1)
