"""Retries are granted while failures are rare, and dry up in an outage."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.resilience.budget import BudgetPolicy, RetryBudget


def requests_sent(budget: RetryBudget, *, calls: int, retries: int) -> int:
    """Let `calls` fail, each retried as often as it may, and return what the target received."""
    sent = 0
    for _ in range(calls):
        sent += 1
        for _ in range(retries):
            if not budget.take():
                break
            sent += 1
    return sent


@given(calls=st.integers(200, 2000), retries=st.integers(0, 10), before=st.integers(0, 5000))
def test_an_outage_adds_a_tenth_at_most(calls: int, retries: int, before: int) -> None:
    """Where every call fails, at most 1.1 requests are sent per call, whatever was saved up before."""
    budget = RetryBudget()
    for _ in range(before):
        budget.succeeded()
    assert requests_sent(budget, calls=calls, retries=retries) <= 1.1 * calls


def test_rare_failures_are_all_retried() -> None:
    """At five failures in a hundred every retry is granted."""
    chance = random.Random(3)
    budget = RetryBudget()
    for _ in range(20_000):
        if chance.random() < 0.05:
            assert budget.take()
        else:
            budget.succeeded()
    assert budget.granted > 800
    assert budget.refused == 0


def test_ten_successes_pay_for_a_retry() -> None:
    """From an empty bucket the tenth success grants one retry, and only one."""
    budget = RetryBudget(BudgetPolicy(reserve=0.0))
    for _ in range(9):
        budget.succeeded()
        assert not budget.take()
    budget.succeeded()
    assert budget.left == 1.0
    assert budget.take()
    assert not budget.take()
    assert (budget.granted, budget.refused) == (1, 10)


def test_another_policy_keeps_what_is_saved_up() -> None:
    """From then on successes bring more or less; what there is stays, until it is spent."""
    budget = RetryBudget(BudgetPolicy(reserve=2.0))
    budget.adopt(BudgetPolicy(ratio=1.0, reserve=0.0))
    assert budget.left == 2.0
    budget.succeeded()
    assert budget.left == 3.0
    budget.adopt(BudgetPolicy(cap=1.0, reserve=0.0))
    budget.succeeded()
    assert [budget.take() for _ in range(4)] == [True, True, True, False]


def test_a_small_part_is_no_nothing() -> None:
    """Even one retry in twenty thousand calls is granted, and not two."""
    budget = RetryBudget(BudgetPolicy(ratio=0.000_05, reserve=0.0))
    for _ in range(19_999):
        budget.succeeded()
    assert not budget.take()
    budget.succeeded()
    assert budget.take()


@given(st.lists(st.booleans(), max_size=400))
def test_the_bucket_is_an_exact_account(steps: list[bool]) -> None:
    """What is left is what was saved less what was granted, never below zero nor above the cap."""
    budget = RetryBudget(BudgetPolicy(ratio=0.1, cap=3.0, reserve=1.0))
    tenths = 10
    for succeeded in steps:
        if succeeded:
            budget.succeeded()
            tenths = min(30, tenths + 1)
        else:
            assert budget.take() is (tenths >= 10)
            tenths -= 10 if tenths >= 10 else 0
        assert budget.left == pytest.approx(tenths / 10)


@pytest.mark.parametrize("wrong", [{"ratio": -0.1}, {"ratio": 1.5}, {"reserve": 30.0}, {"cap": -1.0, "reserve": -2.0}])
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    """A bucket that cannot be is refused."""
    with pytest.raises(ValueError, match="expected 0 <= ratio"):
        BudgetPolicy(**wrong)
