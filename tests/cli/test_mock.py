"""`narthex mock`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from narthex.testing.catalogue import catalogue
from tests.cli.conftest import Invoke, Program


@contextmanager
def mocking(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `narthex mock` on free ports, and yield it with its address."""
    command = [sys.executable, "-m", "narthex", "mock", "--port", "0", "--json", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


def _ask(url: str, model: str) -> tuple[int, str]:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    request = urllib.request.Request(f"{url}/v1/chat/completions", body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """It answers, misbehaves as the model asks, tells what it saw, and ends with 0."""
    with mocking("--reply", "You said {prompt}.", "--fault", "fail 503 every=3") as (process, url):
        assert [_ask(url, "m")[0] for _ in range(3)] == [200, 200, 503]
        assert _ask(url, "m") == (200, "You said Hi.")
        assert _ask(url, "fault-fail-418")[0] == 418
        with urllib.request.urlopen(f"{url}/wall/visits", timeout=10) as response:
            assert len(json.load(response)["data"]) == 5
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_the_faults_are_listed(invoke: Invoke) -> None:
    """Each model with what it does, for people and for programs."""
    lines = invoke("mock", "--list").stdout.splitlines()
    assert len(lines) == len(catalogue())
    assert "fault-redirect" in {line.split()[0] for line in lines}
    told = json.loads(invoke("mock", "--list", "--json").stdout)["data"]
    assert {row["model"] for row in told} == {entry.model for entry in catalogue()}


def test_a_fault_that_there_is_not(invoke: Invoke) -> None:
    """The nearest one is named, and nothing starts."""
    result = invoke("mock", "--fault", "stal")
    assert result.exit_code == 2
    assert "did you mean 'stall'?" in result.stderr


def test_a_port_in_use(program: Program) -> None:
    """One line names the remedy, and the code is 69."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = program("mock", "--port", str(taken.getsockname()[1]))
    assert ran.returncode == 69
    assert b"in use; choose another with `--port`" in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_an_address_of_another_machine(program: Program) -> None:
    """It is told as such."""
    ran = program("mock", "--host", "192.0.2.1", "--port", "0")
    assert ran.returncode == 69
    assert ran.stderr.startswith(b"narthex: 192.0.2.1:")


def test_the_greeting_points_a_gateway_at_it(program: Program) -> None:
    """Both addresses, the doors and lines for a configuration stand there."""
    command = [sys.executable, "-m", "narthex", "mock", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        process.send_signal(signal.SIGINT)
        process.wait(20)
    text = "".join(lines)
    for part in ("OpenAI ", "Anthropic ", "fault-tls-error", "[providers.wall]", "/wall/visits"):
        assert part in text
