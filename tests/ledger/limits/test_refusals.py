"""What is said to those who are refused."""

from __future__ import annotations

from narthex.errors import BudgetExceeded, LimitExceeded
from narthex.ledger.limits.counters import Gauge
from narthex.ledger.limits.refusals import in_limits_unit, refusal, subject_of, told
from tests.ledger.limits.making import NOON, limit


def test_a_rate_says_when_there_is_room() -> None:
    """Which limit, whose, how much is used, and when as much is free."""
    gauge = Gauge(used=8, reserved=2, resets_s=20.0)
    error = refusal(limit(), "", gauge, 1, wait_s=20.0, wall=NOON)
    assert type(error) is LimitExceeded
    assert error.message == (
        'the limit of 10 requests per minute for key "key_1" (lim_1) is reached: 8 requests used and 2 requests '
        "reserved; this call needs 1 request, free at 2026-09-28 12:00:20 UTC"
    )
    assert error.retry_after_s == 20.0
    assert error.facts is not None
    assert (error.facts.id, error.facts.used, error.facts.reserved) == ("lim_1", 8, 2)
    assert error.facts.resets_at == (NOON + 20) * 1000


def test_a_budget_is_told_in_dollars() -> None:
    """Money has an error of its own, and its facts are in microdollars."""
    budget = limit(measure="cost_microusd", amount=5_000_000, period="total")
    gauge = Gauge(used=4_999_999_500_000, reserved=0, resets_s=None)
    error = refusal(budget, "", gauge, 1_000_000, wait_s=None, wall=NOON)
    assert isinstance(error, BudgetExceeded)
    assert "the limit of 5.00 USD for" in error.message
    assert "leaves too little: 4.9999995 USD in use; it is not filled again" in error.message
    assert error.facts is not None
    assert error.facts.used == 5_000_000
    assert error.facts.resets_at is None


def test_zero_and_the_impossible_say_so() -> None:
    """Waiting helps with neither, so none is advised."""
    empty = Gauge(used=0, reserved=0, resets_s=1.0)
    nothing = refusal(limit(amount=0), "", empty, 1, wait_s=None, wall=NOON)
    assert "lets nothing pass; whoever set it to 0 can raise it" in nothing.message
    large = refusal(limit(measure="tokens"), "", empty, 11, wait_s=None, wall=NOON)
    assert "this call alone asks for 11 tokens, more than ever fits" in large.message
    burst = refusal(limit(window="rolling", burst=2), "", empty, 3, wait_s=None, wall=NOON)
    assert "more than ever fits" in burst.message


def test_calls_at_once_end() -> None:
    """Where a call must end first, that is what is said."""
    gauge = Gauge(used=0, reserved=10, resets_s=None)
    error = refusal(limit(measure="parallel", period="total"), "", gauge, 1, wait_s=1.0, wall=NOON)
    assert "10 calls at once in use; try again when a call under way has ended" in error.message


def test_subjects_and_units() -> None:
    """Those who are counted separately are named; money is rounded half up."""
    assert subject_of(limit(subject_kind="tag", subject="team=*"), "red") == "team=red"
    assert subject_of(limit(subject="*"), "key_9") == "key_9"
    money = limit(measure="cost_microusd")
    assert [in_limits_unit(money, pico) for pico in (499_999, 500_000, 1_499_999)] == [0, 1, 1]
    assert told(money, 1_230_000_000_000) == "1.23 USD"
    assert told(money, 1_000_000) == "0.000001 USD"
    assert told(money, 0) == "0.00 USD"
