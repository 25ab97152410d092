"""How often an answer is fetched anew that many ask for while it ends again and again.

    python -m bench.stampede [--rate 500] [--expiries 20] [--ttl 2] [--regeneration-ms 300]

A server in a process of its own is asked the same at a steady rate, by a provider that takes so long; an answer is
fresh for so many seconds. Each end of it may cost one call and no more, whether it is fetched shortly before that
(`early_refresh`, the usual), behind a stale one (`stale_while_revalidate_s`), or while all wait. Told are the calls,
and what readers wait: the 99th percentile of all of them beside that of those who find a fresh answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from narthex.testing.acts import Wait, whole
from narthex.testing.gateways import running_gateway
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_answer

BODY: Final = json.dumps(
    {"model": "up/m", "temperature": 0, "messages": [{"role": "user", "content": "word " * 50}]}
).encode()
REQUEST: Final = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
CONNECTIONS: Final = 400
WAYS: Final[Mapping[str, Mapping[str, object]]] = {
    "fetched early": {},
    "early, or behind a stale one": {"stale_while_revalidate_s": 10},
    "behind a stale one": {"early_refresh": False, "stale_while_revalidate_s": 10},
    "while all wait": {"early_refresh": False},
}


class Asked(NamedTuple):
    """What came of asking."""

    calls: int
    """To the provider, without the first."""
    p99_ms: float
    hit_p99_ms: float
    words: Mapping[str, int]
    """How answers came, by the word in their head."""


class Reader:
    """A connection that is asked over and over."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self) -> str:
        """Ask once; return how it was answered."""
        self._writer.write(REQUEST)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
        await self._reader.readexactly(int(fields["content-length"]))
        assert head.startswith("http/1.1 200"), head
        return fields["x-narthex-cache"]

    def close(self) -> None:
        """Close it."""
        self._writer.close()


async def asked(port: int, upstream: ScriptedUpstream, *, rate: float, seconds: float) -> Asked:
    """Ask at a steady rate for so long."""
    # Each in its turn: what is idle for long is closed by the server.
    free = deque([Reader(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(CONNECTIONS)])
    await free[0].ask()
    before, took = len(upstream.requests), list[tuple[str, float]]()

    async def ask() -> None:
        reader, began = free.popleft(), time.perf_counter()
        took.append((await reader.ask(), (time.perf_counter() - began) * 1_000))
        free.append(reader)

    began, sent = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while (passed_s := time.monotonic() - began) < seconds:
            due = min(int(passed_s * rate) - sent, len(free))
            for _ in range(due):
                group.create_task(ask())
            sent += due
            await asyncio.sleep(0.002)
    calls = len(upstream.requests) - before
    for reader in free:
        reader.close()
    words = {word: sum(one == word for one, _ in took) for word, _ in took}
    return Asked(calls, p99([ms for _, ms in took]), p99([ms for word, ms in took if word == "hit"]), words)


def p99(times: list[float]) -> float:
    """Return the 99th percentile."""
    return sorted(times)[len(times) * 99 // 100]


@contextmanager
def served(way: Mapping[str, object], ttl_s: float, regeneration_s: float) -> Iterator[tuple[int, ScriptedUpstream]]:
    """Run a server before a provider that takes its time."""
    with ScriptedUpstream() as upstream:
        upstream.always((Wait(regeneration_s), *whole(openai_answer("Hello"))))
        provider = {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"], "api_key": "k" * 20}
        cache = {"ttl_s": ttl_s, "jitter_percent": 0, "disk": False, **way}
        with running_gateway(
            {"providers": {"up": provider}, "cache": cache, "shedding": {"enabled": False}}
        ) as gateway:
            yield int(gateway.url.rpartition(":")[2]), upstream


def main() -> int:
    """Print the table; 1 if an end cost more than a call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--expiries", type=int, default=20)
    parser.add_argument("--ttl", type=float, default=2.0)
    parser.add_argument("--regeneration-ms", type=float, default=300.0)
    given = parser.parse_args()
    seconds, worst = given.expiries * given.ttl, 0
    print("| a new answer is fetched | calls | p99 of all, ms | p99 of hits, ms | answers |\n|---|---|---|---|---|")
    for name, way in WAYS.items():
        with served(way, given.ttl, given.regeneration_ms / 1_000) as (port, upstream):
            found = asyncio.run(asked(port, upstream, rate=given.rate, seconds=seconds))
        worst = max(worst, found.calls)
        told = ", ".join(f"{count:,} {word}" for word, count in found.words.items())
        print(f"| {name} | {found.calls} of {given.expiries} | {found.p99_ms:.1f} | {found.hit_p99_ms:.1f} | {told} |")
    return int(worst > given.expiries)


if __name__ == "__main__":
    sys.exit(main())
