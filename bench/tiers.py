"""What the tiers below memory cost, and how soon one process has what another tells: what is void, and what is said.

    python -m bench.tiers --redis redis://127.0.0.1:6379/0 [--seconds 5] [--rounds 30] [--only joining]

Looks into Redis and into the file on disk come at a steady rate, as calls do, whether or not those before are answered.
Then three servers in processes of their own hold an answer, one is told that it is void, and it is timed until neither
of the others has it any more, as seen over HTTP. At last one of three servers is asked for a stream of a word every
20 ms, and with its first word the two others are asked the same: one in the same form, which is given it as it comes,
and one in another (with its usage), which is given it when it is whole. It writes to the server only under names of its
own.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx

from narthex.app import run_in_loop
from narthex.cache.coherence import Coherence
from narthex.cache.disk_session import DiskSession
from narthex.cache.entries import Entry
from narthex.cache.invalidation import Invalidation
from narthex.cache.leases import Turn
from narthex.cache.redis_session import RedisSession
from narthex.cache.tiers.disk import DiskTier
from narthex.cache.tiers.packing import Packing
from narthex.cache.tiers.redis import RedisTier
from narthex.cache_places import place_of
from narthex.compression.compressor import Compressor
from narthex.compression.contract import Policy
from narthex.compression.dictionaries import MemoryDictionaries
from narthex.config.settings import Settings
from narthex.stores.link import LinkSettings
from narthex.testing.acts import streamed
from narthex.testing.gateways import running_gateway
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_frames

KEYS: Final = 500
VALUE_BYTES: Final = 65_536
PER_S: Final = 1_000
SERVERS: Final = 3
WORDS: Final = 50
QUESTION: Final = {"model": "s/scripted", "temperature": 0, "messages": [{"role": "user", "content": "Hi"}]}

Look = Callable[[bytes], Awaitable[object]]


def entries(size: int) -> list[Entry]:
    """Return answers that cannot be compressed."""
    now_ms, found = int(time.time() * 1_000), list[Entry]()
    for number in range(KEYS):
        key, data = secrets.token_bytes(32), os.urandom(size)
        where = (key, "scope", "up/m", "answer", None, data, 1, 1, 1, now_ms)
        found.append(Entry(*where, 600_000, 0, 0, 10, ("scope:scope",), 0, f"req_{number}"))  # type: ignore[arg-type]
    return found


async def steadily(look: Look, keys: list[bytes], seconds: float) -> list[float]:
    """Look at a steady rate; return how long each look took, in ms, in order of length: without end if in vain."""
    took: list[float] = []
    for key in keys:
        # Connections are made before it begins.
        await look(key)

    async def one(key: bytes) -> None:
        begun = time.perf_counter()
        found = await look(key)
        took.append((time.perf_counter() - begun) * 1_000 if found is not None else math.inf)

    begun, number = time.perf_counter(), 0
    async with asyncio.TaskGroup() as group:
        while (now := time.perf_counter() - begun) < seconds:
            while number < now * PER_S:
                group.create_task(one(keys[number * 7 % len(keys)]))
                number += 1
            await asyncio.sleep(0.000_5)
    return sorted(took)


def say(what: str, took: list[float]) -> None:
    """Print how long something took."""
    p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
    vain = sum(math.isinf(one) for one in took)
    print(f"{what:52} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   of {len(took)}, {vain} in vain", flush=True)


class Tiers:
    """Redis and a file, with the same answers in both."""

    def __init__(self, url: str, folder: Path) -> None:
        packing = Packing(Compressor({"cache": Policy()}, MemoryDictionaries()))
        prefix = f"bench-{secrets.token_hex(4)}"
        self.redis = RedisTier(packing, prefix=prefix, budget_s=1, lease_s=3)
        self.disk = DiskTier(packing, name="sqlite", max_bytes=2**30, budget_s=1, shared=False)
        coherence = Coherence(Invalidation())
        self.session = RedisSession(LinkSettings(url=url, prefix=prefix), coherence, self.redis)
        place = place_of(Settings.model_validate({"data_dir": folder}))
        self.on_disk = DiskSession(place, self.disk, packing, None)

    @property
    def is_up(self) -> bool:
        """Whether both can be used."""
        return self.session.link.up and self.disk.is_open

    async def fill(self) -> list[bytes]:
        """Put answers into both; return their keys."""
        made = entries(VALUE_BYTES)
        while not self.is_up:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        for one in made:
            await self.redis.put(one)
            await self.disk.put(one)
            await asyncio.sleep(0.002)
        while self.disk.has_waiting or self.redis.figures.written < KEYS:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        return [one.key for one in made]


async def looks(url: str, seconds: float) -> None:
    """Time looks into Redis and into a file."""
    with tempfile.TemporaryDirectory() as folder:
        tiers = Tiers(url, Path(folder))
        running = [asyncio.ensure_future(one.run()) for one in (tiers.session, tiers.on_disk)]
        keys, found = await tiers.fill(), f"a look for {VALUE_BYTES // 1_024} kB, {PER_S}/s"
        for _ in range(2):
            say(f"redis: {found}", await steadily(tiers.redis.get, keys, seconds))
            in_turn = await steadily(lambda key: tiers.redis.get_in_turn(key, Turn()), keys, seconds)
            say(f"redis, and whose turn it is: {found}", in_turn)
            say(f"sqlite: {found}", await steadily(tiers.disk.get, keys, seconds))
        for tier in (tiers.redis, tiers.disk):
            print(f"{tier.name}: {tier.figures.failures} looks failed, {tier.figures.unasked} were not asked")
        await tiers.redis.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def is_empty(client: httpx.Client) -> bool:
    """Tell whether a server has nothing in memory."""
    return not client.get("/api/cache/entries").json()["data"]


def voiding(url: str, rounds: int) -> None:
    """Time how soon what one process declares void is void in the others."""
    given = {
        "providers": {"s": {"kind": "scripted"}},
        "embedded": {"enabled": False},
        "redis": {"url": url, "prefix": f"bench-{secrets.token_hex(4)}"},
        "cache": {"redis_budget_ms": 1_000},
    }
    with ExitStack() as stack:
        made = [stack.enter_context(running_gateway(given, start_timeout_s=120)) for _ in range(SERVERS)]
        clients = [stack.enter_context(httpx.Client(base_url=one.url, timeout=30)) for one in made]
        took: list[float] = []
        for _ in range(rounds):
            for client in clients:
                client.post("/v1/chat/completions", json=QUESTION).raise_for_status()
            begun = time.perf_counter()
            clients[0].post("/api/cache/invalidate", json={"models": ["s/scripted"]}).raise_for_status()
            while not all(is_empty(client) for client in clients[1:]):
                pass
            took.append((time.perf_counter() - begun) * 1_000)
        say("void in one process, until it is in all", sorted(took))
        print(f"{'':52} mean {statistics.mean(took):6.2f} ms   max {max(took):7.2f} ms   (goal 100 ms)")


def first_word(client: httpx.Client, about: str, *, usage: bool = False) -> Iterator[float]:
    """Ask for a stream, and yield in how many ms its first word came, and its end."""
    options = {"stream_options": {"include_usage": True}} if usage else {}
    said = [{"role": "user", "content": about}]
    body = {"model": "up/m", "temperature": 0, "stream": True, "messages": said, **options}
    begun = time.perf_counter()
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        next(line for line in lines if "word" in line)
        yield (time.perf_counter() - begun) * 1_000
        assert "data: [DONE]" in lines
        yield (time.perf_counter() - begun) * 1_000


def joining(url: str, rounds: int) -> None:
    """Time how soon a stream that one process is given reaches those that ask the same of others."""
    with ExitStack() as stack:
        answer = streamed(openai_frames("word " * WORDS), delay_s=0.02)
        upstream = stack.enter_context(ScriptedUpstream(lambda _request: answer))
        provider = {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"], "api_key": "k" * 20}
        given = {
            "providers": {"up": provider},
            "embedded": {"enabled": False},
            "redis": {"url": url, "prefix": f"bench-{secrets.token_hex(4)}"},
            "cache": {"redis_budget_ms": 1_000},
        }
        made = [stack.enter_context(running_gateway(given, start_timeout_s=120)) for _ in range(SERVERS)]
        clients = [stack.enter_context(httpx.Client(base_url=one.url, timeout=30)) for one in made]
        threads = stack.enter_context(ThreadPoolExecutor(2))
        # Connections are made in the first.
        took = [joined(clients, threads, f"about {number}") for number in range(rounds + 1)][1:]
        print(f"{rounds + 1} questions, {len(upstream.requests)} calls to the provider")
    firsts, live, late, ends = (sorted(one) for one in zip(*took, strict=True))
    say("first word, where the call was made", firsts)
    say("first word, in another process, as it comes", live)
    say("first word, in another process, when it is whole", late)
    of, middle = firsts[rounds // 2], rounds // 2
    print(f"{'':52} of an answer of {ends[middle]:.0f} ms: {live[middle] / of:.2f} x its maker's as it comes, ", end="")
    print(f"{late[middle] / of:.1f} x when it is whole")


def joined(clients: Sequence[httpx.Client], threads: ThreadPoolExecutor, about: str) -> tuple[float, ...]:
    """Ask one, and with its first word the others; return the ms to the first word of each, and to the end."""
    leader = first_word(clients[0], about)
    first = next(leader)
    others = [threads.submit(next, first_word(one, about, usage=n > 0)) for n, one in enumerate(clients[1:])]
    end = next(leader)
    return first, others[0].result(), others[1].result(), end


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", required=True, help="address of a Redis")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", choices=["looks", "voiding", "joining"], help="time one of them alone")
    given = parser.parse_args()
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if given.only in {None, "looks"}:
        run_in_loop(looks(given.redis, given.seconds))
    if given.only in {None, "voiding"}:
        voiding(given.redis, given.rounds)
    if given.only in {None, "joining"}:
        joining(given.redis, given.rounds)


if __name__ == "__main__":
    main()
