"""What is said where there is no more room."""

from __future__ import annotations

import pytest

from narthex.types.accounts import Account
from narthex.types.limits import LEVEL_MEASURES, Measure
from narthex.types.stocks import Uncounted, no_room
from tests.ledger.limits.making import limit


@pytest.mark.parametrize("measure", sorted(LEVEL_MEASURES))
def test_everything_that_is_kept_has_words_and_a_remedy(measure: Measure) -> None:
    """And says when to try again only where somebody else makes room."""
    one = limit(measure=measure, amount=3, period="total", subject_kind="workspace", subject="*")
    error = no_room(one, "ws_1", used=3, need=1)
    assert 'for workspace "ws_1" (lim_1) is reached: 3 are there; ' in error.message
    assert (error.retry_after_s is not None) == (measure is Measure.TASKS)


def test_where_nobody_counts_there_is_room() -> None:
    """However much it is."""
    held = Uncounted().hold(Account(), 2**60)
    held.settle(2**61)
    assert held.grow(2**62)
    held.release()
    assert Uncounted().count(Account(), 1) is held
