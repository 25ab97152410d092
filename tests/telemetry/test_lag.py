"""The lag of the event loop is what a timer comes too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from narthex.telemetry.lag import LagWatch
from narthex.testing.clock import FakeClock


class Timers:
    """Takes the timers of the running loop, and has them come when a test says."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.set: list[asyncio.TimerHandle] = []
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def set_far_off(_delay_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
            self.set.append(call_later(3_600, callback))
            return self.set[-1]

        patch.setattr(loop, "call_later", set_far_off)

    def come(self, after_s: float) -> None:
        """Let the timer come so much later."""
        timer = self.set[-1]
        self.clock.set(self.clock() + after_s)
        callback = timer._callback  # type: ignore[attr-defined]  # there is no other way to have it come now
        timer.cancel()
        callback()


async def test_what_a_timer_comes_too_late_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer in time is no lag, nor is one that comes early; each look sets the next timer."""
    timers, lags = Timers(monkeypatch), list[float]()
    watch = LagWatch(lags.append, interval_s=0.1, clock=timers.clock)
    watch.start()
    for after_s in (0.1, 0.35, 0.09, 2.1):
        timers.come(after_s)
    assert lags == pytest.approx([0.0, 0.25, 0.0, 2.0])
    watch.stop()
    assert len(timers.set) == 5
    assert all(timer.cancelled() for timer in timers.set)


async def test_stopping_is_harmless_without_a_start() -> None:
    """A watch that does not watch can be stopped."""
    watch = LagWatch(lambda _lag_s: None)
    watch.stop()
    with watch:
        pass
    watch.stop()


async def test_a_blocked_loop_is_seen() -> None:
    """On a real loop that is held up, the next look tells it."""
    told: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def tell(lag_s: float) -> None:
        if lag_s > 0.05 and not told.done():
            told.set_result(lag_s)

    watch = LagWatch(tell, interval_s=0.01)
    watch.start()
    clock = asyncio.get_running_loop().time
    until_s = clock() + 0.1
    while clock() < until_s:
        pass
    assert await told >= 0.05
    watch.stop()
