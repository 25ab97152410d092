"""Ten thousand idle sockets on one process: what each costs, and how quick an answer is while they are held.

    python -m bench.sockets [--sockets 10000] [--seconds 10]

Sockets come from 127.0.0.2 to 127.0.0.9, because one address has too few ports. Each answers pings, as clients do.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import resource
import statistics
import struct
import sys
import time
from pathlib import Path

from narthex.testing.gateways import RunningGateway, running_gateway

GOAL_KB = 30.0
GOAL_P99_MS = 50.0
_SOURCES = tuple(f"127.0.0.{last}" for last in range(2, 10))
_AT_ONCE = 64
_PING_S = 5.0
_PONG = b"\x8a\x80\x00\x00\x00\x00"


def _text(message: object) -> bytes:
    """Write a masked text frame; a mask of zeros is one, too."""
    data = json.dumps(message).encode()
    head = bytes([0x81, 0x80 | len(data)]) if len(data) < 126 else struct.pack("!BBH", 0x81, 0xFE, len(data))
    return head + bytes(4) + data


class Idle(asyncio.Protocol):
    """A socket that answers pings and waits for what it asked."""

    def __init__(self) -> None:
        self.opened = asyncio.get_running_loop().create_future()
        self.answered: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        nonce = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /v1/streams/ws HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            f"sec-websocket-key: {nonce}\r\nsec-websocket-version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            if data.startswith(b"HTTP/1.1 101"):
                self.opened.set_result(None)
            else:
                self.opened.set_exception(RuntimeError(data[:300].decode()))
            return
        if data.startswith(b"\x89"):
            self.transport.write(_PONG)
        if b"pong" in data and self.answered is not None and not self.answered.done():
            self.answered.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionError("closed"))


def _resident_kb(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


async def _open(port: int, count: int) -> list[Idle]:
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> Idle:
        async with gate:
            source = (_SOURCES[number % len(_SOURCES)], 0)
            _, protocol = await loop.create_connection(Idle, "127.0.0.1", port, local_addr=source)
            await protocol.opened
            return protocol

    return list(await asyncio.gather(*map(one, range(count))))


async def _round_trips(sockets: list[Idle], seconds: float) -> list[float]:
    """Ask on one socket after another, and return how long each answer took, in milliseconds."""
    taken, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        socket = sockets[len(taken) * 7919 % len(sockets)]
        socket.answered = asyncio.get_running_loop().create_future()
        begun = time.perf_counter()
        socket.transport.write(_text({"type": "ping"}))
        await socket.answered
        taken.append((time.perf_counter() - begun) * 1_000)
        await asyncio.sleep(0.005)
    return taken


async def _measure(gateway: RunningGateway, count: int, seconds: float) -> bool:
    port, pid = int(gateway.url.rpartition(":")[2]), gateway.process.pid
    warm = await _open(port, 100)
    await _round_trips(warm, 1.0)
    before, begun = _resident_kb(pid), time.monotonic()
    sockets = await _open(port, count - len(warm))
    opened_s = time.monotonic() - begun
    taken = sorted(await _round_trips([*warm, *sockets], seconds))
    held = _resident_kb(pid)
    each_kb = (held - before) / len(sockets)
    lost = sum(socket.transport.is_closing() for socket in sockets)
    p50, p99 = statistics.median(taken), taken[int(len(taken) * 0.99)]
    print(f"{count} sockets opened in {opened_s:.1f} s, {lost} lost, a ping every {_PING_S:g} s")
    print(f"memory {each_kb:.1f} KB each, {before // 1024} MB before, {held // 1024} held; goal below {GOAL_KB:g} KB")
    print(f"round trip {p50:.2f} ms p50, {p99:.2f} p99, {taken[-1]:.2f} longest; goal p99 below {GOAL_P99_MS:g} ms")
    return each_kb < GOAL_KB and p99 < GOAL_P99_MS and not lost


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sockets", description=__doc__)
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = asked.sockets + 1_000
    if most < needed:
        print(f"{needed} open files are needed, {most} are allowed: raise `ulimit -Hn`", file=sys.stderr)
        return 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))
    settings = {
        "server": {"max_connections": needed},
        "sockets": {"maximum": needed, "per_key": needed, "ping_s": _PING_S},
    }
    with running_gateway(settings) as gateway:
        return 0 if asyncio.run(_measure(gateway, asked.sockets, asked.seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
