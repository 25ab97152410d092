"""Who is let in, and for how long."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest, Overloaded
from narthex.pipeline.stages.admit import Admit, Doorkeeper
from tests.pipeline.doubles import CHAT, exchange


def test_a_call_is_let_in_with_its_head_read() -> None:
    """What the next stages need is on the exchange."""
    call = exchange({**CHAT, "stream": True})
    Admit(Doorkeeper())(call)
    assert (call.model_asked, call.streaming, call.total_s) == ("up/m", True, None)


def test_nobody_is_let_in_while_the_server_stops() -> None:
    """A stopping server refuses, and says when to try again."""
    doorkeeper = Doorkeeper()
    doorkeeper.stopping = True
    with pytest.raises(Overloaded) as raised:
        Admit(doorkeeper)(exchange(CHAT))
    assert raised.value.retry_after_s == 1


@pytest.mark.parametrize(("value", "seconds"), [(b"0.5", 0.5), (b" 30 ", 30.0), (b"1e2", 100.0), (b"86400", 86_400.0)])
def test_the_caller_may_bound_its_time(value: bytes, seconds: float) -> None:
    """A number of seconds is taken."""
    call = exchange(CHAT, headers={b"x-narthex-timeout": value})
    Admit(Doorkeeper())(call)
    assert call.total_s == seconds


@pytest.mark.parametrize("value", [b"", b"soon", b"0", b"-1", b"nan", b"inf", b"-inf", b"86401", b"\xff", b"1s"])
def test_a_time_that_is_none_is_refused(value: bytes) -> None:
    """Anything else is an invalid request that names the header."""
    with pytest.raises(InvalidRequest) as raised:
        Admit(Doorkeeper())(exchange(CHAT, headers={b"x-narthex-timeout": value}))
    assert raised.value.param == "x-narthex-timeout"
