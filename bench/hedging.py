"""What hedging does to the time to the first token, and what it costs: the same calls with and without it.

    python -m bench.hedging [--calls 3000] [--slow-percent 3] [--slow-s 2] [--at-once 16]

A gateway stands before two providers on real sockets. Answers begin after some 60 ms; in a few percent of its calls the
first provider takes seconds. The calls are the same in both runs, and so are their times at each provider. Beside the
times stand the requests that the providers got for each call, and how long the connection of an attempt that lost
was still open once its caller had the first token of the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.hedging import Hedger
from narthex.pipeline.recovery import Recovery
from narthex.providers.catalog import Target
from narthex.providers.contract import Timeouts
from narthex.providers.scripted.provider import ScriptedProvider
from narthex.streams.stream import Stream
from narthex.testing import running_gateway
from narthex.testing.acts import Answer, Wait, streamed
from narthex.testing.upstream import ReceivedRequest, ScriptedUpstream
from narthex.testing.wires import openai_frames
from narthex.types.dialects import Dialect

USUAL_S = 0.06
SPREAD = 0.3
"""Standard deviation of the logarithm of the usual times."""
WARM_CALLS = 60
COST_ROUNDS = 9
COST_CALLS = 2_000
FIRST_EVENT = b"data: {"


class Paced(ScriptedUpstream):
    """A provider whose answers begin after a time that their prompt decides, and which notes who leaves when."""

    def __init__(self, seed: str, *, slow_share: float, slow_s: float) -> None:
        super().__init__(self._paced)
        self._seed, self._slow_share, self._slow_s = seed, slow_share, slow_s
        self.asked = 0
        self.left_at: dict[str, float] = {}
        self._frames = openai_frames("A narthex is the hall at the door.")

    def answered(self, request: ReceivedRequest, *, sent_bytes: int, is_left: bool) -> None:
        """Note when a client left."""
        if is_left:
            self.left_at[prompt_of(request)] = time.monotonic()

    def _paced(self, request: ReceivedRequest) -> Answer:
        self.asked += 1
        self.requests.clear()
        chance = random.Random(f"{self._seed} {prompt_of(request)}")
        is_slow = chance.random() < self._slow_share
        seconds = self._slow_s if is_slow else USUAL_S * chance.lognormvariate(0.0, SPREAD)
        return (Wait(seconds), *streamed(self._frames))


@dataclass(slots=True)
class Run:
    """What was seen of one run."""

    first_s: list[float] = field(default_factory=list)
    first_at: dict[str, float] = field(default_factory=dict)
    asked: int = 0
    let_go_s: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        """Return a row of the table."""
        times = [self.quantile(quantile) * 1_000 for quantile in (0.5, 0.95, 0.99, 0.999)]
        cells = [name, *(f"{one:.0f} ms" for one in times), f"{self.asked / len(self.first_s):.3f}"]
        return f"| {' | '.join(cells)} |"

    def quantile(self, quantile: float) -> float:
        """Return a quantile of the times to the first token, in seconds."""
        times = sorted(self.first_s)
        return times[min(len(times) - 1, int(quantile * len(times)))]


def prompt_of(request: ReceivedRequest) -> str:
    """Return what was asked."""
    messages = request.json()["messages"]
    assert isinstance(messages, list)
    return str(messages[0]["content"])


async def ask(url: str, prompt: str) -> float:
    """Make a call and return when its first event came; its answer is read to the end."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    body = json.dumps({"model": "first/m", "stream": True, "messages": [{"role": "user", "content": prompt}]}).encode()
    reader, writer = await asyncio.open_connection(host, port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
    writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
    received, first_at = b"", 0.0
    while piece := await reader.read(65_536):
        received += piece
        if not first_at and FIRST_EVENT in received:
            first_at = time.monotonic()
    writer.close()
    if b"[DONE]" not in received:
        sys.exit(f"not a whole answer: {received[-400:]!r}")
    return first_at


async def call_all(url: str, prompts: Sequence[str], at_once: int, run: Run) -> None:
    """Make all calls, so many at a time."""
    waiting: Iterator[str] = iter(prompts)

    async def caller() -> None:
        for prompt in waiting:
            begun = time.monotonic()
            run.first_at[prompt] = first_at = await ask(url, prompt)
            run.first_s.append(first_at - begun)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(caller())


def measured(asked: argparse.Namespace, *, enabled: bool) -> Run:
    """Make all calls through a gateway that hedges, or does not."""
    slow_share = asked.slow_percent / 100
    run, warm = Run(), [f"warm {number}" for number in range(WARM_CALLS)]
    prompts = [f"call {number}" for number in range(asked.calls)]
    with (
        Paced("first", slow_share=slow_share, slow_s=asked.slow_s) as first,
        Paced("second", slow_share=0.0, slow_s=asked.slow_s) as second,
    ):
        providers = {
            name: {"kind": "openai", "base_url": f"{one.url}/v1", "models": ["m"]}
            for name, one in (("first", first), ("second", second))
        }
        hedging = {"enabled": enabled, "percent": asked.percent, "least_s": 0.02}
        settings = {"providers": providers, "fallbacks": {"first/m": ["second/m"]}, "hedging": hedging}
        with running_gateway(settings) as gateway:
            asyncio.run(call_all(gateway.url, warm, asked.at_once, Run()))
            first.asked = second.asked = 0
            asyncio.run(call_all(gateway.url, prompts, asked.at_once, run))
        run.asked = first.asked + second.asked
        left = {**first.left_at, **second.left_at}
    run.let_go_s = [left_at - run.first_at[prompt] for prompt, left_at in left.items() if prompt in run.first_at]
    return run


async def cost_us(hedger: Hedger | None) -> float:
    """Return what one call costs whose only attempt answers in time, in microseconds: the best of several rounds."""
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
    provider = ScriptedProvider("first", {})
    exchange.target = Target(name="first/m", header=b"", model="m", provider=provider, timeouts=Timeouts())
    answer, recovery = Stream.of(b"{}", Dialect.OPENAI_CHAT), Recovery(chain=lambda _exchange: (), hedger=hedger)

    async def attempt(call: Exchange, _target: Target) -> None:
        await asyncio.sleep(0)
        call.answer = answer

    rounds = []
    for _ in range(COST_ROUNDS):
        begun = time.perf_counter()
        for _ in range(COST_CALLS):
            await recovery.carry(exchange, attempt)
        rounds.append((time.perf_counter() - begun) / COST_CALLS * 1e6)
    return min(rounds)


async def costs() -> tuple[float, float]:
    """Return that without hedging, and with it once enough is known of the model."""
    return await cost_us(None), await cost_us(Hedger(TaskKeeper().spawn))


def main() -> int:
    """Measure both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3_000, help="calls of each run")
    parser.add_argument("--at-once", type=int, default=16, help="calls under way")
    parser.add_argument(
        "--slow-percent", type=float, default=3.0, help="part of the first provider's calls that is slow"
    )
    parser.add_argument("--slow-s", type=float, default=2.0, help="time of a slow one to its first token, in seconds")
    parser.add_argument("--percent", type=float, default=5.0, help="the budget, `hedging.percent`")
    asked = parser.parse_args()
    plain, hedged = measured(asked, enabled=False), measured(asked, enabled=True)
    print("| first token | p50 | p95 | p99 | p99.9 | requests per call |\n|---|---|---|---|---|---|")
    print(plain.row("without"))
    print(hedged.row("with hedging"))
    if hedged.let_go_s:
        count, most_ms = len(hedged.let_go_s), max(0.0, *hedged.let_go_s) * 1_000
        print(f"\n{count} attempts let go; the last connection closed {most_ms:.1f} ms after the caller's first token.")
    plain_us, hedged_us = uvloop.run(costs())
    print(f"\nA call that is in time costs {hedged_us - plain_us:.0f} µs more with hedging.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
