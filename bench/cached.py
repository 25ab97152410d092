"""What an answer from the cache costs, beside the bare fast lane that answers a constant.

    python -m bench.cached [--seconds 4] [--rounds 3]

Both servers are in processes of their own and are asked the same over a few connections, in turns; what is told is the
CPU time of the server for each answer, its best round: of the loop that answers, which is what bounds how many calls a
process answers, and of the whole process, whose other threads write the ledger and the log meanwhile. For the first
tier in memory it is the time of a lookup.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from narthex.app import Gateway, run_in_loop
from narthex.cache.entries import Entry
from narthex.cache.store import Cache
from narthex.config.settings import Settings
from narthex.http.server import bind, make_server
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.handling import Handling
from narthex.pipeline.settle import Settlement
from narthex.streams.stream import Stream
from narthex.telemetry.metrics import Metrics
from narthex.types.dialects import Dialect

KINDS: Final = ("bare", "hit", "plain")
BODY: Final = json.dumps(
    {"model": "s/scripted", "temperature": 0, "messages": [{"role": "user", "content": "word " * 100}]}
).encode()
PLAIN: Final = BODY.replace(b'"temperature": 0', b'"temperature": 1')
CONNECTIONS: Final = 16
LOOKUPS: Final = 100_000
VALUE_BYTES: Final = 65_536


class Bare(Handling):
    """An engine that answers a constant."""

    def __init__(self, body: bytes) -> None:
        async def answer(exchange: Exchange) -> None:
            exchange.answer = Stream.of(body, Dialect.OPENAI_CHAT)

        chain: Next = answer
        super().__init__(chain, Settlement(Metrics(), None))


async def serve(kind: str) -> None:
    """Serve until the process is killed; the port is the first line that is printed."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate(
            {
                "data_dir": Path(folder),
                "server": {"port": 0},
                "providers": {"s": {"kind": "scripted"}},
                "embedded": {"enabled": False},
                "discovery": {"environment": False, "ollama": False},
            }
        )
        listener = bind(settings.server)
        async with Gateway(settings) as gateway:
            if kind == "bare":
                exchange = Exchange(Dialect.OPENAI_CHAT, BODY, {})
                gateway.engine = Bare((await gateway.engine.handle(exchange)).body)  # type: ignore[assignment]
            server = make_server(
                gateway.services(lambda: ""), settings.server, on_ready=lambda: None, on_stop=lambda: None
            )
            print(listener.getsockname()[1], flush=True)
            await server.serve([listener])


class Client(asyncio.Protocol):
    """Asks again as soon as it is answered."""

    def __init__(self, body: bytes) -> None:
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        self._request = head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body
        self._buffer = b""
        self.answers = 0
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take an answer in."""
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self.failed += not head.startswith(b"HTTP/1.1 200")
            self.answers += 1
            self._buffer = b""
            self._transport.write(self._request)


async def ask(port: int, body: bytes, seconds: float) -> int:
    """Ask for so long; return how many answers came."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Client(body), "127.0.0.1", port) for _ in range(CONNECTIONS)]
    await asyncio.sleep(seconds)
    for transport, client in made:
        assert not client.failed, "an answer was an error"
        transport.close()
    return sum(client.answers for _, client in made)


class Cost(NamedTuple):
    """CPU time, in µs."""

    loop: float
    """Of the thread that answers."""
    process: float

    @classmethod
    def of(cls, pid: int) -> Cost:
        """Return what a process has taken; its first thread is the one that answers."""
        took = {
            task.name: int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()
        }
        return cls(took[str(pid)] / 1_000, sum(took.values()) / 1_000)


def measure(kinds: tuple[str, ...], seconds: float, rounds: int) -> dict[str, list[Cost]]:
    """Return for each kind of server the CPU time of an answer, round by round."""
    command = [sys.executable, "-m", "bench.cached", "--serve"]
    servers = {kind: subprocess.Popen([*command, kind], stdout=subprocess.PIPE, text=True) for kind in kinds}
    found: dict[str, list[Cost]] = {kind: [] for kind in kinds}
    try:
        ports = {kind: int(server.stdout.readline()) for kind, server in servers.items() if server.stdout is not None}
        for number in range(rounds + 1):
            for kind in kinds:
                before = Cost.of(servers[kind].pid)
                answers = asyncio.run(ask(ports[kind], PLAIN if kind == "plain" else BODY, seconds))
                time.sleep(0.5)  # what is done behind the answers is a part of them
                if number:
                    after = Cost.of(servers[kind].pid)
                    found[kind].append(Cost(*((now - then) / answers for now, then in zip(after, before, strict=True))))
    finally:
        for server in servers.values():
            server.kill()
            server.wait()
    return found


def lookups() -> tuple[float, float]:
    """Return the median and the 99th percentile of a lookup in memory at values of 64 kB, in µs."""
    cache = Cache(policy="s3-fifo", max_bytes=64 * 1_048_576, max_entry_bytes=1_048_576)
    keys = [number.to_bytes(32, "big") for number in range(1_500)]
    now_ms = int(time.time() * 1_000)
    for key in keys:
        data = os.urandom(VALUE_BYTES)
        entry = Entry(key, "s", "m", "body", None, data, 1, 1, 1, now_ms, 3_600_000, 0, 0, 10, ("scope:s",), 0, "r")
        cache.keep(entry)
    took = []
    for number in range(LOOKUPS):
        key = keys[number * 7 % len(keys)]
        begun = time.perf_counter_ns()
        cache.find(key)
        took.append(time.perf_counter_ns() - begun)
    took.sort()
    return took[len(took) // 2] / 1_000, took[len(took) * 99 // 100] / 1_000


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=KINDS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        run_in_loop(serve(given.serve))
        return 0
    found = measure(KINDS, given.seconds, given.rounds)
    for place, what in enumerate(("the loop that answers", "the whole process")):
        bare = min(cost[place] for cost in found["bare"])
        print(f"| CPU of {what} | µs, best | rounds | speed against the bare lane |\n|---|---|---|---|")
        for kind, rounds in found.items():
            costs = [cost[place] for cost in rounds]
            listed = ", ".join(f"{one:.1f}" for one in costs)
            print(f"| {kind} | {min(costs):.1f} | {listed} | {bare / min(costs):.2f} |")
        print()
    median, high = lookups()
    print(f"lookup in memory at 64 kB: median {median:.1f} µs, p99 {high:.1f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
