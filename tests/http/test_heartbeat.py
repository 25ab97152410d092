"""A stream that says nothing gives signs of life, and one that speaks is left alone."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from narthex.http import heartbeat as module
from narthex.http.heartbeat import COMMENT, SWEEP_S, Delivery, Heartbeat, sign_of_life
from narthex.testing.clock import FakeClock
from narthex.types.dialects import Dialect
from narthex.wire.sse import SseParser


@dataclass(eq=False)
class Line:
    """A stream in delivery that counts its signs of life."""

    progress: int = 0
    signs: int = 0
    fault: Exception | None = field(default=None)

    def keep_alive(self) -> None:
        """Count one."""
        if self.fault is not None:
            raise self.fault
        self.signs += 1


_typed: Delivery = Line()


def test_silence_is_broken_at_intervals() -> None:
    """A stream that does not move gives a sign after each interval; whatever moves, none."""
    beat = Heartbeat(10.0)
    silent, busy = Line(), Line()
    beat.add(silent)
    beat.add(busy)
    for second in range(31):
        busy.progress += 1
        beat.sweep(float(second))
    assert (silent.signs, busy.signs) == (3, 0)


def test_what_moves_begins_anew() -> None:
    """Silence is counted from the last piece on."""
    beat, line = Heartbeat(10.0), Line()
    beat.add(line)
    beat.sweep(0.0)
    line.progress = 1
    beat.sweep(9.5)
    beat.sweep(19.0)
    assert line.signs == 0
    beat.sweep(19.5)
    assert line.signs == 1


def test_what_has_ended_is_not_looked_at() -> None:
    """A stream that is over is forgotten, and forgetting it twice does no harm."""
    beat, line = Heartbeat(1.0), Line()
    beat.add(line)
    beat.sweep(0.0)
    assert len(beat) == 1
    beat.discard(line)
    beat.discard(line)
    beat.sweep(5.0)
    assert line.signs == 0
    assert len(beat) == 0


def test_a_fault_at_one_stream_is_none_of_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that breaks while a sign is written does not end the watch."""
    beat, broken, other = Heartbeat(1.0), Line(fault=ValueError("gone")), Line()
    beat.add(broken)
    beat.add(other)
    with caplog.at_level(logging.ERROR):
        beat.sweep(0.0)
        beat.sweep(1.0)
    assert other.signs == 1
    assert "could not be kept alive" in caplog.text


@pytest.mark.parametrize(("interval_s", "signs"), [(0.0, 0), (2.0, 2)])
async def test_the_sweep_runs_until_it_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, interval_s: float, signs: int
) -> None:
    """Twice a second everything is looked at; with an interval of zero nothing is ever sent."""
    clock = FakeClock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=clock.sleep))
    beat, line = Heartbeat(interval_s), Line()
    beat.add(line)
    task = asyncio.ensure_future(beat.run())
    await asyncio.sleep(0)
    await clock.advance(4 + SWEEP_S)
    assert line.signs == signs
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize("dialect", [one for one in Dialect if one is not Dialect.ANTHROPIC_MESSAGES])
def test_between_numbered_events_a_sign_is_a_line(dialect: Dialect) -> None:
    """There it has no blank line behind it, and is no part of the event that follows."""
    sign = sign_of_life(dialect, numbered=True)
    assert sign == b": keepalive\n"
    (read,) = SseParser().feed(sign + b"id: a:2\ndata: x\n\n")
    assert (read.id, read.data) == ("a:2", b"x")


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_sign_of_life_is_no_part_of_the_answer(dialect: Dialect) -> None:
    """It is a comment, which readers skip, but for the surface that has an event of its own for it."""
    sign = sign_of_life(dialect)
    events = SseParser().feed(sign)
    if dialect is Dialect.ANTHROPIC_MESSAGES:
        assert [(one.event, one.data) for one in events] == [("ping", b'{"type": "ping"}')]
    else:
        assert (sign, events) == (COMMENT, [])
        assert sign == b": keepalive\n\n"
