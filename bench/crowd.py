"""A crowd before a provider that bears only so many calls at once: what gets through, and what is wasted.

    python -m bench.crowd [--callers 64] [--capacity 16] [--seconds 20]

Callers ask without a pause; one that is refused waits as long as it was told, half a second otherwise. The provider
takes a quarter of a second for an answer, and answers 429 at once beyond its capacity.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from narthex.app import Gateway, run_in_loop
from narthex.config.settings import Settings
from narthex.errors import NarthexError
from narthex.testing.acts import Answer, Wait, whole
from narthex.testing.upstream import ReceivedRequest, ScriptedUpstream
from narthex.testing.wires import openai_answer, openai_error

TAKES_S = 0.25
PAUSE_S = 0.5


class Provider(ScriptedUpstream):
    """Bears so many calls at once."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity
        self._chance = random.Random(1)
        self._active: set[int] = set()
        self.served = self.refused = 0

    def answer_to(self, request: ReceivedRequest) -> Answer:
        """Take a call, or refuse it."""
        if len(self._active) >= self._capacity:
            self.refused += 1
            return whole(openai_error("Too many calls.", code="rate_limit_exceeded"), status=429)
        self._active.add(id(request))
        return (Wait(TAKES_S * self._chance.uniform(0.6, 1.4)), *whole(openai_answer("Hello.")))

    def answered(self, request: ReceivedRequest, *, sent_bytes: int, is_left: bool) -> None:
        """Have room again."""
        if id(request) in self._active:
            self._active.discard(id(request))
            self.served += 1


@dataclass
class Result:
    """What became of a run."""

    answered: int = 0
    failed: int = 0


async def press(gateway: Gateway, callers: int, seconds: float) -> Result:
    """Have callers ask without a pause."""
    result, until_s = Result(), time.monotonic() + seconds

    async def call() -> None:
        while time.monotonic() < until_s:
            try:
                await gateway.chat("Hi", model="up/m")
                result.answered += 1
            except NarthexError as error:
                result.failed += 1
                await asyncio.sleep(error.retry_after_s or PAUSE_S)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(callers):
            tasks.create_task(call())
    return result


@contextmanager
def settings_for(provider: Provider, *, adaptive: bool) -> Iterator[Settings]:
    """Yield settings as delivered, with or without adaptivity."""
    with tempfile.TemporaryDirectory() as folder:
        yield Settings.model_validate(
            {
                "data_dir": Path(folder),
                "providers": {"up": {"kind": "openai", "base_url": f"{provider.url}/v1", "models": ["m"]}},
                "limits": {"adaptive": adaptive},
                "embedded": {"enabled": False},
                "discovery": {"environment": False, "ollama": False},
            }
        )


async def compare(callers: int, capacity: int, seconds: float) -> None:
    """Print what gets through with and without adaptivity."""
    print(f"{callers} callers, capacity {capacity}, {seconds:g} s: at best {capacity / TAKES_S:.0f} answers a second\n")
    print("| adaptive | answered/s | told a failure | calls sent | of these refused |\n|---|---|---|---|---|")
    for adaptive in (False, True):
        with Provider(capacity) as provider, settings_for(provider, adaptive=adaptive) as settings:
            async with Gateway(settings) as gateway:
                result = await press(gateway, callers, seconds)
            sent = provider.served + provider.refused
            share = f"{provider.refused} ({100 * provider.refused / sent:.1f} %)"
        told = f"| {adaptive} | {result.answered / seconds:.1f} | {result.failed} | {sent} | {share} |"
        print(told)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--capacity", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    run_in_loop(compare(given.callers, given.capacity, given.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
