"""`narthex serve`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from narthex.cli.serve import greet, welcome_lines
from narthex.config.load import load
from tests.cli.conftest import Program

SMALL = {"NARTHEX_EMBEDDED__ENABLED": "false", "NARTHEX_DISCOVERY__OLLAMA": "false"}


@contextmanager
def serving(home: Path, *arguments: str, **environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `narthex serve` and yield it with its address."""
    command = [sys.executable, "-m", "narthex", "serve", *arguments]
    with subprocess.Popen(
        command,
        cwd=home,
        env={**os.environ, **SMALL, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, _address(process)
        finally:
            process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if "Dashboard" in line:
            return line.split()[1].rstrip("/")
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(home: Path, number: signal.Signals) -> None:
    """It answers at the address it prints, and ends with 0 when asked to stop."""
    with serving(home, "--port", "0", "--data-dir", "data") as (process, address):
        with urllib.request.urlopen(f"{address}/health", timeout=10) as response:
            assert json.load(response)["status"] == "ok"
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in errors


def test_a_port_in_use(program: Program) -> None:
    """One line names the port and the remedy, and the code is 69."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = program("serve", "--port", str(port), **SMALL)
    assert ran.returncode == 69
    assert ran.stderr.decode().splitlines()[-1] == (
        f"narthex: 127.0.0.1:{port} is in use; stop what listens there, or choose another port with `--port`"
    )


def test_an_address_of_another_machine(program: Program) -> None:
    """An address that is not this machine's is told as such."""
    ran = program("serve", "--host", "192.0.2.1", NARTHEX_API_KEYS="0123456789abcdef", **SMALL)
    assert ran.returncode == 69
    assert b'"192.0.2.1" is no address of this machine' in ran.stderr


def test_a_broken_configuration(program: Program, home: Path) -> None:
    """Nothing starts, every problem is a line, and the code is 78."""
    (home / "narthex.toml").write_text("[server]\nprot = 1\n")
    ran = program("serve", "--host", "0.0.0.0")
    assert ran.returncode == 78
    assert [line.split(b": ")[0] for line in ran.stderr.splitlines()] == [
        b"narthex.toml:2:1 server.prot",
        b"--host server.host",
    ]


def test_a_wrong_flag(program: Program) -> None:
    """A flag's value is judged at once."""
    assert program("serve", "--port", "99999").returncode == 2


def test_warnings_do_not_stop_it(home: Path) -> None:
    """What is probably not meant is told on standard error."""
    with serving(home, "--port", "0", NARTHEX_PORT="1") as (process, _):
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert "warning: NARTHEX_PORT" in errors


def test_a_changed_file_is_taken_over(home: Path) -> None:
    """A new alias is served without a restart, a broken file is reported and changes nothing, and flags still hold."""
    first = '[providers.demo]\nkind = "scripted"\n'
    (home / "narthex.toml").write_text(first)
    with serving(home, "--port", "0", "--data-dir", "data", "--log-level", "info") as (process, address):
        (home / "narthex.toml").write_text(f"{first}prot = 1\n")
        (home / "narthex.toml").write_text(f'{first}[aliases]\necho = "demo/scripted"\n')
        assert until(lambda: "echo" in aliases_at(address))
        (home / "narthex.toml").write_text(f"{first}script = {{ repply = 1 }}\n")
        time.sleep(0.5)
        assert "echo" in aliases_at(address)
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert "providers.demo.script.repply: unknown option" in errors
    assert "takes effect at the next start" not in errors


def aliases_at(address: str) -> list[str]:
    """Return the aliases that a server knows."""
    with urllib.request.urlopen(f"{address}/api/models", timeout=10) as response:
        return [alias for model in json.load(response)["data"] for alias in model["aliases"]]


def until(holds: Callable[[], bool]) -> bool:
    """Wait for what a server will do by itself."""
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.05)
    return False


def welcome(home: Path, **environ: str) -> str:
    """Return the greeting for an environment."""
    loaded = load(environ={"HOME": str(home), **environ}, directory=home)
    return "\n".join(welcome_lines("http://127.0.0.1:8484", loaded))


def test_the_greeting_says_what_to_do_first(home: Path) -> None:
    """Address, models, who gets in and a first call are there."""
    text = welcome(home, GROQ_API_KEY="gsk", NARTHEX_ALIASES__FAST="groq/llama")
    for part in (
        "http://127.0.0.1:8484/v1",
        "local/smollm2 (first: narthex models install), groq/…, fast",
        "this machine only",
        "/api/generate",
        "curl",
    ):
        assert part in text


def test_the_first_call_has_the_key_it_needs(home: Path) -> None:
    """With keys, the example presents one, without showing it."""
    text = welcome(home, NARTHEX_API_KEYS="0123456789abcdef,0123456789abcdeg", NARTHEX_EMBEDDED__ENABLED="0")
    assert "-H 'authorization: Bearer '$NARTHEX_API_KEY" in text
    assert "whoever has one of 2 keys" in text
    assert "0123456789abcdef" not in text
    assert "none: set a provider's key" in text


def test_the_dashboard_is_opened_on_request(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--open` opens the address that is served, once it is served."""
    opened: Queue[str] = Queue()
    monkeypatch.setattr(webbrowser, "open", opened.put)
    for flag, expected in ((True, 1), (False, 0)):
        loaded = load(environ={"HOME": str(home)}, directory=home, flags={"server.open_browser": flag})
        greet("http://127.0.0.1:1", loaded)
        assert [opened.get(timeout=10) for _ in range(expected)] == ["http://127.0.0.1:1"] * expected
    assert opened.empty()
