"""What targets still allow."""

from __future__ import annotations

from narthex.resilience.allowances import SHORT_S, Allowances
from narthex.testing.clock import FakeClock
from narthex.wire.rate_limits import Side, Told


def told(remaining: int, resets_s: float = 60.0, limit: int | None = 60) -> Told:
    """Return what an answer tells of requests."""
    return Told(Side(limit, remaining, resets_s), None)


def test_a_target_that_tells_nothing_has_none() -> None:
    """Nor has any where they are not gone by."""
    allowances = Allowances(clock=FakeClock())
    allowances.hear("up/m", Told(None, None), refused=False)
    allowances.adopt(follows=False)
    allowances.hear("up/m", told(1), refused=False)
    assert allowances.known == {}


def test_what_is_left_is_used_and_then_waited_for() -> None:
    """It comes in evenly; calls under way are taken off, and what they are counted as is told with their answers."""
    clock = FakeClock()
    allowances = Allowances(clock=clock)
    allowances.hear("up/m", told(1), refused=False)
    one = allowances.known["up/m"]
    assert one.wait_s(5, clock()) == 0
    one.begin(5)
    assert 0 < one.wait_s(5, clock()) < 2
    one.end(5)
    allowances.hear("up/m", told(0), refused=False)
    assert one.wait_s(5, clock()) == 1.0
    clock.set(clock() + 1.0)
    assert one.wait_s(5, clock()) == 0
    clock.set(clock() + 100)
    assert one.report(clock()).requests_left == 60


def test_of_one_that_refuses_nevertheless_the_whole_time_is_waited() -> None:
    """It counts by windows."""
    clock = FakeClock()
    allowances = Allowances(clock=clock)
    allowances.hear("up/m", told(0), refused=False)
    clock.set(clock() + 2.0)
    allowances.hear("up/m", told(0, 58.0), refused=True)
    one = allowances.known["up/m"]
    assert one.wait_s(0, clock()) == 58.0
    assert one.report(clock()).windowed


def test_tokens_count_too() -> None:
    """A call that needs more than there ever is goes out when all of it is there: the provider says what it thinks."""
    clock = FakeClock()
    allowances = Allowances(clock=clock)
    allowances.hear("up/m", Told(None, Side(1_000, 100, 60.0)), refused=False)
    one = allowances.known["up/m"]
    assert one.wait_s(100, clock()) == 0
    assert round(one.wait_s(400, clock()), 6) == 20.0
    assert one.wait_s(5_000, clock()) == 60.0
    clock.set(clock() + 60.0)
    assert one.wait_s(5_000, clock()) == 0
    one.begin(5_000)
    assert one.wait_s(1, clock()) == SHORT_S
    one.end(5_000)
    report = one.report(clock())
    assert (report.requests_left, report.tokens_left, report.tokens_reset_s) == (None, 1_000, 0.0)


def test_without_a_limit_all_is_there_after_the_time() -> None:
    """Nobody knows how much comes in before."""
    clock = FakeClock()
    allowances = Allowances(clock=clock)
    allowances.hear("up/m", told(0, 7.0, limit=None), refused=True)
    one = allowances.known["up/m"]
    assert one.wait_s(1, clock()) == 7.0
    clock.set(clock() + 7.0)
    assert one.wait_s(1, clock()) == 0
    assert one.report(clock()).requests_left is None


def test_figures_are_told() -> None:
    """Of those that are told."""
    allowances = Allowances(clock=FakeClock())
    for number in range(3):
        allowances.hear(f"up/m{number}", told(number), refused=False)
    lines = list(allowances.lines())
    assert 'narthex_model_requests_left{model="up/m2"} 2' in lines
    assert 'narthex_model_held_total{model="up/m0"} 0' in lines
    assert not any(line.startswith("narthex_model_tokens_left{") for line in lines)
