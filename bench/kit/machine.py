"""Cores, processes, their CPU time and memory, and what else the machine was doing. Linux only: reads /proc."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
PR_SET_PDEATHSIG = 1
STOP_LIMIT_S = 5.0

_libc = ctypes.CDLL(None, use_errno=True)


def spawn(
    command: Sequence[str | Path],
    *,
    core: int,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program pinned to one core, in a process group of its own, that ends when this process does."""

    def prepare() -> None:
        os.sched_setaffinity(0, {core})
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509 - no thread is running here when programs are started
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started: politely, then not."""
    left = _family(process)
    _signal(left, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_LIMIT_S)
    _signal((left & _living()) | _family(process), signal.SIGKILL)
    process.wait()


def _family(process: subprocess.Popen[bytes]) -> set[int]:
    """Return the program, if it lives, its descendants, and what it left behind in its session."""
    leader = process.pid
    session = {pid for pid in _living() if (fields := _stat(pid)) and int(fields[3]) == leader}
    if process.poll() is not None:
        return session - {leader}
    return session.union(descendants(leader))


def _living() -> set[int]:
    return {int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()}


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def descendants(pid: int) -> list[int]:
    """Return the process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for member in _living():
        if fields := _stat(member):
            children.setdefault(int(fields[1]), []).append(member)
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting.extend(children.get(current, ()))
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of a process behind its name, or none if it has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []


@dataclass(frozen=True, slots=True)
class CpuReading:
    """The CPU time of a process tree so far, by two clocks.

    The scheduler counts nanoseconds for each living thread; the process's own account also holds threads that have
    ended, but in ticks of 10 ms.
    """

    threads_ns: dict[str, int]
    ticks: int
    processes: int

    @classmethod
    def take(cls, pid: int) -> CpuReading:
        """Read both clocks of the process and its descendants."""
        threads_ns: dict[str, int] = {}
        ticks = 0
        family = descendants(pid)
        for member in family:
            fields = _stat(member)
            ticks += sum(int(field) for field in fields[11:13])
            for task in (PROC / str(member) / "task").glob("*/schedstat"):
                with suppress(OSError, ValueError):
                    threads_ns[task.parent.name] = int(task.read_text().split()[0])
        return cls(threads_ns, ticks, len(family))

    def since(self, earlier: CpuReading) -> float:
        """Return the seconds of CPU time spent since an earlier reading."""
        spent_ns = sum(now - earlier.threads_ns.get(thread, 0) for thread, now in self.threads_ns.items())
        by_ticks_s = (self.ticks - earlier.ticks - self.processes) * TICK_S
        return max(spent_ns / 1e9, by_ticks_s)


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process tree, in MB; pages that processes share count once in each."""
    total_kb = 0
    for member in descendants(pid):
        with suppress(OSError):
            for line in (PROC / str(member) / "status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total_kb += int(line.split()[1])
    return total_kb / 1000 * 1.024


@dataclass(frozen=True, slots=True)
class MachineReading:
    """What the whole machine has done so far: seconds of CPU time, and of CPU time that its host kept for others."""

    at_s: float
    busy_s: float
    stolen_s: float

    @classmethod
    def take(cls) -> MachineReading:
        """Read the machine's clocks."""
        fields = [int(field) * TICK_S for field in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, _idle, _iowait, interrupts, soft_interrupts, stolen = fields
        return cls(time.monotonic(), user + nice + system + interrupts + soft_interrupts, stolen)


def wait_until_quiet(limit_s: float, *, share: float = 0.1, look_s: float = 0.2) -> float:
    """Wait until the machine is nearly idle, at most `limit_s`; return the seconds waited."""
    begin = time.monotonic()
    while (now := time.monotonic()) - begin < limit_s:
        before = MachineReading.take()
        time.sleep(look_s)
        after = MachineReading.take()
        if (after.busy_s - before.busy_s) / (after.at_s - before.at_s) < share:
            return now - begin
    return limit_s


def wait_until_idle(pid: int, limit_s: float, *, look_s: float = 0.04) -> None:
    """Wait until a process tree has nothing left to do: a slow gateway works on after its clients have left."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        before = CpuReading.take(pid)
        time.sleep(look_s)
        if CpuReading.take(pid).since(before) < 0.1 * look_s:
            return


def describe() -> dict[str, object]:
    """Return what a reader must know of the machine to judge the figures."""
    models = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory_kb = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal:")), 0)
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "virtual": any("hypervisor" in line for line in _lines("/proc/cpuinfo")),
        "memory_gb": round(memory_kb / 1e6, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
