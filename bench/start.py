"""How soon a server with nothing configured is ready, and what it takes up then.

    python -m bench.start [--times 5] [--rooms 12]

Each server gets an empty data folder of its own. The time from launch to `/readyz` depends on what else the machine
does; the CPU time hardly does. Behind that stands, room by room, what their modules take to import by themselves.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.kit.machine import TICK_S, descendants, resident_mb
from bench.kit.probes import free_port, is_ready

GOAL_READY_S = 1.0
GOAL_IDLE_MB = 80.0
_PATIENCE_S = 60.0
_POLL_S = 0.01
_SETTLE_S = 1.0
"""After which nothing of the start is under way any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What one start took."""

    ready_s: float
    cpu_s: float
    """Of all its processes, until it was idle."""
    idle_mb: float
    """Resident, of all its processes."""


def start_once(folder: Path) -> Started:
    """Start a server in an empty folder, wait until it is ready and idle, and end it.

    Raises:
        RuntimeError: It did not become ready; the message is what it said.
    """
    port, said = free_port(), folder / "said"
    command = [sys.executable, "-m", "narthex", "serve", "--port", str(port)]
    environment = {**os.environ, "NARTHEX_DATA_DIR": str(folder / "data")}
    began_s = time.monotonic()
    with said.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
    try:
        ready_s = _ready_after(began_s, process, port)
        if ready_s is None:
            raise RuntimeError(f"the server is not ready; it said: {said.read_text()[-500:]}")
        time.sleep(_SETTLE_S)
        return Started(ready_s=ready_s, cpu_s=_cpu_s(process.pid), idle_mb=resident_mb(process.pid))
    finally:
        process.terminate()
        process.wait()


def _ready_after(began_s: float, process: subprocess.Popen[bytes], port: int) -> float | None:
    while process.poll() is None and time.monotonic() - began_s < _PATIENCE_S:
        with suppress(OSError):
            if is_ready(port, "/readyz"):
                return time.monotonic() - began_s
        time.sleep(_POLL_S)
    return None


def _cpu_s(pid: int) -> float:
    total = 0
    for member in descendants(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total * TICK_S


def imports_ms() -> dict[str, float]:
    """Return what the modules of each package, and of each room of ours, take to import by themselves."""
    command = [sys.executable, "-X", "importtime", "-c", "import narthex.app, narthex.cli.serve"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found: Counter[str] = Counter()
    for line in told.splitlines():
        alone, _, name = line.removeprefix("import time:").split("|")
        if alone.strip().isdecimal():
            parts = name.strip().split(".")
            found[".".join(parts[: 2 if parts[0] == "narthex" else 1])] += int(alone)
    return {room: spent_us / 1_000 for room, spent_us in found.most_common()}


def main() -> int:
    """Start some servers, and print what the best of them took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="servers started, one after the other")
    parser.add_argument("--rooms", type=int, default=12, help="packages and rooms told, the slowest first")
    given = parser.parse_args()
    starts: list[Started] = []
    for _ in range(given.times):
        with tempfile.TemporaryDirectory(prefix="narthex-start-") as folder:
            starts.append(start_once(Path(folder)))
    print("| best of the starts | | goal |\n|---|---|---|")
    print(f"| ready after launch | {min(one.ready_s for one in starts):.2f} s | {GOAL_READY_S:g} s |")
    print(f"| CPU time | {min(one.cpu_s for one in starts):.2f} s | |")
    print(f"| memory, idle | {min(one.idle_mb for one in starts):.1f} MB | {GOAL_IDLE_MB:g} MB |")
    print("\n| imported | ms |\n|---|---|")
    for room, spent_ms in list(imports_ms().items())[: given.rooms]:
        print(f"| {room} | {spent_ms:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
