"""Whether calls that nobody waits for are in the way of those that somebody waits for.

Two real servers, each before a provider of its own, are asked the same in the same moments: one has done early what is
likely to be asked next, the other has not. First the providers allow about half as much again as the live calls need,
and say so in their answers; then less than these need, and refuse the rest. Live calls are streams and early ones are
not: so the providers tell one from the other.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Final, NamedTuple

import httpx

from narthex.resilience.concurrency import CALM_S
from narthex.testing.acts import Answer, delayed, streamed, whole
from narthex.testing.gateways import RunningGateway, running_gateway
from narthex.testing.upstream import ReceivedRequest, ScriptedUpstream
from narthex.testing.wires import openai_answer, openai_frames

PER_S: Final = 30.0
LEARNED, ROOMY, SCARCE = 1_200, 600, 300
"""Requests of each part; the first are not counted."""
REQUESTS: Final = LEARNED + ROOMY + SCARCE
KEPT_S: Final = 2.0
ANSWER_S: Final = 0.03
ALLOWED_PER_S: Final = 24.0
SCARCE_PER_S: Final = 7.0
_ON_ITS_WAY_S: Final = 0.25
"""What was sent before a refusal may still come in for so long."""


class Live(NamedTuple):
    """A request that somebody waits for."""

    session: str
    words: str


class Told(NamedTuple):
    """What came of one."""

    took_s: float
    status: int


class Part(NamedTuple):
    """What came of some, at one server."""

    told: Sequence[Told]

    @property
    def p99_ms(self) -> float:
        """How long they took in 99 of 100 cases at most, in milliseconds."""
        took = sorted(one.took_s for one in self.told)
        return 1_000 * took[int(len(took) * 0.99)]

    @property
    def refused(self) -> int:
        """How many were told that there were too many."""
        return sum(one.status == 429 for one in self.told)


class Vendor(ScriptedUpstream):
    """A provider that allows so many calls a second, and tells how many are left."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.per_s = 1e6
        self.early_at = list[float]()
        """When calls came that nobody waits for."""
        self.refused_at = list[float]()
        self.is_told = True
        self._left, self._at = self.per_s, time.monotonic()
        self._guard = threading.Lock()

    def allow(self, per_s: float, *, is_told: bool) -> None:
        """Allow so many a second from now on."""
        with self._guard:
            self.per_s, self.is_told = per_s, is_told
            self._left = min(self._left, per_s)

    def _answer(self, request: ReceivedRequest) -> Answer:
        body, now = request.json(), time.monotonic()
        with self._guard:
            self._left = min(self.per_s, self._left + (now - self._at) * self.per_s)
            self._at = now
            if not body.get("stream"):
                self.early_at.append(now)
            if self._left < 1:
                self.refused_at.append(now)
                error = b'{"error": {"message": "Too many.", "type": "requests", "code": "rate_limit_exceeded"}}'
                return whole(error, status=429, headers={"retry-after": "1"})
            self._left -= 1
            headers = self._headers() if self.is_told else {}
        answer = streamed(openai_frames("So be it."), headers=headers) if body.get("stream") else None
        return delayed(answer or whole(openai_answer("So be it."), headers=headers), ANSWER_S)

    def _headers(self) -> dict[str, str]:
        full_s = (self.per_s - self._left) / self.per_s
        return {
            "x-ratelimit-limit-requests": str(int(self.per_s)),
            "x-ratelimit-remaining-requests": str(int(self._left)),
            "x-ratelimit-reset-requests": f"{max(1, round(full_s * 1_000))}ms",
        }


class Outcome(NamedTuple):
    """What came of a run, with and without; the parts in which there was room, and in which there was not."""

    roomy: tuple[Part, Part]
    scarce: tuple[Part, Part]
    early: int
    """Calls that nobody waited for while there was room."""
    early_throttled: int
    """Those that came within half a minute after a refusal."""


def run(asked: Sequence[Live]) -> Outcome:
    """Ask two servers the same at the same time; the first of them has done early what it predicts."""
    with ExitStack() as stack:
        vendors = [stack.enter_context(Vendor()) for _ in range(2)]
        servers = [stack.enter_context(_server(one, predicts=one is vendors[0])) for one in vendors]
        return asyncio.run(_asked(asked, vendors, [one.url for one in servers]))


def _server(vendor: Vendor, *, predicts: bool) -> AbstractContextManager[RunningGateway]:
    predictive = {"enabled": predicts, "usd_per_s": 1_000, "budget_usd_per_day": 1_000, "parallel": 4}
    return running_gateway(
        {
            "providers": {"up": {"kind": "openai", "base_url": f"{vendor.url}/v1", "models": ["m"]}},
            "prices": {"up/m": {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}},
            "retries": {"retries": 0},
            "rescue": "off",
            "cache": {"ttl_s": KEPT_S, "disk": False, "predictive": predictive},
        }
    )


async def _asked(asked: Sequence[Live], vendors: Sequence[Vendor], urls: Sequence[str]) -> Outcome:
    with_it, without = vendors
    async with httpx.AsyncClient(timeout=60) as client:
        await _part(client, urls, asked[:LEARNED])
        begin = len(with_it.early_at)
        _allow(vendors, ALLOWED_PER_S, is_told=True)
        roomy = await _part(client, urls, asked[LEARNED : LEARNED + ROOMY])
        early = len(with_it.early_at) - begin
        _allow(vendors, SCARCE_PER_S, is_told=False)
        scarce = await _part(client, urls, asked[LEARNED + ROOMY :])
    assert not without.early_at, "nothing is sent early where that is off"
    return Outcome(roomy, scarce, early, _throttled(with_it))


def _allow(vendors: Sequence[Vendor], per_s: float, *, is_told: bool) -> None:
    for vendor in vendors:
        vendor.allow(per_s, is_told=is_told)


def _throttled(vendor: Vendor) -> int:
    """Return how many calls that nobody waits for came within half a minute after a refusal."""
    return sum(any(at + _ON_ITS_WAY_S < early <= at + CALM_S for at in vendor.refused_at) for early in vendor.early_at)


async def _part(client: httpx.AsyncClient, urls: Sequence[str], asked: Sequence[Live]) -> tuple[Part, Part]:
    """Ask both servers at a steady pace, whether or not the calls before are answered."""
    begun, tasks = time.monotonic(), list[tuple[asyncio.Task[Told], ...]]()
    async with asyncio.TaskGroup() as group:
        for number, one in enumerate(asked):
            await asyncio.sleep(max(0.0, begun + number / PER_S - time.monotonic()))
            # Neither is asked first each time.
            order = urls if number % 2 else urls[::-1]
            made = {url: group.create_task(_ask(client, url, one)) for url in order}
            tasks.append(tuple(made[url] for url in urls))
    first, second = ([pair[place].result() for pair in tasks] for place in (0, 1))
    return Part(first), Part(second)


async def _ask(client: httpx.AsyncClient, url: str, one: Live) -> Told:
    said = [{"role": "user", "content": one.words}]
    body = {"model": "up/m", "temperature": 0, "stream": True, "messages": said}
    begun = time.monotonic()
    headers = {"x-narthex-conversation": one.session}
    answer = await client.post(f"{url}/v1/chat/completions", json=body, headers=headers)
    return Told(time.monotonic() - begun, answer.status_code)


def report(asked: Sequence[Live]) -> Iterator[tuple[str, bool | None]]:
    """Yield the lines of the report, those that are gates with whether they are met."""
    outcome = run(asked)
    on, off = outcome.roomy
    ratio = on.p99_ms / off.p99_ms
    yield (
        f"live calls while there is room: p99 {on.p99_ms:.0f} ms, without {off.p99_ms:.0f} ms; early {outcome.early}",
        None,
    )
    yield f"p99 of live calls at most 1.05 of that without: {ratio:.2f}", ratio <= 1.05
    yield f"no more live calls refused: {on.refused} and {off.refused} without", on.refused <= off.refused
    on, off = outcome.scarce
    yield f"live calls while the provider refuses: {on.refused} refused, {off.refused} without", None
    yield (
        f"no call sent early within {CALM_S:g} s after a refusal: {outcome.early_throttled}",
        not outcome.early_throttled,
    )
