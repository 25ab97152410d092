"""Meters: all limits of a call allow it, or nothing is held; what was used is charged, whatever was reserved."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import BudgetExceeded, LimitExceeded
from narthex.ledger.limits.meters import Meters, Reservation
from narthex.ledger.limits.uses import Passed, Spent
from narthex.types.accounts import Account
from narthex.types.limits import Limit
from tests.ledger.limits.making import ACCOUNT, Hands, limit, used_of

MICRO = 1_000_000


def meters(*limits: Limit, **options: Any) -> tuple[Meters, Hands]:
    """Return meters with clocks that are moved by hand."""
    hands = Hands()
    return Meters(limits, wall=hands.wall, steady=hands.steady, **options), hands


def stands(some: Meters) -> dict[str, tuple[int, int]]:
    """Return what is used and what is reserved, by limit and who."""
    return {f"{one.limit.id}{one.value}": (one.gauge.used, one.gauge.reserved) for one in some.usage()}


def held(reservation: Reservation | None) -> Reservation:
    """Return a reservation that must be there."""
    assert reservation is not None
    return reservation


def test_whom_no_limit_concerns_holds_nothing() -> None:
    """Nothing is reserved where there is no limit, or none for this call."""
    assert meters()[0].reserve(ACCOUNT) is None
    assert meters(limit(subject="key_2"))[0].reserve(ACCOUNT) is None


def test_what_is_reserved_is_settled_once() -> None:
    """The second word of a reservation is not heard, whichever it is; more than was reserved is charged."""
    some, _ = meters(limit(measure="tokens", amount=100))
    reservation = held(some.reserve(ACCOUNT, input_tokens=10, output_tokens=20))
    assert stands(some) == {"lim_1": (0, 30)}
    reservation.settle(100, 50, 0)
    reservation.settle(1, 1, 0)
    reservation.release()
    assert stands(some) == {"lim_1": (150, 0)}


def test_what_is_released_is_free_again() -> None:
    """A call that failed gives everything back, its place and its turn too."""
    some, _ = meters(limit(amount=1), limit(id="lim_2", measure="parallel", amount=1, period="total"))
    held(some.reserve(ACCOUNT)).release()
    reservation = held(some.reserve(ACCOUNT))
    reservation.settle(0, 0, 0)
    assert stands(some) == {"lim_1": (1, 0), "lim_2": (0, 0)}


def test_where_one_refuses_nothing_is_held() -> None:
    """The others count nothing of the call, and the error is of the one to be waited for longest."""
    some, _ = meters(
        limit(),
        limit(id="lim_2", measure="cost_microusd", amount=5, period="hour"),
        limit(id="lim_3", measure="output_tokens", amount=5),
        limit(id="lim_4", measure="input_tokens", amount=1_000),
    )
    with pytest.raises(BudgetExceeded) as raised:
        some.reserve(ACCOUNT, input_tokens=1, output_tokens=6, picousd=5 * MICRO + 1)
    assert raised.value.facts is not None
    assert raised.value.facts.id in {"lim_2", "lim_3"}
    held(some.reserve(ACCOUNT, picousd=5 * MICRO, output_tokens=5)).settle(0, 5, 5 * MICRO)
    with pytest.raises(BudgetExceeded) as raised:
        some.reserve(ACCOUNT, picousd=1, output_tokens=1)
    assert raised.value.retry_after_s == 3_600
    assert stands(some) == {"lim_1": (1, 0), "lim_2": (5 * MICRO, 0), "lim_3": (5, 0), "lim_4": (0, 0)}


def test_zero_lets_nothing_pass() -> None:
    """A limit of zero refuses the first call, and says why."""
    some, _ = meters(limit(measure="cost_microusd", amount=0, period="month"))
    with pytest.raises(BudgetExceeded, match="lets nothing pass"):
        some.reserve(ACCOUNT, picousd=0)


def test_soft_limits_count_and_refuse_nothing() -> None:
    """What is over them is counted on."""
    some, _ = meters(limit(amount=1, hard=False))
    for _ in range(3):
        held(some.reserve(ACCOUNT)).settle(0, 0, 0)
    assert stands(some) == {"lim_1": (3, 0)}


def test_each_is_counted_separately() -> None:
    """One end user's calls leave the others' alone; calls that name none are not counted."""
    some, _ = meters(limit(subject_kind="end_user", subject="*", amount=1))
    held(some.reserve(ACCOUNT, end_user="ann"))
    held(some.reserve(ACCOUNT, end_user="bob"))
    assert some.reserve(ACCOUNT) is None
    with pytest.raises(LimitExceeded, match='end user "ann"'):
        some.reserve(ACCOUNT, end_user="ann")


def test_two_accounts_share_what_is_theirs_in_common() -> None:
    """The keys of one workspace count together in its limit."""
    some, _ = meters(limit(subject_kind="workspace", subject="ws_1", amount=2))
    held(some.reserve(ACCOUNT))
    held(some.reserve(msgspec.structs.replace(ACCOUNT, key_id="key_2")))
    with pytest.raises(LimitExceeded):
        some.reserve(ACCOUNT)
    assert some.reserve(Account()) is None


def test_limits_that_stay_keep_their_counts() -> None:
    """A new amount holds at once; a limit of something else begins anew, and is asked to be read again."""
    some, _ = meters(limit(period="day"), limit(id="lim_2", period="day"))
    asked: list[tuple[str, str | None]] = []
    some.on_unknown = lambda one, value: asked.append((one.id, value))
    reservation = held(some.reserve(ACCOUNT))
    some.adopt([limit(period="day", amount=1), limit(id="lim_2", period="month"), limit(id="lim_3")])
    assert asked == [("lim_2", None)]
    with pytest.raises(LimitExceeded):
        some.reserve(ACCOUNT)
    reservation.settle(0, 0, 0)
    assert stands(some) == {"lim_1": (1, 0), "lim_2": (0, 0), "lim_3": (0, 0)}
    some.adopt([])
    assert some.reserve(ACCOUNT) is None


def test_what_the_ledger_has_is_restored() -> None:
    """A budget goes on where it was, whether by the calendar or rolling."""
    budget = limit(measure="cost_microusd", amount=10, period="day")
    rolling = msgspec.structs.replace(budget, id="lim_2", window="rolling")
    some, hands = meters(budget, rolling)
    for one in (budget, rolling):
        some.restored(one, [Spent(value="", used=9 * MICRO, at=hands.wall_s - 7_200)])
    held(some.reserve(ACCOUNT, picousd=MICRO)).settle(0, 0, MICRO)
    with pytest.raises(BudgetExceeded):
        some.reserve(ACCOUNT, picousd=1)
    hands.pass_by(23 * 3_600)
    assert stands(some) == {"lim_1": (0, 0), "lim_2": (MICRO, 0)}


@pytest.mark.parametrize("window", ["calendar", "rolling"])
def test_what_the_ledger_has_counts_in_place_of_what_is_settled_here(window: str) -> None:
    """As of the moment that is read: what is settled later counts beside it, and what is under way stays reserved."""
    some, hands = meters(limit(measure="tokens", amount=100, period="day", window=window))
    before, under_way = held(some.reserve(ACCOUNT, input_tokens=9)), held(some.reserve(ACCOUNT, input_tokens=7))
    before.settle(9, 0, 0)
    take = some.taking(some.matching.limits[0], None)
    held(some.reserve(ACCOUNT)).settle(3, 0, 0)
    take([Spent(value="", used=20, at=hands.wall_s - 60)])
    assert stands(some) == {"lim_1": (23, 7)}
    under_way.settle(6, 0, 0)
    assert stands(some) == {"lim_1": (29, 0)}
    hands.pass_by(2 * 86_400)
    assert stands(some) == {"lim_1": (0, 0)}


def test_one_of_those_who_are_counted_separately_is_read_alone() -> None:
    """Of the others nothing is forgotten."""
    some, hands = meters(limit(subject_kind="end_user", subject="*", period="day"))
    for name in ("ann", "bob"):
        held(some.reserve(ACCOUNT, end_user=name)).settle(0, 0, 0)
    some.taking(some.matching.limits[0], "ann")([Spent(value="ann", used=5, at=hands.wall_s)])
    assert stands(some) == {"lim_1ann": (5, 0), "lim_1bob": (1, 0)}


def test_what_was_read_of_a_period_counts_in_that_one() -> None:
    """Though another has begun until it is taken in."""
    some, hands = meters(limit(measure="tokens", amount=100, period="day"))
    take, at = some.taking(some.matching.limits[0], None), hands.wall_s
    hands.pass_by(86_400)
    take([Spent(value="", used=20, at=at)])
    assert stands(some) == {"lim_1": (0, 0)}


def test_what_was_used_elsewhere_is_charged() -> None:
    """Without a reservation, and however much it is."""
    some, _ = meters(limit(measure="tokens", amount=5))
    some.charge(used_of(some.matching.limits, (1, 4, 4, 8, 0, 0)))
    assert stands(some) == {"lim_1": (8, 0)}


def test_thresholds_of_a_rolling_period_are_of_all_of_it() -> None:
    """What is used in several of its slots is one sum; what has left it may be passed again."""
    some, hands = meters(
        limit(measure="tokens", amount=100, period="day", window="rolling", alert_percents=(50,), hard=False)
    )
    told: list[Passed] = []
    some.on_passed = told.append
    for _ in range(5):
        held(some.reserve(ACCOUNT, input_tokens=90)).settle(20, 0, 0)
        hands.pass_by(3_600)
    assert [one.used for one in told] == [60]
    hands.pass_by(100_000)
    held(some.reserve(ACCOUNT)).settle(60, 0, 0)
    assert [one.used for one in told] == [60, 60]


def test_each_threshold_is_told_once_in_a_period() -> None:
    """By what is settled, not by what is reserved; also those that one call passes together."""
    some, hands = meters(limit(measure="tokens", amount=100, period="day", alert_percents=(50, 80, 100), hard=False))
    told: list[Passed] = []
    some.on_passed = told.append
    reservation = held(some.reserve(ACCOUNT, input_tokens=90))
    assert told == []
    reservation.settle(40, 0, 0)
    for _ in range(3):
        held(some.reserve(ACCOUNT)).settle(45, 0, 0)
    assert [(one.percent, one.used) for one in told] == [(50, 85), (80, 85), (100, 130)]
    hands.pass_by(86_400)
    held(some.reserve(ACCOUNT)).settle(60, 0, 0)
    assert [one.percent for one in told] == [50, 80, 100, 50]
    assert told[3].period_start - told[0].period_start == 86_400


def test_those_who_were_not_seen_for_long_are_forgotten_and_read_again() -> None:
    """Memory is bounded, however many there are; whoever comes back is asked for, and who is under way stays."""
    some, _ = meters(limit(subject_kind="end_user", subject="*", period="day"), max_subjects=10)
    asked: list[str | None] = []
    some.on_unknown = lambda _, value: asked.append(value)
    waiting = held(some.reserve(ACCOUNT, end_user="ann"))
    for number in range(100):
        held(some.reserve(ACCOUNT, end_user=f"user {number}")).settle(0, 0, 0)
    assert len(stands(some)) <= 22
    asked.clear()
    some.reserve(ACCOUNT, end_user="user 3")
    assert asked == ["user 3"]
    waiting.settle(0, 0, 0)
    assert stands(some)["lim_1ann"] == (1, 0)


def test_who_calls_all_the_time_is_not_forgotten() -> None:
    """A kind of call that is remembered is still asked for."""
    some, _ = meters(limit(subject_kind="end_user", subject="*", period="day", amount=1_000), max_subjects=10)
    for number in range(100):
        held(some.reserve(ACCOUNT, end_user="ann")).settle(0, 0, 0)
        held(some.reserve(ACCOUNT, end_user=f"user {number}")).settle(0, 0, 0)
    assert stands(some)["lim_1ann"] == (100, 0)


_LIMITS = st.lists(
    st.builds(
        limit,
        measure=st.sampled_from(["requests", "tokens", "cost_microusd", "input_tokens"]),
        amount=st.integers(0, 9),
        window=st.sampled_from(["calendar", "rolling"]),
        hard=st.booleans(),
    ),
    max_size=4,
)


@given(
    _LIMITS, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=20)
)
def test_no_hard_limit_is_ever_passed_by_what_is_reserved(
    limits: list[Limit], calls: list[tuple[int, int, int, bool]]
) -> None:
    """A call is refused just where a limit has no room; where all calls use what they reserve no limit is passed."""
    named = [msgspec.structs.replace(one, id=f"lim_{place}") for place, one in enumerate(limits)]
    some, _ = meters(*named)
    for input_tokens, output_tokens, micro, failed in calls:
        before = stands(some)
        try:
            reservation = some.reserve(
                ACCOUNT, input_tokens=input_tokens, output_tokens=output_tokens, picousd=micro * MICRO
            )
        except LimitExceeded:
            assert stands(some) == before
            continue
        if reservation is not None and failed:
            reservation.release()
            assert stands(some) == before
        elif reservation is not None:
            reservation.settle(input_tokens, output_tokens, micro * MICRO)
    after = stands(some)
    assert all(sum(after[one.id]) <= one.units for one in named if one.hard)
