"""The programs in C: the provider behind the gateways, and the client before them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.kit import machine
from bench.kit.scenarios import Plan, Scenario

SOURCES = Path(__file__).parent
HOST = "127.0.0.1"


class KitError(Exception):
    """The kit itself cannot work here; the message says what to do."""


def compile_program(name: str, folder: Path) -> Path:
    """Compile one of the programs; return where it lies."""
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        raise KitError("no C compiler found; install gcc, or name one in CC")
    program = folder / name
    result = subprocess.run(
        [compiler, "-O2", "-o", program, SOURCES / f"{name}.c"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if result.returncode:
        raise KitError(f"{name}.c does not compile:\n{result.stderr}")
    return program


class Mock:
    """The provider behind every gateway."""

    def __init__(self, program: Path, *, port: int, core: int, log: Path) -> None:
        """Start it, and wait until it answers."""
        self.port = port
        self._log = log
        self.process = machine.spawn([program, "-p", str(port)], core=core, log=log)
        for _ in range(200):
            with suppress(OSError):
                self.requests()
                return
            time.sleep(0.01)
        self.close()
        raise KitError("the mock provider does not answer")

    def requests(self) -> int:
        """Return how many requests have arrived here.

        Raises:
            KitError: It has ended, though nobody here asked it to.
        """
        if self.process.poll() is not None:
            said = self._log.read_text().strip() or "nothing"
            raise KitError(f"the mock provider has ended with {self.process.returncode}; it said {said}")
        connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
        try:
            connection.request("GET", "/stats")
            return int(json.loads(connection.getresponse().read())["requests"])
        finally:
            connection.close()

    def close(self) -> None:
        """End it."""
        machine.stop(self.process)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What the load client sends where, and what the right answer looks like."""

    port: int
    body_file: Path
    headers: Mapping[str, str]
    answer_bytes: int
    """Length of the answer's body; 0 where it is not always the same."""
    events: int
    """Events of the answer; 0 where it is no stream."""


class Load:
    """The client before every gateway."""

    def __init__(self, program: Path, *, core: int, log: Path) -> None:
        self._program = program
        self._core = core
        self._log = log

    def run(self, aim: Aim, scenario: Scenario, plan: Plan) -> tuple[dict[str, object], float]:
        """Drive a target through one window; return what the client saw, and its CPU time in seconds."""
        limit_s = plan.window_of(scenario) + plan.warmup_of(scenario) + plan.grace_s + 5
        output = self._log.with_suffix(".out")
        output.unlink(missing_ok=True)
        process = machine.spawn(self._command(aim, scenario, plan), core=self._core, log=output)
        try:
            cpu_s = _wait_with_cpu(process, limit_s)
        finally:
            machine.stop(process)
        if process.returncode:
            raise KitError(f"the load client failed: {output.read_text().strip()}")
        seen: dict[str, object] = json.loads(output.read_text())
        return seen, cpu_s

    @contextmanager
    def background(self, aim: Aim, scenario: Scenario, plan: Plan) -> Iterator[None]:
        """Drive a target for as long as the block lasts, or the window."""
        process = machine.spawn(self._command(aim, scenario, plan), core=self._core, log=self._log)
        try:
            yield
        finally:
            machine.stop(process)

    def _command(self, aim: Aim, scenario: Scenario, plan: Plan) -> list[str | Path]:
        options: dict[str, object] = {
            "-p": aim.port,
            "-b": aim.body_file,
            "-c": scenario.connections,
            "-d": plan.window_of(scenario),
            "-w": plan.warmup_of(scenario),
            "-g": plan.grace_s,
            "-r": scenario.ramp_s * 1000,
            "-L": aim.answer_bytes,
            "-E": aim.events,
        }
        headers = (("-H", f"{name}: {value}") for name, value in aim.headers.items())
        return [self._program, *(str(part) for pair in (*options.items(), *headers) for part in pair)]


def _wait_with_cpu(process: subprocess.Popen[bytes], limit_s: float) -> float:
    """Wait for a program to end; return its CPU time."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime
        time.sleep(0.005)
    raise KitError("the load client did not end in time")
