"""Shows where the time of a running server goes: starts Narthex, loads it, samples it, and prints tables.

    python -m bench.profile [json-64 sse-16 paced-64] [--seconds 8] [--native]

Samples with py-spy where it is installed (Python's own frames; with --native those of C extensions too), else with perf
(C symbols only). The stacks are kept, in the form that flame graph tools read.
"""

from __future__ import annotations

import argparse
import collections
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench.kit import probes
from bench.kit.machine import TICK_S
from bench.kit.native import KitError, Load, Mock, compile_program
from bench.kit.scenarios import FULL, SCENARIOS, Scenario
from bench.kit.session import CannotStart, Cores, Runner, say
from bench.kit.targets import Missing, Target, custom, find, program
from bench.run import RESULTS, choose_cores

SAMPLES_PER_S = 400
WARM_S = 1.0
MAIN_THREAD = "MainThread"
LOOP = "Runner.run (asyncio/runners.py)"
"""The event loop: what called it is the frame of the program, and tells nothing."""
DEFAULT_SCENARIOS = ("json-64", "sse-16", "paced-64")


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack seen in samples: frames from the outermost to the innermost."""

    frames: tuple[str, ...]
    samples: int


def parse_stacks(text: str) -> list[Stack]:
    """Read the stacks of the main thread, which runs the event loop, written as `thread;frame;frame COUNT`.

    Other threads are left out: most only wait, and a sampler easily takes that for work.
    """
    stacks = []
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        thread, _, frames = frames.partition(";")
        if frames and thread.endswith(MAIN_THREAD):
            stacks.append(Stack(tuple(frames.split(";")), int(count)))
    if not stacks:
        raise KitError("py-spy saw nothing of the main thread; may this user trace processes?")
    return stacks


def function_of(frame: str) -> str:
    """Return a frame without its line: `serve (narthex/http/lane.py)`."""
    head, mark, _ = frame.rpartition(":")
    return f"{head})" if mark and frame.endswith(")") else frame


def module_of(frame: str) -> str:
    """Return the file of a frame."""
    return function_of(frame).rpartition("(")[2].rstrip(")")


def shares(stacks: Sequence[Stack]) -> dict[str, collections.Counter[str]]:
    """Count samples by module and by function: where the time was spent, and what was under way."""
    counts: dict[str, collections.Counter[str]] = {
        title: collections.Counter()
        for title in ("by module, itself", "by function, itself", "by function, with callees")
    }
    for stack in stacks:
        counts["by module, itself"][module_of(stack.frames[-1])] += stack.samples
        counts["by function, itself"][function_of(stack.frames[-1])] += stack.samples
        functions = [function_of(frame) for frame in stack.frames]
        for function in set(functions[functions.index(LOOP) + 1 :] if LOOP in functions else functions):
            counts["by function, with callees"][function] += stack.samples
    return counts


def print_tables(stacks: Sequence[Stack], *, rows: int) -> None:
    """Print the largest shares."""
    total = sum(stack.samples for stack in stacks)
    for title, counter in shares(stacks).items():
        print(f"\n| {title} | share |\n|---|---|")
        for name, count in counter.most_common(rows):
            print(f"| {name} | {count / total:.1%} |")


def record_with_spy(pid: int, seconds: float, stacks: Path, *, native: bool) -> None:
    """Sample a process with py-spy."""
    command = [
        program("py-spy"), "record", "--pid", str(pid), "--rate", str(SAMPLES_PER_S), "--duration", str(round(seconds)),
        "--format", "raw", "--output", str(stacks), "--nonblocking", "--threads",
    ]  # fmt: skip
    _run([*command, *(["--native"] if native else [])], seconds + 60)


def report_with_perf(pid: int, seconds: float, data: Path) -> str:
    """Sample a process with perf; return its report."""
    perf = shutil.which("perf")
    if perf is None:
        raise KitError("neither py-spy nor perf is installed; `bench/peers.sh tools` installs py-spy")
    _run([perf, "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_PER_S), "-o", str(data), "-p", str(pid),
          "--", "sleep", str(seconds)], seconds + 60)  # fmt: skip
    return _run(
        [perf, "report", "--stdio", "-q", "-i", str(data), "--percent-limit", "0.5", "--fields", "overhead,dso,symbol"],
        120,
    )


def _run(command: Sequence[str], limit_s: float) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    if result.returncode:
        raise KitError(f"{Path(command[0]).name} failed: {(result.stderr or result.stdout).strip()[-500:]}")
    return result.stdout


def times_of(pid: int) -> tuple[float, float]:
    """Return the seconds that a process has spent in its own code, and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) * TICK_S, int(fields[12]) * TICK_S


class Profiler:
    """A server under load, and what samples it."""

    def __init__(self, target: Target, cores: Cores, stack: ExitStack) -> None:
        """Start the server; it ends with `stack`."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="narthex-bench-")))
        log = folder / "kit.log"
        mock = Mock(compile_program("mock", folder), port=probes.free_port(), core=cores.load, log=log)
        stack.callback(mock.close)
        self._load = Load(compile_program("load", folder), core=cores.load, log=log)
        self._folder = folder
        self._runner = Runner(target, upstream=mock.port, core=cores.gateway, folder=folder)
        stack.enter_context(self._runner.running())
        self._runner.learn_answers()

    def profile(self, scenario: Scenario, seconds: float, *, native: bool, rows: int) -> None:
        """Load the server in one way, sample it, and print where its time went."""
        process = self._runner.process
        assert process is not None
        aim = self._runner.aims[scenario.traffic]
        with self._load.background(aim, scenario, replace(FULL, window_s=seconds + 60)):
            time.sleep(WARM_S)
            before, begin = times_of(process.pid), time.monotonic()
            print(f"\n## {scenario.name}\n")
            stacks = self._sample(process.pid, seconds, scenario.name, native=native, rows=rows)
            own, kernel = (now - then for now, then in zip(times_of(process.pid), before, strict=True))
            wall = time.monotonic() - begin
        busy, in_kernel = (own + kernel) / wall, kernel / ((own + kernel) or 1)
        print(f"\n{busy:.2f} cores busy, {in_kernel:.0%} of that in the kernel; {stacks}")

    def _sample(self, pid: int, seconds: float, name: str, *, native: bool, rows: int) -> str:
        RESULTS.mkdir(parents=True, exist_ok=True)
        stacks = RESULTS / f"profile-{name}.txt"
        try:
            record_with_spy(pid, seconds, stacks, native=native)
        except Missing:
            print(report_with_perf(pid, seconds, self._folder / "perf.data"))
            return "sampled by perf"
        print_tables(parse_stacks(stacks.read_text()), rows=rows)
        return f"stacks: {stacks}"


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("scenarios", nargs="*", help=f"of {', '.join(names)}; default: {', '.join(DEFAULT_SCENARIOS)}")
    parser.add_argument("--seconds", type=float, default=8, help="how long each is sampled")
    parser.add_argument("--native", action="store_true", help="frames of C extensions too; slows the server down")
    parser.add_argument("--rows", type=int, default=25, help="rows of each table")
    parser.add_argument(
        "--cores", default="", metavar="GATEWAY,LOAD", help="which cores to use; default: the first two"
    )
    parser.add_argument("--gateway", metavar="NAME=COMMAND", help="profile another Python server in place of Narthex")
    return parser.parse_args(given)


def chosen_target(options: argparse.Namespace) -> Target:
    """Return what to profile."""
    if options.gateway:
        return custom(options.gateway)
    found, missing = find()
    for target in found:
        if target.name == "narthex":
            return target
    raise Missing(missing["narthex"])


def chosen_scenarios(names: Sequence[str]) -> Iterator[Scenario]:
    """Return the traffic to profile under."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    for name in names or DEFAULT_SCENARIOS:
        if name not in known:
            raise Missing(f"no traffic is called {name!r}; there are {', '.join(known)}")
        yield known[name]


def main() -> int:
    """Profile, and say by the exit code whether that worked."""
    options = arguments(sys.argv[1:])
    try:
        with ExitStack() as stack:
            profiler = Profiler(chosen_target(options), choose_cores(options.cores), stack)
            for scenario in chosen_scenarios(options.scenarios):
                profiler.profile(scenario, options.seconds, native=options.native, rows=options.rows)
    except (KitError, Missing, CannotStart) as error:
        say(f"profile: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
