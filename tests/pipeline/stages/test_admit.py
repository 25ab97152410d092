"""Who is let in, and for how long."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest, Overloaded
from narthex.pipeline.stages.admit import Admit, Doorkeeper
from narthex.providers.contract import PartialTimeouts
from narthex.providers.expiry import HEADERS
from narthex.resilience.shedding import SAMPLES, Shedder
from narthex.telemetry.metrics import Metrics
from narthex.tenancy.keys import LOCAL, Caller
from narthex.types.priorities import Priority
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


@pytest.mark.parametrize(
    ("header", "limit"),
    [
        (b"x-narthex-timeout-connect", PartialTimeouts(connect_s=2.5)),
        (b"x-narthex-timeout-headers", PartialTimeouts(headers_s=2.5)),
        (b"x-narthex-timeout-first-token", PartialTimeouts(first_token_s=2.5)),
        (b"x-narthex-timeout-idle", PartialTimeouts(idle_s=2.5)),
    ],
)
def test_the_caller_may_bound_each_step(header: bytes, limit: PartialTimeouts) -> None:
    """Each limit has its header, and what is not said stays as it is configured."""
    call = exchange(CHAT, headers={header: b"2.5"})
    Admit(Doorkeeper())(call)
    assert (call.limits, call.total_s) == (limit, None)
    call = exchange(CHAT, headers={header: b"2.5", b"x-narthex-timeout": b"9"})
    Admit(Doorkeeper())(call)
    assert (call.limits, call.total_s) == (limit, 9.0)


def test_a_call_that_says_nothing_has_no_limits_of_its_own() -> None:
    """Without such a header nothing is made, and the configured limits hold."""
    call = exchange(CHAT, headers={b"x-stainless-timeout": b"600", b"x-narthex-tags": b"a"})
    Admit(Doorkeeper())(call)
    assert (call.limits, call.total_s) == (None, None)


@pytest.mark.parametrize("name", sorted(HEADERS.values()))
@pytest.mark.parametrize("value", [b"", b"soon", b"0", b"-1", b"nan", b"inf", b"-inf", b"86401", b"\xff", b"1s"])
def test_a_time_that_is_none_is_refused(value: bytes, name: str) -> None:
    """Anything else is an invalid request that names the header."""
    with pytest.raises(InvalidRequest) as raised:
        Admit(Doorkeeper())(exchange(CHAT, headers={name.encode(): value}))
    assert raised.value.param == name
    assert f"header {name}:" in raised.value.message


LOW = Caller(name="batch", priority=Priority.LOW, ceiling=Priority.LOW)
NORMAL = Caller(name="team")
HIGH = Caller(name="shop", priority=Priority.HIGH, ceiling=Priority.HIGH)


@pytest.mark.parametrize(
    ("caller", "said", "priority"),
    [
        (LOW, None, Priority.LOW),
        (LOW, b"high", Priority.LOW),
        (NORMAL, None, Priority.NORMAL),
        (NORMAL, b"high", Priority.NORMAL),
        (NORMAL, b" LOW ", Priority.LOW),
        (HIGH, None, Priority.HIGH),
        (HIGH, b"normal", Priority.NORMAL),
        (LOCAL, None, Priority.NORMAL),
        (LOCAL, b"high", Priority.HIGH),
        (None, b"low", Priority.LOW),
    ],
)
def test_nobody_outranks_its_key(caller: Caller | None, said: bytes | None, priority: Priority) -> None:
    """A call is as urgent as it says, or else as its key says, and never more urgent than that."""
    call = exchange(CHAT, headers={} if said is None else {b"x-narthex-priority": said})
    call.caller = caller
    Admit(Doorkeeper())(call)
    assert call.priority == priority


@pytest.mark.parametrize("value", [b"", b"urgent", b"10", b"\xff"])
def test_a_priority_that_is_none_is_refused(value: bytes) -> None:
    """Any other word is an invalid request that names the header and the words there are."""
    with pytest.raises(InvalidRequest, match="low, normal, high") as raised:
        Admit(Doorkeeper())(exchange(CHAT, headers={b"x-narthex-priority": value}))
    assert raised.value.param == "x-narthex-priority"


def test_whom_the_server_cannot_take_is_refused_before_any_work() -> None:
    """While the loop is late a call that is not urgent enough is refused with its body unread."""
    shedder = Shedder(lag_s=0.1)
    for _ in range(SAMPLES):
        shedder.observe(0.2)
    admit = Admit(Doorkeeper(shedder))
    with pytest.raises(Overloaded):
        admit(exchange(b"not JSON"))
    urgent = exchange(CHAT, headers={b"x-narthex-priority": b"high"})
    admit(urgent)
    assert urgent.model_asked == "up/m"


def test_the_calls_under_way_are_counted() -> None:
    """Beyond the most calls at once, by the metrics of this process, the next one is refused."""
    metrics = Metrics()
    admit = Admit(Doorkeeper(Shedder(max_active=2), metrics))
    metrics.active = 2
    admit(exchange(CHAT))
    metrics.active = 3
    with pytest.raises(Overloaded):
        admit(exchange(CHAT))
