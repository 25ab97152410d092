"""Which fault is due in a request."""

from __future__ import annotations

import pytest

from narthex.testing import FakeClock
from narthex.testing.catalogue import catalogue
from narthex.testing.scenarios import Fail, Limits, RateLimit, Scenario, SlowHeaders, Stall
from narthex.testing.wall.choice import Choice, UnknownFault, fault_of_model, read_fault

NAMED = {entry.name: entry.scenario for entry in catalogue()}


def _choice(*script: Scenario) -> Choice:
    return Choice(NAMED, script, clock=FakeClock())


@pytest.mark.parametrize(
    ("model", "scenario"),
    [
        ("fault-stall", Stall()),
        ("fault-stall-first", Stall(after_chunks=0)),
        ("wall/fault-fail-503", Fail(status=503)),
        ("fault-fail-418", Fail(status=418)),
        ("fault-slow-headers-2", SlowHeaders(seconds=2)),
        ("fault-slow_headers-2", SlowHeaders(seconds=2)),
        ("healthy", None),
        ("gpt-4o-default-fault", None),
    ],
)
def test_a_model_names_its_fault(model: str, scenario: Scenario | None) -> None:
    """With its name, or with the values of its fields behind it; other models are well."""
    assert fault_of_model(model, NAMED) == scenario


def test_a_fault_that_is_not_there_is_told_the_nearest() -> None:
    """So that a slip of the finger is seen at once."""
    with pytest.raises(UnknownFault, match="did you mean 'stall'"):
        fault_of_model("fault-stal", NAMED)
    with pytest.raises(UnknownFault, match="there are bad_framing"):
        read_fault("xyzzy", NAMED)
    with pytest.raises(UnknownFault, match="greater than or equal"):
        read_fault("fail 99", NAMED)


def test_texts_carry_fields_and_rhythm() -> None:
    """A line of a script may say when, one of a model's name may not."""
    assert read_fault("stall seconds=2 after_chunks=1", NAMED) == Stall(seconds=2, after_chunks=1)
    assert read_fault("fail 503 every=5", NAMED, with_occasion=True) == Fail(status=503, every=5)
    with pytest.raises(UnknownFault, match="not 'every'"):
        read_fault("fail 503 every=5", NAMED)


def test_the_header_goes_before_the_model_and_the_model_before_the_script() -> None:
    """Whoever is nearest to the request has the say; `none` is a say too."""
    choice = _choice(RateLimit())
    assert choice.due("fault-stall", "fail 503") == Fail(status=503)
    assert choice.due("fault-stall", "none") is None
    assert choice.due("fault-stall", None) == Stall()
    assert choice.due("any", None) == RateLimit()
    assert choice.due("any", "none") is None


def test_scripts_keep_their_rhythm() -> None:
    """Each N-th request that asks for nothing else is hit; the first line that is due wins."""
    choice = _choice(Fail(status=503, every=2), Stall(every=4))
    hit = [choice.due("m", None) for _ in range(4)]
    assert hit == [None, Fail(status=503, every=2), None, Fail(status=503, every=2)]


def test_faults_of_models_remember_until_told_to_forget() -> None:
    """A fault that strikes once strikes once for everybody, until its memory is cleared."""
    choice = _choice()
    once = NAMED["fail_once"]
    assert [choice.due("fault-fail-once", None) for _ in range(2)] == [once, None]
    choice.forget(NAMED["limits"])
    assert choice.due("fault-fail-once", None) is None
    choice.forget(once)
    assert choice.due("fault-fail-once", None) == once
    choice.forget()
    assert choice.due("fault-fail-once", None) == once


def test_limits_are_kept() -> None:
    """The second request within the limit's time is told how long to wait."""
    choice, limits = _choice(), Limits(requests_per_minute=1)
    assert choice.limited_s(limits, 1) is None
    assert choice.limited_s(limits, 1) == pytest.approx(60)
