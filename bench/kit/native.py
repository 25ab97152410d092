"""The programs in C: the provider behind the gateways, and the client before them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit import machine
from kit.scenarios import Plan, Scenario

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
        self.process = machine.spawn([program, "-p", str(port)], core=core, log=log)
        for _ in range(200):
            try:
                self.requests()
            except OSError:
                time.sleep(0.01)
            else:
                return
        self.close()
        raise KitError(f"the mock provider does not answer: {log.read_text().strip()}")

    def requests(self) -> int:
        """Return how many requests have arrived here."""
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
        window_s = max(plan.window_s, scenario.least_window_s)
        warmup_s = max(plan.warmup_s, scenario.ramp_s)
        output = self._log.with_suffix(".out")
        output.unlink(missing_ok=True)
        options: dict[str, object] = {
            "-p": aim.port,
            "-b": aim.body_file,
            "-c": scenario.connections,
            "-d": window_s,
            "-w": warmup_s,
            "-g": plan.grace_s,
            "-r": scenario.ramp_s * 1000,
            "-L": aim.answer_bytes,
            "-E": aim.events,
        }
        pairs = [*options.items(), *(("-H", f"{name}: {value}") for name, value in aim.headers.items())]
        command: list[str | Path] = [self._program, *(str(part) for pair in pairs for part in pair)]
        process = machine.spawn(command, core=self._core, log=output)
        try:
            cpu_s = _wait_with_cpu(process, window_s + warmup_s + plan.grace_s + 5)
        finally:
            machine.stop(process)
        if process.returncode:
            raise KitError(f"the load client failed: {output.read_text().strip()}")
        seen: dict[str, object] = json.loads(output.read_text())
        return seen, cpu_s


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
