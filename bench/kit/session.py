"""A run: starts everything, measures in interleaved rounds, ends everything."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.kit import machine, probes
from bench.kit.machine import CpuReading, MachineReading
from bench.kit.native import Aim, KitError, Load, Mock, compile_program
from bench.kit.probes import WrongAnswer
from bench.kit.records import About, Import, Journal, Memory, Start, Window
from bench.kit.scenarios import SCENARIOS, TEXTS, Plan, Scenario, Traffic, body
from bench.kit.targets import Place, Target

SLOW_START_S = 3.0
START_LIMIT_S = 90.0
SETTLE_S = 0.5
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")


class CannotStart(Exception):
    """A gateway did not come up, or does not answer as it should."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core runs what."""

    gateway: int
    load: int


def say(message: str) -> None:
    """Tell the person who waits how far the run is."""
    print(message, file=sys.stderr, flush=True)


class Runner:
    """A gateway that runs, or nothing in its place."""

    def __init__(self, target: Target, *, upstream: int, core: int, folder: Path) -> None:
        """Choose its place; it starts when entered."""
        self.target = target
        self.aims: dict[Traffic, Aim] = {}
        self.failures: dict[Traffic, str] = {}
        self._core = core
        self._folder = folder
        self._upstream = upstream
        self.process: subprocess.Popen[bytes] | None = None
        self.place = Place(upstream, upstream, folder)

    @contextmanager
    def running(self) -> Iterator[Start | None]:
        """Start it, wait for its first right answer, and end it whatever happens."""
        if self.target.launch is None:
            yield None
            return
        self.place = Place(probes.free_port(), self._upstream, self._folder)
        launch = self.target.launch(self.place)
        log = self._folder / "log"
        kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        environment = {**kept, "HOME": str(self._folder), **launch.env}
        begin = time.monotonic()
        self.process = machine.spawn(launch.command, core=self._core, log=log, env=environment, cwd=self._folder)
        try:
            yield self._await_first_answer(begin, log)
        finally:
            machine.stop(self.process)
            self.process = None

    def _await_first_answer(self, begin_s: float, log: Path) -> Start:
        process = self.process
        assert process is not None
        port, path = self.place.port, self.target.ready_path

        def alive() -> bool:
            return process.poll() is None

        def answers() -> bool:
            probes.check_whole(probes.ask(port, self.body("json"), self.headers()))
            return True

        def ready() -> bool:
            return path is not None and probes.is_ready(port, path)

        limit = START_LIMIT_S
        ready_s = probes.wait_for(ready, alive=alive, begin_s=begin_s, limit_s=limit) if path is not None else None
        first_s = (
            probes.wait_for(answers, alive=alive, begin_s=begin_s, limit_s=limit) if path is None or ready_s else None
        )
        if first_s is None:
            raise CannotStart(f"no right answer; the last it said: {_last_lines(log)}")
        return Start(target=self.target.name, ready_s=ready_s, first_answer_s=first_s)

    def body(self, traffic: Traffic) -> bytes:
        """Return what it is asked."""
        return body(traffic, model=self.target.model)

    def headers(self) -> Mapping[str, str]:
        """Return the headers it is asked with."""
        return self.target.headers(self.place)

    def learn_answers(self, scenarios: Sequence[Scenario] = SCENARIOS) -> None:
        """Check its answers by their meaning, and note what the load client can check of each.

        Raises:
            CannotStart: It gives no right answer to some traffic.
        """
        for traffic in dict.fromkeys(("json", *(scenario.traffic for scenario in scenarios))):
            file = self._folder / f"{traffic}.json"
            file.write_bytes(self.body(traffic))
            try:
                shape = probes.shape_of(self.place.port, self.body(traffic), self.headers(), texts=TEXTS[traffic])
            except (WrongAnswer, OSError) as error:
                if traffic == "json":
                    raise CannotStart(f"{traffic}: {error}") from error
                self.failures[traffic] = str(error)
                say(f"  {self.target.name} is left out of {traffic}: {error}")
                continue
            self.aims[traffic] = Aim(
                port=self.place.port,
                body_file=file,
                headers=self.headers(),
                answer_bytes=shape.answer_bytes,
                events=shape.events,
            )


def _last_lines(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    return " | ".join(lines[-3:])[-400:] or "nothing"


class Session:
    """One run over several targets."""

    def __init__(self, plan: Plan, cores: Cores, journal: Journal, scenarios: Sequence[Scenario] = SCENARIOS) -> None:
        """Take the plan; everything starts in `run`."""
        self._plan = plan
        self._scenarios = scenarios
        self._cores = cores
        self._journal = journal
        self._patience_s = plan.patience_s
        self._stack = ExitStack()

    def run(self, targets: Sequence[Target], about: About, *, interpreter: Path | None) -> None:
        """Measure the targets; whatever happens, nothing that was started stays."""
        missing = dict(about.missing)
        os.sched_setaffinity(0, {self._cores.load})
        self._journal.add(about)
        with self._stack:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="narthex-bench-")))
            self._start_kit(folder)
            if interpreter is not None:
                self._time_import(interpreter, folder)
            runners = [runner for target in targets if (runner := self._bring_up(target, folder, missing))]
            if not runners:
                raise KitError(f"nothing to measure: {'; '.join(missing.values())}")
            self._note_memory(runners, "idle")
            for number in range(1, self._plan.rounds + 1):
                self._measure_round(runners, number)
            self._note_memory(runners, "loaded")
        self._journal.add(replace(about, missing=missing))

    def _start_kit(self, folder: Path) -> None:
        core, log = self._cores.load, folder / "kit.log"
        mock_program, load_program = compile_program("mock", folder), compile_program("load", folder)
        self._mock = Mock(mock_program, port=probes.free_port(), core=core, log=log)
        self._stack.callback(self._mock.close)
        self._load = Load(load_program, core=core, log=log)

    def _time_import(self, interpreter: Path, folder: Path) -> None:
        """Time how long fresh interpreters take to import the command line; the first fills caches and is left out."""
        code = "import time; begin = time.perf_counter(); import narthex.cli; print(time.perf_counter() - begin)"
        seconds = []
        for _ in range(1 + self._plan.starts):
            log = folder / "import.log"
            log.unlink(missing_ok=True)
            process = machine.spawn([interpreter, "-c", code], core=self._cores.gateway, log=log)
            try:
                failed = process.wait(30)
            finally:
                machine.stop(process)
            if failed:
                say(f"  narthex.cli cannot be imported: {_last_lines(log)}")
                return
            seconds.append(float(log.read_text()))
        self._journal.add(Import(seconds=seconds[1:]))

    def _bring_up(self, target: Target, folder: Path, missing: dict[str, str]) -> Runner | None:
        """Start a target several times for the start times, and leave it running."""
        say(f"starting {target.name}")
        own = folder / target.name
        own.mkdir()
        runner = Runner(target, upstream=self._mock.port, core=self._cores.gateway, folder=own)
        try:
            for _ in range(self._plan.starts - 1):
                with runner.running() as start:
                    if start is None or self._noted(start).first_answer_s > SLOW_START_S:
                        break
            last = self._stack.enter_context(runner.running())
            if last is not None:
                self._noted(last)
            runner.learn_answers(self._scenarios)
        except (CannotStart, OSError) as error:
            self._mock.requests()
            say(f"  {target.name} is left out: {error}")
            missing[target.name] = str(error)
            return None
        missing.update({f"{target.name}, {traffic}": reason for traffic, reason in runner.failures.items()})
        return runner

    def _noted(self, start: Start) -> Start:
        self._journal.add(start)
        return start

    def _note_memory(self, runners: Sequence[Runner], phase: str) -> None:
        time.sleep(SETTLE_S)
        for runner in runners:
            if runner.process is not None:
                resident = machine.resident_mb(runner.process.pid)
                self._journal.add(Memory(target=runner.target.name, phase=phase, resident_mb=round(resident, 1)))

    def _measure_round(self, runners: Sequence[Runner], number: int) -> None:
        for scenario in self._scenarios:
            figures = []
            for runner in runners:
                aim = runner.aims.get(scenario.traffic)
                if aim is None or (runner.process is not None and runner.process.poll() is not None):
                    continue
                window = self._measure(runner, aim, scenario, number)
                self._journal.add(window)
                figures.append(_brief(window))
            say(f"round {number} {scenario.name:9} {'  '.join(figures)}")

    def _measure(self, runner: Runner, aim: Aim, scenario: Scenario, number: int) -> Window:
        """Drive one target through one window."""
        if self._patience_s > 0:
            self._patience_s -= machine.wait_until_quiet(min(self._patience_s, 5.0))
        pid = None if runner.process is None else runner.process.pid
        arrived = self._mock.requests()
        cpu, mock_cpu, whole = _read(pid), _read(self._mock.process.pid), MachineReading.take()
        seen, load_cpu_s = self._load.run(aim, scenario, self._plan)
        done = MachineReading.take()
        cpu_s, mock_cpu_s = _read(pid).since(cpu), _read(self._mock.process.pid).since(mock_cpu)
        if pid is not None:
            machine.wait_until_idle(pid, 10)
        wall_s = done.at_s - whole.at_s
        others_s = done.busy_s - whole.busy_s - cpu_s - mock_cpu_s - load_cpu_s
        return _window(
            seen,
            target=runner.target.name,
            scenario=scenario.name,
            round=number,
            cpu_s=cpu_s,
            wall_s=wall_s,
            others_cores=max(0.0, others_s / wall_s),
            stolen_cores=(done.stolen_s - whole.stolen_s) / wall_s,
            upstream_requests=self._mock.requests() - arrived,
        )


def _read(pid: int | None) -> CpuReading:
    return CpuReading({}, 0, 0) if pid is None else CpuReading.take(pid)


def _window(seen: Mapping[str, object], **measured: object) -> Window:
    """Make a record of what the client saw and what the machine told."""
    from_client = {name: seen[name] for name in Window.__dataclass_fields__ if name in seen}
    return Window(**from_client, **measured)  # type: ignore[arg-type]  # names are the client's own


def _brief(window: Window) -> str:
    cost = window.cpu_us_per_event or window.cpu_us_per_answer or 0
    wrong = sum(window.wrong.values())
    return f"{window.target} {window.per_second:,.0f}/s {cost:.1f}us" + (f" WRONG {wrong}" if wrong else "")
