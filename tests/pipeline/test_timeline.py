"""How a stream went is told from when its events came."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import Failure, StreamNotKept, TruncatedAnswer
from narthex.pipeline.exchange import Exchange, Tried
from narthex.pipeline.owned import Owned
from narthex.pipeline.timeline import Passage, passage_of, timeline
from narthex.providers.catalog import Target
from narthex.providers.contract import Timeouts
from narthex.streams.log import Log
from narthex.streams.stream import SeamMark
from narthex.types.dialects import Dialect
from tests.pipeline.doubles import Double

WORD = b'id: a:2\ndata: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"w"}}]}\n\n'
EMPTY = b'id: a:1\ndata: {"id":"c","object":"chat.completion.chunk","choices":[]}\n\n'


TRIED = (
    Tried("up/m", "first", 200_000, "overloaded", 0, 50.0),
    Tried("up/m", "retry", 100_000, "stall", 0, 50.3),
    Tried("spare/n", "told", 400_000, None, 0, 50.4),
    Tried("old/n", "cascade", 400_000, "unfit"),
)


def passage(times_ms: list[int], *, is_open: bool = False, until_ms: int | None = None, first_seq: int = 1) -> Passage:
    """Return what came then."""
    return Passage(
        id="answer-1",
        status="running" if is_open else "done",
        first_seq=first_seq,
        times_ms=times_ms,
        events=[WORD] * len(times_ms),
        dialect=Dialect.OPENAI_CHAT,
        until_ms=(times_ms[-1] if times_ms else 0) if until_ms is None else until_ms,
        is_open=is_open,
        attempts=(),
        seams=(),
    )


def kept(log: Log, *tried: Tried) -> Owned:
    """Return a kept stream."""
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
    exchange.attempts = tried
    return Owned(exchange, id="answer-1", owner="key:a", log=log)


def test_gaps_are_told_with_their_place() -> None:
    """The longest first; a second and more is a stall."""
    told = timeline(passage([100, 150, 1_650, 1_700, 4_700]))
    assert told.gaps is not None
    assert [(one.after_seq, one.t_ms, one.gap_ms) for one in told.gaps.longest] == [
        (4, 1_700, 3_000),
        (2, 150, 1_500),
        (1, 100, 50),
        (3, 1_650, 50),
    ]
    assert (told.gaps.mean, told.gaps.p50, told.gaps.p99) == (1_150.0, 1_500, 3_000)
    assert (told.stalls.count, told.stalls.total_ms) == (2, 4_500)
    assert (told.first_event_ms, told.duration_ms, told.silent_ms) == (100, 4_700, None)


def test_what_has_no_content_is_no_token() -> None:
    """Nor is an event in a dialect that nobody knows taken for none."""
    one = passage([1, 2])
    assert timeline(one).tokens == 2
    for dialect, tokens in ((Dialect.OPENAI_CHAT, 1), (None, 2)):
        changed = dataclasses.replace(one, events=[EMPTY, WORD], dialect=dialect)
        assert timeline(changed).tokens == tokens


def test_one_that_runs_tells_how_long_nothing_came() -> None:
    """Since its last event, or since it began."""
    assert timeline(passage([100], is_open=True, until_ms=5_100)).silent_ms == 5_000
    waiting = timeline(passage([], is_open=True, until_ms=300))
    assert (waiting.silent_ms, waiting.first_event_ms, waiting.gaps, waiting.last_seq) == (300, None, None, 0)


@given(st.lists(st.integers(0, 100_000), max_size=60).map(sorted), st.integers(1, 1_000), st.integers(1, 9))
def test_spans_hold_all_that_came(times_ms: list[int], buckets: int, first_seq: int) -> None:
    """Each event in one of them, in order, and no more spans than wanted."""
    told = timeline(passage(times_ms, first_seq=first_seq), buckets=buckets)
    assert len(told.buckets) <= buckets
    assert sum(one.events for one in told.buckets) == told.events == len(times_ms)
    assert sum(one.bytes for one in told.buckets) == told.bytes
    assert sum(one.tokens for one in told.buckets) == told.tokens
    assert all(later.t_ms - earlier.t_ms == told.bucket_ms for earlier, later in pairwise(told.buckets))
    for bucket in told.buckets:
        within = [time for time in times_ms if bucket.t_ms <= time < bucket.t_ms + told.bucket_ms]
        assert len(within) == bucket.events


async def test_the_story_is_told_in_its_time() -> None:
    """When each attempt began and failed, since the stream began; the one that answers goes on to the end."""
    now = [50.0]
    log = Log(Dialect.OPENAI_CHAT, clock=lambda: now[0])
    stream = kept(log, *TRIED)
    log.append(WORD)
    now[0] = 51.0
    log.seams = ((2, SeamMark(1, "told", "spare/n")), (9, SeamMark(8, "told", "spare/n")))
    log.append(WORD)
    open_ = passage_of(stream, clock_s=52.0)
    assert [msgspec.structs.astuple(one) for one in open_.attempts] == [
        ("up/m", "first", 0, 200, "overloaded"),
        ("up/m", "retry", 299, 399, "stall"),
        ("spare/n", "told", 399, None, None),
        ("old/n", "cascade", None, None, "unfit"),
    ]
    assert [(one.seq, one.t_ms) for one in open_.seams] == [(2, 1_000), (9, None)]
    assert open_.until_ms == 2_000
    now[0] = 53.0
    log.close(last=WORD)
    closed = passage_of(stream, clock_s=60.0)
    assert (closed.until_ms, closed.attempts[2].ended_ms, closed.is_open) == (3_000, 3_000, False)


async def test_without_a_story_there_is_the_one_attempt() -> None:
    """Nothing is noted of a call that went well at once; before it is sent anywhere there is none."""
    log = Log(Dialect.OPENAI_CHAT)
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
    stream = Owned(exchange, id="answer-1", owner="key:a", log=log)
    assert passage_of(stream, clock_s=0).attempts == ()
    exchange.target = Target(name="up/m", header=b"", provider=Double(), model="m", timeouts=Timeouts())
    (attempt,) = passage_of(stream, clock_s=0).attempts
    assert (attempt.target, attempt.way, attempt.ended_ms, attempt.failure) == ("up/m", "first", None, None)
    log.close(TruncatedAnswer(provider="up", failure=Failure.TRUNCATED))
    (attempt,) = passage_of(stream, clock_s=0).attempts
    assert (attempt.ended_ms, attempt.failure) == (0, "truncated")


def test_what_is_not_kept_has_none() -> None:
    """Its events are gone."""
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
    with pytest.raises(StreamNotKept):
        passage_of(Owned(exchange, id="s", owner="o", log=None), clock_s=0)
