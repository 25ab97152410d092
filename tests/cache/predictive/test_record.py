"""Whether predictions come true, and what that proves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from narthex.cache.predictive.record import FEWEST, LAST, MAX_OPEN, Record


def played(won: int, lost: int) -> Record:
    """Return a record of so many bets, the lost ones last."""
    record = Record()
    for number in range(won + lost):
        record.bet(b"%d" % number, now=0, until=1)
        if number < won:
            record.asked(b"%d" % number, now=0)
        record.expire(1)
    return record


def test_few_bets_prove_nothing() -> None:
    """Then as much as the lower end of the interval, and less than the share itself."""
    assert played(FEWEST - 1, 0).proved == 0
    assert 0.85 < played(FEWEST, 0).proved < 1
    made = played(60, 40)
    assert made.share == 0.6
    assert 0.5 < made.proved < 0.55
    assert Record().share is None


def test_it_stops_and_begins_again() -> None:
    """By the last bets alone: these go on while nothing is spent."""
    record = played(LAST, LAST)
    assert record.proved < 0.05
    for number in range(LAST):
        record.bet(b"again %d" % number, now=2, until=9)
        record.asked(b"again %d" % number, now=3)
    assert record.proved > 0.9
    assert (record.won, record.lost) == (2 * LAST, LAST)


def test_a_bet_is_won_in_time_alone() -> None:
    """And only once; what was made early for it is of use, or wasted."""
    record = Record()
    for name, asked_at in ((b"early", 1.0), (b"late", 5.0)):
        record.bet(name, now=0, until=5)
        record.bet(name, now=0, until=50)
        record.sent(name)
        assert record.asked(name, now=asked_at) is (name == b"early")
        assert not record.asked(name, now=asked_at)
    record.sent(b"never")
    assert (record.won, record.lost, record.used, record.wasted, record.open_bets) == (1, 1, 1, 1, 0)


@given(some.lists(some.tuples(some.integers(0, 2_000), some.booleans()), max_size=1_500))
def test_it_is_bounded_and_adds_up(steps: list[tuple[int, bool]]) -> None:
    """No more bets are open than may be, and the share is that of the last ones."""
    record = Record()
    for now, (number, is_asked) in enumerate(steps):
        if is_asked:
            record.asked(b"%d" % number, now=now)
        else:
            record.bet(b"%d" % number, now=now, until=now + 900)
    assert record.open_bets <= MAX_OPEN
    assert len(record._last) == min(LAST, record.won + record.lost)
    assert record._wins == sum(record._last)
    assert 0 <= record.proved <= (record.share or 0)


def test_a_bet_is_called_off_or_lost_before_its_time() -> None:
    """Of the first nothing is learned; what was done for the other was for nothing."""
    record = Record()
    for name in (b"off", b"lost"):
        record.bet(name, now=0, until=9)
        record.sent(name)
    assert (record.is_sent(b"off"), record.is_sent(b"none")) == (True, False)
    record.drop(b"off")
    record.lose(b"lost")
    record.lose(b"none")
    assert (record.won, record.lost, record.wasted, record.open_bets) == (0, 1, 1, 0)
