"""Narthex keeping what it streams, and copying it to Redis as well: what the second costs beside the first."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.kit import machine, probes
from bench.kit.goals import cpu_per_event, pairs
from bench.kit.records import Journal
from bench.kit.scenarios import Scenario
from bench.kit.targets import Launch, Place, Target, program

KEPT, COPIED = "kept", "copied"
KEEPING = """
[streams]
keep = "always"
keep_s = 10
max_per_owner = 10000
"""


def with_settings(target: Target, name: str, more: str, note: str) -> Target:
    """Return a target with more settings than it has."""

    def launch(place: Place) -> Launch:
        assert target.launch is not None
        started = target.launch(place)
        written = Path(started.command[-1])
        written.write_text(written.read_text() + more)
        return started

    return replace(target, name=name, note=note, launch=launch)


@contextmanager
def redis_running() -> Iterator[str]:
    """Run a Redis beside client and provider, and give its address.

    Raises:
        Missing: It is not installed.
    """
    port, command = probes.free_port(), [program("redis-server"), "--save", "", "--appendonly", "no"]
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="narthex-bench-") as name:
        folder, address = Path(name), ["--bind", "127.0.0.1", "--port", str(port)]
        core = cores[min(1, len(cores) - 1)]
        process = machine.spawn([*command, *address], core=core, log=folder / "log", env={}, cwd=folder)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            machine.stop(process)


def sharing(ours: Target, url: str) -> list[Target]:
    """Return Narthex keeping what it streams, and copying it as well."""
    copying = f'{KEEPING}\n[redis]\nurl = "{url}"\n'
    return [
        with_settings(ours, KEPT, KEEPING, "narthex, all answers kept"),
        with_settings(ours, COPIED, copying, "narthex, all answers kept and copied to Redis"),
    ]


def lines(journal: Journal, scenarios: Sequence[Scenario]) -> Iterator[str]:
    """Yield what copying costs, where it was measured."""
    for scenario in scenarios:
        values = [ours - kept for ours, kept in pairs(journal, scenario.name, cpu_per_event, of=COPIED, to=KEPT)]
        if values:
            yield f"- CPU of the gateway per event copied to Redis, {scenario.name}: {statistics.median(values):.1f} µs"
