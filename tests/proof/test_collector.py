"""What a call held is freed when it ends, whatever became of it: nothing waits for the garbage collector.

A busy server runs its collector seldom, as each run takes time from every call. What only the collector frees then
stays for long, and memory grows for hours before it is seen that it ends.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, cast

import pytest

from narthex.testing import Wall
from narthex.testing.callers import Question, ask
from narthex.testing.trials import Gateway
from narthex.testing.wall.asking import Wire
from narthex.testing.wall.setups import gateway_settings
from tests.gateways import RunningGateway, running

UNIT_S: Final = 0.1
DEADLINE_S: Final = 10.0
WIRES: Final[tuple[Wire, ...]] = ("openai", "anthropic")
NEVER: Final = 1_000_000

LEFT_S: Final = (0.01, 0.03, 0.1, 0.3)
"""After what times callers hang up."""


@pytest.fixture(scope="module")
def wall() -> Iterator[Wall]:
    """A provider that fails in every way."""
    with Wall(unit_s=UNIT_S) as one:
        yield one


@pytest.fixture
def gateway(wall: Wall, tmp_path: Path) -> Iterator[RunningGateway]:
    """A server that goes on past failures, and leaves no model alone however often it fails."""
    settings = gateway_settings(wall, unit_s=4 * UNIT_S, rescue="continue")
    settings["retries"] = {"retries": 2, "base_s": 0.01, "cap_s": 0.05, "budget_percent": 100}
    settings["breakers"] = {"consecutive_failures": NEVER, "minimum_calls": NEVER}
    # What looks after it works for as long as the server does.
    settings["cache"] = {"disk": False}
    with running(tmp_path, **settings) as one:
        yield one


def questions(wall: Wall, faults: Sequence[str] = ()) -> list[Question]:
    """Return a question for each fault, or for these, on both wires, whole and streamed; and as many good ones."""
    named = Gateway(url="", deadline_s=DEADLINE_S).named
    entries = [None, *(one for one in wall.entries if (one.name in faults if faults else one.name != "endless_drip"))]
    return [
        Question(
            wire=wire,
            model=named(wire, entry),
            prompt=f"call {entry.name if entry else 'none'} {wire} {form}",
            is_streamed=form == "streamed",
            offers_tool=entry is not None and entry.calls_a_tool,
        )
        for entry in entries
        for wire in WIRES
        for form in (entry.forms if entry is not None else ("whole", "streamed"))
    ]


def left_for_the_collector(gateway: RunningGateway) -> Counter[str]:
    """Wait until no call is under way; return what of ours is unreachable and still there, by its type."""
    assert gateway.gateway is not None
    ends_s = time.monotonic() + DEADLINE_S
    while gateway.gateway.metrics.active or len(gateway.gateway._tasks):
        assert time.monotonic() < ends_s, "a call did not end"
        time.sleep(0.01)
    # The last turn of the loop for each of them is over when it comes to rest.
    time.sleep(0.2)
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        found = cast("list[object]", gc.garbage)
        modules = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in found)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    return Counter({name: count for name, count in modules.items() if _is_of_the_server(name)})


def _is_of_the_server(name: str) -> bool:
    return name.startswith("narthex.") and not name.startswith("narthex.testing.")


async def _asked(gateway: RunningGateway, asked: Sequence[Question], deadline_s: float) -> Counter[str]:
    heard = await asyncio.gather(*(ask(gateway.url, one, deadline_s=deadline_s) for one in asked))
    return Counter(one.ended for one in heard)


@pytest.fixture
def no_collector(gateway: RunningGateway, wall: Wall) -> Iterator[None]:
    """The collector does not run while calls do, after each of them was made once."""
    asyncio.run(_asked(gateway, questions(wall, ("disconnect",)), DEADLINE_S))
    left_for_the_collector(gateway)
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_calls_of_every_fault_leave_nothing_to_collect(gateway: RunningGateway, wall: Wall) -> None:
    """Good or rescued, refused or lost: a call that has ended is freed at once, with all that it held."""
    endings = asyncio.run(_asked(gateway, questions(wall), DEADLINE_S))
    # A slow machine may refuse in time what a quick one begins and cannot end.
    assert {"whole", "refused"} <= endings.keys() <= {"whole", "refused", "error_event"}
    assert left_for_the_collector(gateway) == {}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("leaves_s", LEFT_S)
def test_callers_who_hang_up_leave_nothing_to_collect(gateway: RunningGateway, wall: Wall, leaves_s: float) -> None:
    """Whenever a caller goes, what its call held goes too."""
    asyncio.run(_asked(gateway, questions(wall, ("stall", "no_answer", "slow_first_token", "drip")), leaves_s))
    assert left_for_the_collector(gateway) == {}
