"""What is said when time is over."""

from __future__ import annotations

import pytest

from narthex.errors import Failure
from narthex.providers.contract import PartialTimeouts, Timeouts
from narthex.providers.expiry import HEADERS, LIMITS, Phase, expired

CLASSES = {
    Phase.CONNECT: Failure.CONNECT_TIMEOUT,
    Phase.HEADERS: Failure.FIRST_TOKEN_TIMEOUT,
    Phase.FIRST_TOKEN: Failure.FIRST_TOKEN_TIMEOUT,
    Phase.ANSWER: Failure.FIRST_TOKEN_TIMEOUT,
    Phase.IDLE: Failure.STALL,
    Phase.CONTENT: Failure.STALL,
    Phase.CLOSING: Failure.STALL,
    Phase.TOTAL: Failure.DEADLINE,
}


@pytest.mark.parametrize("phase", Phase)
def test_an_expiry_says_which_how_long_and_what_to_do(phase: Phase) -> None:
    """Each has its class, and names the provider, the time, the setting and the header."""
    error = expired("far", phase, 2.5)
    assert (error.failure, error.provider, error.status, error.retryable) == (CLASSES[phase], "far", 504, True)
    assert error.message.startswith("far: ")
    assert "within 2.5 s" in error.message
    limit = LIMITS[phase]
    assert (limit.header is None) == (limit.setting is None) == (phase is Phase.CLOSING)
    if limit.setting is not None:
        assert f"`timeouts.{limit.setting}`" in error.message
        assert f"`{limit.header}`" in error.message


def test_no_two_expiries_say_the_same() -> None:
    """A reader knows from the message what was waited for."""
    assert len({expired("far", phase, 1.0).message for phase in Phase}) == len(Phase)


def test_every_limit_has_a_header() -> None:
    """Whatever can be set can be set for one call."""
    assert set(HEADERS) == set(Timeouts.__struct_fields__) == set(PartialTimeouts.__struct_fields__)
    assert len(set(HEADERS.values())) == len(HEADERS)
