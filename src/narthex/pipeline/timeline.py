"""How a stream went: when its events came, where it paused and stalled, and what was tried meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import msgspec

from narthex.errors import StreamNotKept
from narthex.pipeline.owned import STALL_MS, Owned
from narthex.streams.log import Log
from narthex.streams.recording import AttemptSpan, SeamPlace
from narthex.types.dialects import Dialect
from narthex.wire.registry import CHAT_WIRES

BUCKETS: Final = 60
MAX_BUCKETS: Final = 1_000
MAX_GAPS: Final = 20
"""Gaps that are told of one by one, the longest ones."""


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """What came in one span of time."""

    t_ms: int
    """When it begins."""
    events: int
    bytes: int
    tokens: int
    """Events with content, which nearly are the tokens."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A pause between two events."""

    after_seq: int
    """Number of the event before it."""
    t_ms: int
    """When that came."""
    gap_ms: int


class GapFigures(msgspec.Struct, frozen=True, kw_only=True):
    """All pauses between events."""

    mean: float
    p50: int
    p95: int
    p99: int
    longest: tuple[Gap, ...]
    """The longest first."""


class StallFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The pauses of a second and more."""

    count: int
    total_ms: int


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream went, in milliseconds since it began."""

    id: str
    object: Literal["stream.timeline"] = "stream.timeline"
    status: str
    first_seq: int
    """Number of the first event that is told of; those before are no longer held."""
    last_seq: int
    duration_ms: int
    """Until its end, or now."""
    first_event_ms: int | None
    """When its first event came; None before, or if that is no longer held."""
    silent_ms: int | None
    """How long nothing has come; None once it has ended."""
    bytes: int
    events: int
    tokens: int
    bucket_ms: int
    buckets: tuple[Bucket, ...]
    gaps: GapFigures | None
    stalls: StallFigures
    attempts: tuple[AttemptSpan, ...]
    seams: tuple[SeamPlace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What came of a stream, and when."""

    id: str
    status: str
    first_seq: int
    times_ms: Sequence[int]
    """When each event came."""
    events: Sequence[bytes]
    dialect: Dialect | None
    until_ms: int
    """When it ended, or now."""
    is_open: bool
    attempts: tuple[AttemptSpan, ...]
    seams: tuple[SeamPlace, ...]


def passage_of(owned: Owned, *, clock_s: float) -> Passage:
    """Return what is held of a stream at this moment.

    Args:
        owned: The stream.
        clock_s: The moment, in seconds of the monotonic clock.

    Raises:
        StreamNotKept: Its events are not kept.
    """
    log = owned.log
    if log is None:
        raise StreamNotKept
    return Passage(
        id=owned.id,
        status=owned.status,
        first_seq=log.first_number,
        times_ms=log.times_ms[:],
        events=[event for event in log.held if isinstance(event, bytes)],
        dialect=log.dialect,
        until_ms=_last_ms(log) if log.closed else max(_last_ms(log), int((clock_s - log.opened_at) * 1_000)),
        is_open=not log.closed,
        attempts=spans_of(owned),
        seams=seams_of(log),
    )


def spans_of(owned: Owned) -> tuple[AttemptSpan, ...]:
    """Return what was tried, and when, as far as known."""
    log = owned.log
    assert log is not None
    end_ms = _last_ms(log) if log.closed else None
    if not owned.tried:
        target = owned.report().target
        if target is None:
            return ()
        failed = None if log.error is None else str(getattr(log.error, "failure", log.error.code))
        return (AttemptSpan(target=target, way="first", began_ms=0, ended_ms=end_ms, failure=failed),)
    return tuple(
        AttemptSpan(
            target=one.target,
            way=one.way,
            began_ms=_since(log, one.begun_at),
            ended_ms=end_ms if one.failure is None else _since(log, one.begun_at, one.duration_us),
            failure=one.failure,
        )
        for one in owned.tried
    )


def seams_of(log: Log) -> tuple[SeamPlace, ...]:
    """Return where the parts of a rescued answer join."""
    return tuple(SeamPlace(seq=seq, t_ms=log.time_of(seq), way=mark.way, target=mark.target) for seq, mark in log.seams)


def _since(log: Log, begun_at: float, duration_us: int = 0) -> int | None:
    return max(0, int((begun_at - log.opened_at) * 1_000 + duration_us / 1_000)) if begun_at else None


def _last_ms(log: Log) -> int:
    return log.times_ms[-1] if log.times_ms else 0


def timeline(passage: Passage, *, buckets: int = BUCKETS) -> Timeline:
    """Tell how a stream went; takes a moment for a long one, and touches nothing that another thread does."""
    times, first = passage.times_ms, passage.first_seq
    is_content = _content_test(passage.dialect)
    weights = [(len(event), is_content(event)) for event in passage.events]
    bucket_ms = max(1, -(-(passage.until_ms + 1) // buckets))
    gaps = sorted(_gaps(times, first), key=lambda one: (-one.gap_ms, one.after_seq))
    stalls = [one.gap_ms for one in gaps if one.gap_ms >= STALL_MS]
    return Timeline(
        id=passage.id,
        status=passage.status,
        first_seq=first,
        last_seq=first + len(times) - 1,
        duration_ms=passage.until_ms,
        first_event_ms=times[0] if times and first == 1 else None,
        silent_ms=passage.until_ms - (times[-1] if times else 0) if passage.is_open else None,
        bytes=sum(size for size, _ in weights),
        events=len(times),
        tokens=sum(content for _, content in weights),
        bucket_ms=bucket_ms,
        buckets=tuple(_buckets(times, weights, bucket_ms, passage.until_ms)),
        gaps=_figures(gaps),
        stalls=StallFigures(count=len(stalls), total_ms=sum(stalls)),
        attempts=passage.attempts,
        seams=passage.seams,
    )


def _content_test(dialect: Dialect | None) -> Callable[[bytes], bool]:
    wire = None if dialect is None else CHAT_WIRES.get(dialect)
    return (lambda _event: True) if wire is None else wire.has_content


def _gaps(times: Sequence[int], first: int) -> Iterator[Gap]:
    for number, (earlier, later) in enumerate(pairwise(times), first):
        yield Gap(after_seq=number, t_ms=earlier, gap_ms=later - earlier)


def _figures(gaps: Sequence[Gap]) -> GapFigures | None:
    """Sum up pauses, the longest of which comes first."""
    if not gaps:
        return None
    return GapFigures(
        mean=round(sum(one.gap_ms for one in gaps) / len(gaps), 1),
        p50=_quantile(gaps, 0.5),
        p95=_quantile(gaps, 0.95),
        p99=_quantile(gaps, 0.99),
        longest=tuple(one for one in gaps[:MAX_GAPS] if one.gap_ms),
    )


def _quantile(gaps: Sequence[Gap], share: float) -> int:
    return gaps[max(0, len(gaps) - 1 - int(share * len(gaps)))].gap_ms


def _buckets(
    times: Sequence[int], weights: Sequence[tuple[int, bool]], bucket_ms: int, until_ms: int
) -> Iterator[Bucket]:
    place = 0
    for begin_ms in range(0, until_ms + 1, bucket_ms):
        start = place
        while place < len(times) and times[place] < begin_ms + bucket_ms:
            place += 1
        within = weights[start:place]
        yield Bucket(
            t_ms=begin_ms,
            events=len(within),
            bytes=sum(size for size, _ in within),
            tokens=sum(content for _, content in within),
        )
