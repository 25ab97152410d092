"""Through the door: a crowd is served as fast as its provider bears, in order of urgency, and told the truth."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import httpx
import pytest

from narthex.resilience.shedding import SAMPLES
from narthex.testing.acts import Answer, Wait, streamed, whole
from narthex.testing.callers import Question, ask
from narthex.testing.upstream import ReceivedRequest, ScriptedUpstream
from narthex.testing.wires import openai_answer, openai_error, openai_frames
from narthex.types.priorities import PRIORITIES
from tests.gateways import KEY, RunningGateway, recovering

CAPACITY = 8
CALLERS = 64
ROUNDS = 3


class Crowded(ScriptedUpstream):
    """A provider that bears so many calls at once, and refuses the others."""

    def __init__(self, capacity: int = CAPACITY, takes_s: float = 0.1, status: int = 429) -> None:
        super().__init__()
        self._status = status
        self._capacity = capacity
        self._takes_s = takes_s
        self._active: set[int] = set()
        self.refused = self.most = 0

    def answer_to(self, request: ReceivedRequest) -> Answer:
        """Take a call, or say that there are too many."""
        super().answer_to(request)
        if len(self._active) >= self._capacity:
            self.refused += 1
            code = "rate_limit_exceeded" if self._status == 429 else "overloaded"
            return whole(openai_error("Too many calls.", code=code), status=self._status)
        self._active.add(id(request))
        self.most = max(self.most, len(self._active))
        if request.json().get("stream"):
            return (Wait(self._takes_s), *streamed(openai_frames("Hello.")))
        return (Wait(self._takes_s), *whole(openai_answer("Hello.")))

    def answered(self, request: ReceivedRequest, *, sent_bytes: int, is_left: bool) -> None:
        """Have room again."""
        self._active.discard(id(request))


class Gated(ScriptedUpstream):
    """A provider that answers once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []

    def answer_to(self, request: ReceivedRequest) -> Answer:
        """Note who asks; the one who says `hold` begins to be answered, and waits for its end."""
        super().answer_to(request)
        self.order.append(_said(request))
        if _said(request) == "hold":
            return streamed(openai_frames("Hello.")[:2], ended=False)
        return whole(openai_answer("Hello."))


def _said(request: ReceivedRequest) -> str:
    messages = json.loads(request.body)["messages"]
    return str(messages[-1]["content"])


def asked(said: str = "Hi", *, stream: bool = False) -> Mapping[str, object]:
    """Return the body of a call."""
    return {"model": "up/m", "messages": [{"role": "user", "content": said}], "stream": stream}


def provider(upstream: ScriptedUpstream, **more: object) -> Mapping[str, object]:
    """Return the settings of a provider at this upstream."""
    return {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"], **more}}


def client_of(gateway: RunningGateway) -> httpx.AsyncClient:
    """Return a client with as many connections as it needs."""
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=gateway.url, timeout=30, limits=limits, trust_env=False)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


@pytest.fixture
def crowded() -> Iterator[Crowded]:
    """Open a provider that bears eight calls at once."""
    with Crowded() as upstream:
        yield upstream


@pytest.fixture
def gated() -> Iterator[Gated]:
    """Open a provider that holds calls."""
    with Gated() as upstream:
        yield upstream


async def rush(gateway: RunningGateway, *, stream: bool = False) -> list[int | None]:
    """Have many callers call at once, each several times, and return the statuses of whole answers and of errors."""
    question = Question(wire="openai", model="up/m", prompt="Hi", is_streamed=stream)

    async def call() -> list[int | None]:
        heard = [await ask(gateway.url, question) for _ in range(ROUNDS)]
        assert all(one.text == "Hello." for one in heard if one.status == 200)
        return [one.status for one in heard]

    return [status for heard in await asyncio.gather(*(call() for _ in range(CALLERS))) for status in heard]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_crowd_is_served_as_fast_as_the_provider_bears(crowded: Crowded, tmp_path: Path, stream: bool) -> None:
    """After the first refusals everybody waits here, and everybody is answered."""
    with recovering(tmp_path, providers=provider(crowded)) as gateway:
        assert set(await rush(gateway, stream=stream)) == {200}
        assert gateway.gateway is not None
        ((_, report),) = gateway.gateway.places.snapshot()
    assert crowded.refused < 1.5 * CALLERS
    assert report.learned
    assert (report.in_flight, report.waiting) == (0, 0)


async def test_without_adaptivity_most_calls_are_lost(crowded: Crowded, tmp_path: Path) -> None:
    """Of the same crowd, with nothing learned, most are refused in vain."""
    with recovering(tmp_path, providers=provider(crowded), limits={"adaptive": False}) as gateway:
        answers = await rush(gateway)
    assert answers.count(429) > len(answers) / 2
    assert crowded.refused > answers.count(429)


async def test_a_burst_of_overload_does_not_open_the_breaker(tmp_path: Path) -> None:
    """A provider that says 503 to those that are too many is not left alone by the others."""
    with Crowded(status=503) as upstream, recovering(tmp_path, providers=provider(upstream)) as gateway:
        assert set(await rush(gateway)) == {200}
        assert gateway.gateway is not None
        assert gateway.gateway.board.breaker("up/m").report().openings == 0


async def test_there_are_never_more_than_the_maximum(tmp_path: Path) -> None:
    """A provider's own maximum holds from the first call on, so that none is refused."""
    with Crowded(capacity=3, takes_s=0.0) as upstream:
        with recovering(tmp_path, providers=provider(upstream, max_concurrency=3)) as gateway:
            assert set(await rush(gateway)) == {200}
        assert (upstream.refused, upstream.most) == (0, 3)


async def hold(client: httpx.AsyncClient, gateway: RunningGateway, gated: Gated) -> asyncio.Task[httpx.Response]:
    """Take the only place."""
    held = asyncio.create_task(client.post("/v1/chat/completions", json=asked("hold", stream=True)))
    await gated.requested(1)
    assert gateway.gateway is not None
    return held


async def stop(task: asyncio.Task[httpx.Response]) -> None:
    """Leave."""
    task.cancel()
    await asyncio.wait([task])


def waiting(gateway: RunningGateway) -> int:
    """Return how many calls wait for a place."""
    assert gateway.gateway is not None
    return gateway.gateway.places.of("up/m").report().waiting


async def test_the_most_urgent_go_first(gated: Gated, tmp_path: Path) -> None:
    """Calls that wait are served by their header, the local user's being normal."""
    one = provider(gated, max_concurrency=1)
    with recovering(tmp_path, providers=one) as gateway:
        async with client_of(gateway) as client:
            held = await hold(client, gateway, gated)
            calls: list[asyncio.Task[httpx.Response]] = []
            for said in ("low", "", "high"):
                headers = {"x-narthex-priority": said} if said else {}
                call = client.post("/v1/chat/completions", json=asked(said), headers=headers)
                calls.append(asyncio.create_task(call))
                await until(lambda: waiting(gateway) == len(calls))
            await stop(held)
            assert {(await call).status_code for call in calls} == {200}
    assert gated.order == ["hold", "high", "", "low"]


async def test_a_key_cannot_be_outranked(gated: Gated, tmp_path: Path) -> None:
    """Whatever a caller claims, it waits behind those whose key is more urgent."""
    other = "sk-test-other-0123456789"
    keys = [{"name": "batch", "key": other, "priority": "low"}, {"name": "shop", "key": KEY, "priority": "high"}]
    with recovering(tmp_path, providers=provider(gated, max_concurrency=1), keys=keys) as gateway:
        async with client_of(gateway) as client:
            client.headers["authorization"] = f"Bearer {KEY}"
            held = await hold(client, gateway, gated)
            claim = {"authorization": f"Bearer {other}", "x-narthex-priority": "high"}
            batch = asyncio.create_task(client.post("/v1/chat/completions", json=asked("batch"), headers=claim))
            await until(lambda: waiting(gateway) == 1)
            shop = asyncio.create_task(client.post("/v1/chat/completions", json=asked("shop")))
            await until(lambda: waiting(gateway) == 2)
            await stop(held)
            assert ((await batch).status_code, (await shop).status_code) == (200, 200)
    assert gated.order == ["hold", "shop", "batch"]


async def test_who_leaves_the_line_frees_its_place(gated: Gated, tmp_path: Path) -> None:
    """A client that closes its connection while it waits stands in nobody's way, and is never sent."""
    with recovering(tmp_path, providers=provider(gated, max_concurrency=1), limits={"queue": 1}) as gateway:
        async with client_of(gateway) as client:
            held = await hold(client, gateway, gated)
            leaving = asyncio.create_task(client.post("/v1/chat/completions", json=asked("leaves")))
            await until(lambda: waiting(gateway) == 1)
            refused = await client.post("/v1/chat/completions", json=asked("too many"))
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
            assert int(refused.headers["retry-after"]) >= 1
            await stop(leaving)
            await until(lambda: waiting(gateway) == 0)
            staying = asyncio.create_task(client.post("/v1/chat/completions", json=asked("stays")))
            await until(lambda: waiting(gateway) == 1)
            await stop(held)
            assert (await staying).status_code == 200
    assert gated.order == ["hold", "stays"]


async def test_nobody_waits_past_its_deadline(gated: Gated, tmp_path: Path) -> None:
    """A call waits as long as its own time and the settings allow, and is told that it was the line."""
    with recovering(tmp_path, providers=provider(gated, max_concurrency=1)) as gateway:
        async with client_of(gateway) as client:
            held = await hold(client, gateway, gated)
            headers = {"x-narthex-timeout": "0.2"}
            refused = await client.post("/v1/chat/completions", json=asked("late"), headers=headers)
            assert (refused.status_code, refused.headers["x-narthex-attempts"]) == (503, "up/m first overloaded")
            await stop(held)
    assert gated.order == ["hold"]


async def test_who_finds_no_place_is_served_elsewhere(gated: Gated, crowded: Crowded, tmp_path: Path) -> None:
    """With a fallback, a call that found no place in time is answered by it."""
    spare = {"spare": {"kind": "openai", "base_url": f"{crowded.url}/v1", "models": ["n"]}}
    with recovering(
        tmp_path,
        providers={**provider(gated, max_concurrency=1), **spare},
        fallbacks={"up/m": ["spare/n"]},
        limits={"queue_timeout_s": 0.05},
    ) as gateway:
        async with client_of(gateway) as client:
            held = await hold(client, gateway, gated)
            answer = await client.post("/v1/chat/completions", json=asked())
            assert (answer.status_code, answer.headers["x-narthex-model"]) == (200, "spare/n")
            await stop(held)


async def statuses(gateway: RunningGateway) -> list[int]:
    """Return how the server is for a probe, and for calls from the least urgent to the most."""
    async with client_of(gateway) as client:
        answers = [await client.get("/readyz")]
        for priority in PRIORITIES:
            headers = {"x-narthex-priority": priority}
            answers.append(await client.post("/v1/chat/completions", json=asked(), headers=headers))
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)
    return [answer.status_code for answer in answers]


def late(gateway: RunningGateway, lag_s: float) -> None:
    """Have the event loop be late, as far as is known."""
    assert gateway.gateway is not None
    for _ in range(SAMPLES):
        gateway.call(partial(gateway.gateway.shedder.observe, lag_s))


async def test_a_busy_server_refuses_the_least_urgent_and_recovers(crowded: Crowded, tmp_path: Path) -> None:
    """While the loop is late calls are refused by priority with a time to come back; then they are taken again."""
    lags = [0.3, 0.6, 5.0, 0.0, 0.0, 0.0]
    taken = [[503, 200, 200], [503, 503, 200], [503, 503, 503], [503, 503, 200], [503, 200, 200], [200, 200, 200]]
    with recovering(tmp_path, providers=provider(crowded)) as gateway:
        assert gateway.gateway is not None
        gateway.call(gateway.gateway.lag_watch.stop)
        for lag_s, expected in zip(lags, taken, strict=True):
            late(gateway, lag_s)
            assert await statuses(gateway) == [200, *expected]
        async with client_of(gateway) as client:
            shedding = (await client.get("/api/concurrency")).json()["shedding"]
            metrics = (await client.get("/metrics")).text
    assert shedding["takes"] == ["low", "normal", "high"]
    assert {"reason": "lag", "priority": "high", "calls": 1} in shedding["refused"]
    assert 'narthex_shed_total{reason="lag",priority="low"} 5' in metrics


async def test_a_blocked_loop_is_noticed(crowded: Crowded, tmp_path: Path) -> None:
    """A loop that is held up again and again sheds calls of low priority, and takes them once it is free."""
    with recovering(tmp_path, providers=provider(crowded), shedding={"lag_s": 0.02}) as gateway:
        house, blocking = gateway.gateway, threading.Event()
        assert house is not None
        blocking.set()

        def block() -> None:
            time.sleep(0.2)
            if blocking.is_set():
                asyncio.get_running_loop().call_soon(block)

        gateway.call(block)
        await until(lambda: house.shedder.least > -1)
        blocking.clear()
        await until(lambda: house.shedder.least == -1)


async def test_there_are_no_more_calls_than_there_may_be(gated: Gated, tmp_path: Path) -> None:
    """Beyond `server.max_active_calls` a call is refused at the door."""
    with recovering(tmp_path, providers=provider(gated), server={"max_active_calls": 1}) as gateway:
        async with client_of(gateway) as client:
            held = await hold(client, gateway, gated)
            refused = await client.post("/v1/chat/completions", json=asked())
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
            await stop(held)


async def test_new_limits_hold_without_a_restart(gated: Gated, tmp_path: Path) -> None:
    """After a reload the new maximum counts, and who stood in line is let in."""
    with recovering(tmp_path, providers=provider(gated), limits={"maximum": 1}) as gateway:
        async with client_of(gateway) as client:
            held = await hold(client, gateway, gated)
            waits = asyncio.create_task(client.post("/v1/chat/completions", json=asked("waits")))
            await until(lambda: waiting(gateway) == 1)
            house = gateway.gateway
            assert house is not None
            limits = gateway.settings.limits.model_copy(update={"maximum": 2})
            wider = gateway.settings.model_copy(update={"limits": limits})
            gateway.call(lambda: asyncio.ensure_future(house.reload(wider)))
            assert (await waits).status_code == 200
            await stop(held)
