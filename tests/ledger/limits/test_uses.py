"""What calls use of limits."""

from __future__ import annotations

from narthex.ledger.limits.uses import NOTHING, place_of
from narthex.types.limits import CALL_MEASURES
from tests.ledger.limits.making import limit


def test_every_measure_of_calls_has_its_place() -> None:
    """In the order in which calls reckon what they use."""
    assert [place_of(limit(measure=measure)) for measure in CALL_MEASURES] == list(range(len(NOTHING)))
