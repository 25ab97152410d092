"""How a stream went, drawn in characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import click

from narthex.cli.terminal import printable
from narthex.pipeline.timeline import Bucket, Timeline

_BARS: Final = "▁▂▃▄▅▆▇█"
_GAPS: Final = 5
_COLOURS: Final = {"done": "green", "failed": "red", "cancelled": "yellow", "truncated": "red", "paused": "yellow"}


def picture(told: Timeline, *, title: str = "", fault: str | None = None) -> str:
    """Return a picture of a stream: its state, its rate over time, its pauses, its story and its seams."""
    return "\n".join(_lines(told, title, fault))


def _lines(told: Timeline, title: str, fault: str | None) -> Iterator[str]:
    state = click.style(printable(told.status), fg=_COLOURS.get(told.status, "cyan"), bold=True)
    yield printable(f"{told.id}  ") + state + printable(f"  {title}".rstrip())
    if fault:
        yield printable(f"not whole: {fault}")
    yield (
        f"events {told.first_seq} to {told.last_seq} in {seconds(told.duration_ms)}, {told.bytes} bytes, "
        f"{told.tokens} tokens, {_per_second(told.tokens, told.duration_ms)} a second"
    )
    if told.first_event_ms is not None:
        yield f"first event after {seconds(told.first_event_ms)}"
    if told.silent_ms is not None:
        yield f"silent for {seconds(told.silent_ms)}"
    if told.events:
        yield f"rate   {sparkline(told.buckets)}  each {seconds(told.bucket_ms)}"
    yield from _pauses(told)
    yield from _story(told)


def sparkline(buckets: Sequence[Bucket]) -> str:
    """Return a bar for each span of time, as high as the tokens in it; a space where nothing came."""
    most = max((one.tokens for one in buckets), default=0)
    return "".join(
        " " if not one.events else _BARS[max(0, -(-one.tokens * len(_BARS) // most) - 1) if most else 0]
        for one in buckets
    )


def _pauses(told: Timeline) -> Iterator[str]:
    gaps = told.gaps
    if gaps is None:
        return
    yield f"gaps   half below {seconds(gaps.p50)}, 95 % below {seconds(gaps.p95)}, 99 % below {seconds(gaps.p99)}"
    for gap in gaps.longest[:_GAPS]:
        yield f"       {seconds(gap.gap_ms)} behind event {gap.after_seq}, at {seconds(gap.t_ms)}"
    yield f"stalls {told.stalls.count}, {seconds(told.stalls.total_ms)} in all"


def _story(told: Timeline) -> Iterator[str]:
    for number, one in enumerate(told.attempts):
        span = f"{_moment(one.began_ms)} to {_moment(one.ended_ms)}"
        outcome = one.failure or ("answers" if one.ended_ms is None else "ok")
        yield printable(f"{'story ' if not number else '      '} {span}  {one.target} {one.way}: {outcome}")
    for seam in told.seams:
        at = "" if seam.t_ms is None else f", at {seconds(seam.t_ms)}"
        yield printable(f"seam   from event {seam.seq} on by {seam.target} ({seam.way}){at}")


def seconds(time_ms: int) -> str:
    """Return a span of time as people read it."""
    return f"{time_ms} ms" if time_ms < 1_000 else f"{time_ms / 1_000:.2f} s"


def _moment(time_ms: int | None) -> str:
    return "…" if time_ms is None else seconds(time_ms)


def _per_second(count: int, time_ms: int) -> str:
    return f"{count * 1_000 / time_ms:.1f}" if time_ms else "–"
