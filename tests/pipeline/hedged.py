"""An engine that hedges, and providers that are late or deaf."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic

from narthex.errors import (
    Failure,
    NarthexError,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnreachable,
)
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.hedging import HedgePolicy, Hedger
from narthex.providers.contract import Call, Reply
from narthex.resilience.breakers import BreakerState
from narthex.resilience.decisions import Policy
from narthex.resilience.hedges import HedgeEnd
from narthex.resilience.latency import HedgeBudget
from narthex.routing.figures import Figures
from narthex.testing.clock import FakeClock
from narthex.testing.wires import openai_answer
from narthex.types.dialects import Operation
from tests.pipeline.doubles import CHAT, Double, House, exchange, whole

USUAL_S = 0.5
"""What `house` has seen of the first target."""
STREAM = {**CHAT, "stream": True}
FIRST, SECOND = whole(openai_answer("From the first.")), whole(openai_answer("From the second."))
DOWN = ProviderFailed(provider="up", failure=Failure.UPSTREAM_ERROR)
GONE = ProviderUnreachable(provider="up", failure=Failure.CONNECT)
BUSY = ProviderOverloaded(provider="b", failure=Failure.OVERLOADED)


class Held(Double):
    """A provider whose replies wait until the test lets them go."""

    def __init__(self, *replies: Reply | NarthexError, name: str = "up") -> None:
        super().__init__(*replies, name=name)
        self.gate = asyncio.Event()
        self.left = 0

    async def send(self, call: Call) -> Reply:
        """Wait, then give the next reply; note who does not wait."""
        self.calls.append(call)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.left += 1
            raise
        reply = self._replies.pop(0)
        if isinstance(reply, NarthexError):
            raise reply
        return reply


class Lateness:
    """Decides in a test's place when the first attempt is late: a few turns of the loop after its begin."""

    def __init__(self, clock: FakeClock) -> None:
        self.waits: list[float] = []
        self.early_s = 0.0
        """By how much a timer is early."""
        self._clock = clock

    def __call__(self, seconds: float, call: Callable[[], None]) -> asyncio.Future[None]:
        """Let the attempt run as far as it gets without waiting; then its time is over."""
        self.waits.append(seconds)
        return asyncio.ensure_future(self._pass(seconds, call))

    async def _pass(self, seconds: float, call: Callable[[], None]) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        self._clock.set(self._clock() + seconds - self.early_s)
        call()


def never(_seconds: float, _call: Callable[[], None]) -> asyncio.Future[None]:
    """Have no attempt be late."""
    return asyncio.get_running_loop().create_future()


class Hedged(House):
    """An engine that hedges."""

    def __init__(self, *providers: Double, known: bool = True, policy: HedgePolicy | None = None) -> None:
        super().__init__(*providers)
        self.fallbacks = tuple(f"{one.name}/m" for one in providers[1:])
        self.recovery.policy = Policy(retries=1)
        self.recovery.figures = self.figures = Figures(monotonic)
        self.clock = FakeClock(monotonic())
        self.late = Lateness(self.clock)
        self.hedger = Hedger(self.tasks.spawn, policy=policy, clock=self.clock, later=self.late)
        self.hedger.budget = HedgeBudget(1.0)
        self.recovery.hedger = self.hedger
        for _ in range(20 if known else 0):
            self.observe(USUAL_S)

    def observe(self, seconds: float, name: str = "up/m") -> None:
        """Have the hedger know how long an answer took."""
        target = self.catalog.resolve(name)
        for body, operation in ((CHAT, Operation.CHAT), (STREAM, Operation.CHAT), (CHAT, Operation.EMBED)):
            asked = exchange(body, operation=operation)
            asked.read_head()
            self.hedger.observe(asked, target, seconds)

    @property
    def ends(self) -> dict[HedgeEnd, int]:
        """How second attempts ended."""
        return {end: count for end, count in self.hedger.counters.ended.items() if count}

    async def turns(self) -> None:
        """Let everything run as far as it gets."""
        for _ in range(60):
            await asyncio.sleep(0)

    def nothing_is_left(self) -> bool:
        """Whether no task runs, no call counts as in flight, and no breaker was told anything bad."""
        names = ("up/m", "b/m", "c/m")
        breakers = [self.recovery.board.breaker(name).report() for name in names]
        blameless = all(one.state is BreakerState.CLOSED and not one.failure_rate for one in breakers)
        return not len(self.tasks) and not any(map(self.figures.in_flight, names)) and blameless


def story(made: Exchange) -> list[tuple[str, str, str | None]]:
    """Return what was tried, in order."""
    return [(one.target, one.way, one.failure) for one in made.attempts]


class Deaf(Double):
    """A provider that does not hear that its call is cancelled."""

    async def send(self, call: Call) -> Reply:
        """Answer once nobody waits any more."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await super().send(call)
