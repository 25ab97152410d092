"""Events come when they are due: as they did, faster, slower, or at once."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest
from narthex.streams.log import Log
from narthex.streams.tempo import Tempo, in_tempo, speed_of
from narthex.types.dialects import Dialect


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.slept.append(round(seconds, 6))
        self.now_s += seconds


def logged(*times_ms: int) -> Log:
    """Return a log whose events came then."""
    clock = Clock()
    log = Log(Dialect.OPENAI_CHAT, clock=clock)
    for number, time_ms in enumerate(times_ms, 1):
        clock.now_s = 100.0005 + time_ms / 1_000
        log.append(b"data: %d\n\n" % number)
    log.close()
    return log


@pytest.mark.parametrize(
    ("speed", "slept"),
    [(1.0, [0.1, 0.2, 1.7]), (0.5, [0.2, 0.4, 3.4]), (10.0, [0.01, 0.02, 0.17]), (0.0, [])],
)
async def test_pauses_are_as_they_were(speed: float, slept: list[float]) -> None:
    """Times the speed; what is due at once comes in one piece."""
    clock, log = Clock(), logged(100, 300, 300, 2_000)
    tempo = Tempo(speed, sleep=clock.sleep, clock=clock)
    pieces = [piece async for piece in in_tempo(log, log.reader(), tempo)]
    assert clock.slept == slept
    assert b"".join(pieces) == b"data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n"
    if speed:
        assert pieces[1] == b"data: 2\n\ndata: 3\n\n"
    assert not log.readers


async def test_it_begins_where_it_is_read_on() -> None:
    """What came before is not waited for again."""
    clock, log = Clock(), logged(5_000, 5_200)
    tempo = Tempo(1, from_ms=log.time_of(1) or 0, sleep=clock.sleep, clock=clock)
    assert [piece async for piece in in_tempo(log, log.reader(after=1), tempo)] == [b"data: 2\n\n"]
    assert clock.slept == [0.2]


async def test_time_that_stands_still_does_not_count() -> None:
    """What was due in a second still is."""
    clock = Clock()
    tempo = Tempo(1, sleep=clock.sleep, clock=clock)
    await tempo.stand(lambda: clock.sleep(60))
    assert tempo.ahead_s(1_000) == pytest.approx(1.0)


@pytest.mark.parametrize(("said", "speed"), [("1", 1), ("0.5", 0.5), ("10", 10), ("0", 0), ("max", 0), ("1000", 1_000)])
def test_a_speed_is_a_number_or_max(said: str, speed: float) -> None:
    """Nought and `max` are at once."""
    assert speed_of(said) == speed


@pytest.mark.parametrize("said", ["", "fast", "-1", "nan", "inf", "1001", "0.0001"])
def test_another_speed_is_refused(said: str) -> None:
    """With what may be said."""
    with pytest.raises(InvalidRequest, match="give 1 for the pace"):
        speed_of(said)
