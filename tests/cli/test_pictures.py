"""A stream is drawn so that its pauses and its story can be seen at a glance."""

from __future__ import annotations

import click

from narthex.cli.pictures import picture, seconds, sparkline
from narthex.pipeline.timeline import Bucket, Passage, timeline
from narthex.streams.recording import AttemptSpan, SeamPlace


def passage(times_ms: list[int], *, is_open: bool = False) -> Passage:
    """Return a stream whose events came then."""
    return Passage(
        id="answer-\x1b[2J1",
        status="running" if is_open else "done",
        first_seq=1,
        times_ms=times_ms,
        events=[b"data: x\n\n"] * len(times_ms),
        dialect=None,
        until_ms=4_000,
        is_open=is_open,
        attempts=(
            AttemptSpan(target="up/m", way="first", began_ms=0, ended_ms=900, failure="stall"),
            AttemptSpan(target="b/n", way="told", began_ms=900, ended_ms=None, failure=None),
            AttemptSpan(target="c/n", way="cascade", began_ms=None, ended_ms=4_000, failure=None),
        ),
        seams=(
            SeamPlace(seq=3, t_ms=2_500, way="told", target="b/n"),
            SeamPlace(seq=9, t_ms=None, way="told", target="b/n"),
        ),
    )


def bucket(events: int, tokens: int) -> Bucket:
    """Return a span of time."""
    return Bucket(t_ms=0, events=events, bytes=0, tokens=tokens)


def test_everything_has_its_line() -> None:
    """And nothing in it can make a terminal do things."""
    drawn = click.unstyle(picture(timeline(passage([200, 300, 2_500, 4_000]), buckets=4), fault="cut"))
    assert drawn.splitlines() == [
        "answer-[2J1  done",
        "not whole: cut",
        "events 1 to 4 in 4.00 s, 36 bytes, 4 tokens, 1.0 a second",
        "first event after 200 ms",
        "rate   █ ▄▄  each 1.00 s",
        "gaps   half below 1.50 s, 95 % below 2.20 s, 99 % below 2.20 s",
        "       2.20 s behind event 2, at 300 ms",
        "       1.50 s behind event 3, at 2.50 s",
        "       100 ms behind event 1, at 200 ms",
        "stalls 2, 3.70 s in all",
        "story  0 ms to 900 ms  up/m first: stall",
        "       900 ms to …  b/n told: answers",
        "       … to 4.00 s  c/n cascade: ok",
        "seam   from event 3 on by b/n (told), at 2.50 s",
        "seam   from event 9 on by b/n (told)",
    ]


def test_one_that_has_not_begun_is_drawn_too() -> None:
    """With how long nothing has come."""
    drawn = click.unstyle(picture(timeline(passage([], is_open=True))))
    assert "silent for 4.00 s" in drawn
    assert "rate" not in drawn


def test_bars_are_as_high_as_what_came() -> None:
    """Nothing is a space, and what has no tokens is the lowest bar."""
    assert sparkline([bucket(1, 8), bucket(0, 0), bucket(1, 0), bucket(1, 1), bucket(2, 4)]) == "█ ▁▁▄"
    assert (sparkline([]), sparkline([bucket(2, 0)])) == ("", "▁")


def test_times_are_as_people_read_them() -> None:
    """Milliseconds, or seconds."""
    assert (seconds(999), seconds(1_250)) == ("999 ms", "1.25 s")
