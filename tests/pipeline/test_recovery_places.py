"""Calls wait for places, go elsewhere where there is none, and give every place back once, however they end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import Failure, NarthexError, Overloaded, ProviderFailed, ProviderLimited, RateLimited
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.recovery import Recovery
from narthex.providers.catalog import Target
from narthex.providers.contract import Call, Reply, StreamReply
from narthex.resilience.backoff import Backoff
from narthex.resilience.breakers import BreakerState
from narthex.resilience.concurrency import LimitPolicy
from narthex.resilience.decisions import Policy
from narthex.resilience.places import Places
from narthex.testing.wires import openai_answer, openai_frames
from tests.pipeline.doubles import CHAT, Double, House, exchange, read, streamed, whole

GOOD = whole(openai_answer("Hello."))
STREAM = {**CHAT, "stream": True}
LIMITED = ProviderLimited(provider="up", failure=Failure.RATE_LIMITED, retry_after_s=1.0)
BROKEN = ProviderFailed(provider="up", failure=Failure.UPSTREAM_ERROR)


def house(*providers: Double, maximum: int | None = 1, queue_timeout_s: float = 0.05, queue: int = 100) -> House:
    """Return an engine whose models take one call at a time, and further providers to go to."""
    made = House(*providers)
    made.fallbacks = tuple(f"{one.name}/m" for one in providers[1:])
    made.recovery.places = Places(LimitPolicy(maximum=maximum, queue=queue, queue_timeout_s=queue_timeout_s))
    return made


def unending() -> StreamReply:
    """Return a stream that begins and does not end."""
    return streamed(openai_frames("Hi")[:2], hold=True)


def at(made: House, name: str = "up/m") -> tuple[int, int]:
    """Return how many calls are under way at a model, and how many wait."""
    report = made.recovery.places.of(name).report()
    return report.in_flight, report.waiting


async def test_a_place_is_held_until_the_stream_has_ended() -> None:
    """A streamed answer holds its place to its end, and the next call has it then."""
    made = house(Double(streamed(openai_frames("Hi there.")), GOOD))
    answer = await made.engine.handle(exchange(STREAM))
    assert at(made) == (1, 0)
    next_one = asyncio.ensure_future(made.engine.handle(exchange(CHAT)))
    await read(answer)
    assert (await next_one).whole
    assert at(made) == (0, 0)


async def test_who_finds_no_place_goes_elsewhere() -> None:
    """A call that got no place in time is answered by the next model, which nobody holds against the first."""
    spare = Double(GOOD, name="spare")
    made = house(Double(unending()), spare)
    held = await made.engine.handle(exchange(STREAM))
    call = exchange(CHAT)
    assert (await made.engine.handle(call)).whole
    assert [(one.target, one.way, one.failure) for one in call.attempts] == [
        ("up/m", "first", "overloaded"),
        ("spare/m", "fallback", None),
    ]
    assert made.recovery.board.breaker("up/m").report().consecutive_failures == 0
    held.cancel()
    await made.settled()
    assert at(made) == (0, 0)


async def test_who_finds_no_place_anywhere_is_told_when() -> None:
    """Where nobody else can help, the caller hears that it is our queue, and when to come back."""
    made = house(Double(unending()))
    held = await made.engine.handle(exchange(STREAM))
    with pytest.raises(Overloaded) as refused:
        await made.engine.handle(exchange(CHAT))
    assert (refused.value.status, refused.value.attempts) == (503, "up/m first overloaded")
    assert (refused.value.retry_after_s or 0) > 0
    held.cancel()
    await made.settled()


async def test_a_rate_limit_of_the_provider_is_told_as_one() -> None:
    """After a 429 the calls that find no place are told 429, and are not sent."""
    up = Double(unending(), LIMITED)
    made = house(up, maximum=None)
    held = await made.engine.handle(exchange(STREAM))
    with pytest.raises(ProviderLimited):
        await made.engine.handle(exchange(CHAT))
    with pytest.raises(RateLimited) as refused:
        await made.engine.handle(exchange(CHAT))
    assert (refused.value.status, len(up.calls)) == (429, 2)
    held.cancel()
    await made.settled()


async def test_who_is_left_alone_is_not_waited_for() -> None:
    """A call does not stand in line before a breaker that is open."""
    made = house(Double(unending()), queue_timeout_s=1_000)
    held = await made.engine.handle(exchange(STREAM))
    made.recovery.board.force("up/m", BreakerState.FORCED_OPEN)
    with pytest.raises(NarthexError, match="out of service"):
        await made.engine.handle(exchange(CHAT))
    held.cancel()
    await made.settled()
    with pytest.raises(NarthexError, match="out of service"):
        await made.engine.handle(exchange(CHAT))
    assert at(made) == (0, 0)


async def test_who_leaves_the_line_frees_its_place() -> None:
    """A caller who leaves while it waits is waited for no longer, and the next one is served."""
    made = house(Double(unending(), GOOD), queue_timeout_s=1_000)
    held = await made.engine.handle(exchange(STREAM))
    leaving, staying = (asyncio.ensure_future(made.engine.handle(exchange(CHAT))) for _ in range(2))
    await asyncio.sleep(0)
    assert at(made) == (1, 2)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert at(made) == (1, 1)
    held.cancel()
    assert (await staying).whole
    assert at(made) == (0, 0)


async def test_the_rest_of_a_broken_stream_takes_a_place_too() -> None:
    """A stream that breaks gives its place back before it is carried on, and the rest has one of its own."""
    pieces = openai_frames("one two three")
    up = Double(streamed(pieces[:3], error=BROKEN), streamed(openai_frames("one two three")))
    made = house(up)
    made.recovery.policy = Policy(retries=1)
    answer = await made.engine.handle(exchange(STREAM))
    await read(answer)
    await made.settled()
    assert answer.error is None
    assert len(up.calls) == 2
    assert at(made) == (0, 0)
    assert made.recovery.places.of("up/m").report().crowded == 0


class Upstream(Double):
    """A provider that bears so many calls, and notes the most that it had."""

    def __init__(self, ends: list[str], borne: int) -> None:
        super().__init__(name="up")
        self._ends = ends
        self._borne = borne
        self.active = self.most = self.refused = 0

    async def send(self, call: Call) -> Reply:
        """Take a moment, and end as was said."""
        self.calls.append(call)
        end = self._ends.pop() if self._ends else "well"
        if self.active >= self._borne:
            self.refused += 1
            raise LIMITED
        self.active += 1
        self.most = max(self.most, self.active)
        try:
            for _ in range(len(self.calls) % 4):
                await asyncio.sleep(0)
        finally:
            self.active -= 1
        if end == "broken":
            raise BROKEN
        if end == "limited":
            raise LIMITED
        if end == "fault":
            raise ZeroDivisionError
        return GOOD if end == "well" else streamed(openai_frames("Hi"), error=BROKEN if end == "cut" else None)


@dataclass
class Crowd:
    """Callers of whom some leave."""

    made: House
    over: list[str] = field(default_factory=list)

    async def call(self, patience: int, *, stream: bool) -> None:
        """Call, and leave after so many turns of the loop."""
        task = asyncio.ensure_future(self._ask(exchange(STREAM if stream else CHAT)))
        for _ in range(patience):
            await asyncio.sleep(0)
        if patience < 100:
            task.cancel()
        await asyncio.wait([task])
        self.over.append("left" if task.cancelled() else "answered")

    async def _ask(self, made: Exchange) -> None:
        try:
            answer = await self.made.engine.handle(made)
        except NarthexError:
            return
        try:
            await read(answer)
        finally:
            if not answer.closed:
                answer.cancel()


ENDS = st.lists(st.sampled_from(["well", "streamed", "broken", "limited", "fault", "cut"]), max_size=40)
CALLS = st.lists(st.tuples(st.sampled_from([1, 2, 3, 5, 8, 100]), st.booleans()), min_size=1, max_size=30)


@given(ends=ENDS, calls=CALLS, maximum=st.sampled_from([1, 3, None]), borne=st.sampled_from([2, 100]))
def test_every_place_is_given_back_once(
    ends: list[str], calls: list[tuple[int, bool]], maximum: int | None, borne: int
) -> None:
    """However calls end and whoever leaves, no more are under way than may be, nobody is stuck, none is left over."""
    upstream = Upstream(ends, borne)

    async def run() -> House:
        made = house(upstream, maximum=maximum, queue_timeout_s=0.02)
        made.recovery.policy, made.recovery.backoff = Policy(retries=1), Backoff(base_s=0.001, cap_s=0.001)
        crowd = Crowd(made)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            for patience, stream in calls:
                tasks.create_task(crowd.call(patience, stream=stream))
        await made.settled()
        assert len(crowd.over) == len(calls)
        return made

    made = asyncio.run(run())
    assert at(made) == (0, 0)
    assert upstream.active == 0
    if maximum is not None:
        assert upstream.most <= maximum


async def test_recovery_starts_with_places() -> None:
    """A recovery made without any has its own, for each target."""
    recovery = Recovery(chain=lambda _exchange: list[Target]())
    assert recovery.places.of("up/m").report().limit is None
