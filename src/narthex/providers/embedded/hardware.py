"""What this machine gives: processors, memory, instructions."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

REQUIRED_INSTRUCTIONS = ("avx2", "fma", "f16c")
"""What the engine is compiled for on x86-64; without them, importing it ends the process."""

_CPU_INFO = Path("/proc/cpuinfo")
_MEMORY_INFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def missing_instructions(cpu_info: Path = _CPU_INFO) -> tuple[str, ...]:
    """Return the instructions that the engine needs and this processor lacks, as far as can be told."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ()
    flags = _cpu_flags(cpu_info)
    return tuple(one for one in REQUIRED_INSTRUCTIONS if one not in flags) if flags else ()


def _cpu_flags(cpu_info: Path) -> frozenset[str]:
    """Return the first processor's flags; empty where they cannot be read."""
    for line in _lines(cpu_info):
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Return how many processors this process may use, by its affinity and its container's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    quota, _, period = next(iter(_lines(cgroup / "cpu.max")), "max").partition(" ")
    if quota.isdigit() and period.strip().isdigit() and int(period):
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(1, cores)


def available_memory_bytes(memory_info: Path = _MEMORY_INFO, cgroup: Path = _CGROUP) -> int | None:
    """Return how much memory can be had without swapping, by system and container; None where it cannot be told."""
    known: list[int] = []
    for line in _lines(memory_info):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            known.append(int(value.split()[0]) << 10)
    limit = next(iter(_lines(cgroup / "memory.max")), "max").strip()
    used = next(iter(_lines(cgroup / "memory.current")), "").strip()
    if limit.isdigit() and used.isdigit():
        known.append(max(0, int(limit) - int(used)))
    return min(known, default=None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
