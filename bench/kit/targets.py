"""The gateways that can be measured, and how each is started.

A target is offered if its program is found: on the path, beside this interpreter, in the project's `.venv`, or under
`bench/.peers`, where `bench/peers.sh` installs some. A new one is a function here and a line in `TARGETS`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import string
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

CONFIGURATIONS = Path(__file__).parent / "conf"
ROOT = Path(__file__).parents[2]
PEERS = ROOT / "bench" / ".peers"
KEY = "sk-bench-0123456789abcdef"
WITH_KEY = {"Authorization": f"Bearer {KEY}"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway is to run."""

    port: int
    upstream: int
    folder: Path

    def configure(self, template: str) -> Path:
        """Write a configuration from its template; return where it lies."""
        text = string.Template((CONFIGURATIONS / template).read_text())
        written = self.folder / template
        written.write_text(text.substitute(port=self.port, upstream=self.upstream, folder=self.folder, key=KEY))
        return written


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a gateway."""

    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A row of the tables."""

    name: str
    note: str
    launch: Callable[[Place], Launch] | None
    """None: no gateway, the load goes to the provider itself."""
    model: str = "gpt-bench"
    headers: Callable[[Place], Mapping[str, str]] = lambda _place: WITH_KEY
    ready_path: str | None = None
    """Answered 200 as soon as it is ready, where there is such a path."""
    peer: bool = False
    """Measured in a full run only."""


class Missing(Exception):
    """A program is not installed; the message names it."""


def program(name: str) -> str:
    """Return where a program lies.

    Raises:
        Missing: It is not installed where this kit looks.
    """
    beside = [str(Path(sys.executable).parent), str(ROOT / ".venv" / "bin")]
    peers = sorted(str(folder) for pattern in ("*/bin", "node_modules/.bin") for folder in PEERS.glob(pattern))
    found = shutil.which(name, path=os.pathsep.join([*beside, *peers, os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    if found is None:
        raise Missing(f"`{name}` is not installed")
    return found


def _nginx() -> Target:
    path = program("nginx")
    return Target(
        name="nginx",
        note="upstream keep-alive, no buffering; no key check, no parsing, no log",
        launch=lambda place: Launch([path, "-p", str(place.folder), "-c", str(place.configure("nginx.conf"))]),
    )


def _envoy() -> Target:
    path = program("envoy")
    options = ["--concurrency", "1", "-l", "error", "--disable-hot-restart"]
    return Target(
        name="envoy",
        note="one worker; no key check, no parsing, no log",
        launch=lambda place: Launch([path, "-c", str(place.configure("envoy.yaml")), *options]),
    )


def _narthex() -> Target:
    path = program("narthex")
    return Target(
        name="narthex",
        note="everything on: key check, dispatch, limits of size and time, request log, metrics",
        model="mock/gpt-bench",
        launch=lambda place: Launch([path, "serve", "--config", str(place.configure("narthex.toml"))]),
        ready_path="/readyz",
    )


def _litellm() -> Target:
    path = program("litellm")
    options = ["--host", "127.0.0.1", "--num_workers", "1"]
    quiet = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return Target(
        name="litellm",
        note="production settings, one worker, no database",
        launch=lambda place: Launch(
            [path, "--config", str(place.configure("litellm.yaml")), "--port", str(place.port), *options], quiet
        ),
        peer=True,
    )


def _portkey() -> Target:
    node = program("node")
    server = PEERS / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not server.is_file():
        raise Missing("`@portkey-ai/gateway` is not installed under bench/.peers")
    return Target(
        name="portkey",
        note="production settings; the key is not checked",
        launch=lambda place: Launch(
            [node, str(server), f"--port={place.port}", "--headless"], {"NODE_ENV": "production"}
        ),
        headers=lambda place: {
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{place.upstream}/v1",
            **WITH_KEY,
        },
        peer=True,
    )


def _smg() -> Target:
    path = program("smg")
    options = shlex.split(
        "--policy round_robin --log-level error --disable-circuit-breaker --disable-retries"
        " --max-concurrent-requests -1"
    )
    return Target(
        name="smg",
        note="round robin, no retries, no circuit breaker; no key check",
        launch=lambda place: Launch(
            [
                path,
                "launch",
                "--host",
                "127.0.0.1",
                "--port",
                str(place.port),
                "--worker-urls",
                f"http://127.0.0.1:{place.upstream}",
                *options,
            ]
        ),
        peer=True,
    )


def _direct() -> Target:
    return Target(name="direct", note="no gateway: client and provider share the other core", launch=None)


def custom(text: str) -> Target:
    """Make a target of `NAME=COMMAND`, in which {port} and {upstream} stand for the ports.

    It gets the model `gpt-bench`, and the key that the others get.

    Raises:
        Missing: The text has no command.
    """
    name, _, command = text.partition("=")
    if not command.strip():
        raise Missing(f"{text!r} is not NAME=COMMAND")

    def launch(place: Place) -> Launch:
        ports = {"{port}": str(place.port), "{upstream}": str(place.upstream)}
        words = shlex.split(command)
        for mark, port in ports.items():
            words = [word.replace(mark, port) for word in words]
        return Launch(words)

    return Target(name=name, note="as given on the command line", launch=launch)


TARGETS: dict[str, Callable[[], Target]] = {
    "direct": _direct,
    "nginx": _nginx,
    "envoy": _envoy,
    "narthex": _narthex,
    "smg": _smg,
    "portkey": _portkey,
    "litellm": _litellm,
}


def find() -> tuple[list[Target], dict[str, str]]:
    """Return the targets that can be started here, and why the others cannot."""
    found: list[Target] = []
    missing: dict[str, str] = {}
    for name, make in TARGETS.items():
        try:
            found.append(make())
        except Missing as reason:
            missing[name] = str(reason)
    return found, missing
