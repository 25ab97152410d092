"""A whole gateway in a process of its own, for tests of programs that talk to one.

    with scripted_gateway(reply="You said: {prompt}") as gateway:
        client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused")

It is the real server on a free loopback port, with a data folder that goes with it. Only its model is scripted: see
`ScriptOptions` for what it can be told.
"""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

# The gateway is started by name: this room lies below the composition root, which must not be imported from here.
_PROGRAM: Final = """
import json, sys
from pathlib import Path
from narthex.app import serve
from narthex.config.load import load

serve(
    load(file=Path(sys.argv[1]), environ=json.loads(sys.argv[2])),
    on_ready=lambda address: print(address, flush=True),
)
"""

_STOP_TIMEOUT_S: Final = 15.0
_SHOWN_CHARACTERS: Final = 4_000


class GatewayDidNotStart(Exception):
    """The gateway ended, or kept silent, before it took requests."""


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that takes requests."""

    url: str
    """Its address, without a path."""
    data_dir: Path
    """Its data folder, with the request log; gone once it has stopped."""
    process: subprocess.Popen[str]
    """To be signalled in tests of stopping and crashing."""
    log_file: Path
    """What it wrote to standard error."""

    def log(self) -> str:
        """Return what it has logged so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """Ask it to stop, wait until it has, and return its exit status; killed if it takes too long.

        A gateway that stopped in good order tells so by 0, or by the signal that asked it to.
        """
        self.process.terminate()
        try:
            return self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def running_gateway(
    settings: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    start_timeout_s: float = 30.0,
) -> Generator[RunningGateway, None, None]:
    """Run a gateway while the block lasts.

    Args:
        settings: The configuration, as in `narthex.toml`. What is not given is as usual, but for the port (a free
            one), the data folder (one that goes with the gateway), discovery and the embedded model (both off).
        environ: The environment that the configuration sees; by default none.
        start_timeout_s: How long it may take to start, in seconds.

    Raises:
        GatewayDidNotStart: It did not; with what it logged.
    """
    with tempfile.TemporaryDirectory(prefix="narthex-") as folder:
        home = Path(folder)
        file = home / "narthex.yaml"
        # JSON is YAML, and needs no writer of its own.
        file.write_text(json.dumps(_completed(settings or {}, home / "data")), encoding="utf-8")
        log_file = home / "log"
        with log_file.open("w", encoding="utf-8") as log, _process(file, environ or {}, log) as process:
            url = _address(process, log_file, start_timeout_s)
            gateway = RunningGateway(url, home / "data", process, log_file)
            try:
                yield gateway
            finally:
                gateway.stop()


@contextmanager
def scripted_gateway(**script: object) -> Generator[RunningGateway, None, None]:
    """Run a gateway whose one model `scripted/scripted`, also its default model, follows this script.

    Faults of the script reach the caller as they are: nothing is retried or rescued.

    Args:
        script: Options of the scripted provider: `reply`, `replies`, `faults`, `seed` and so on.

    Raises:
        GatewayDidNotStart: The script cannot be played; with every problem found.
    """
    settings = {
        "providers": {"scripted": {"kind": "scripted", "script": script}},
        "default_model": "scripted/scripted",
        "retries": {"retries": 0},
        "rescue": "off",
        "breakers": {"consecutive_failures": 1_000_000, "minimum_calls": 1_000_000},
    }
    with running_gateway(settings) as gateway:
        yield gateway


def _completed(settings: Mapping[str, object], data_dir: Path) -> dict[str, object]:
    server = settings.get("server")
    return {
        "data_dir": str(data_dir),
        "discovery": {"environment": False, "ollama": False},
        "embedded": {"enabled": False},
        **settings,
        "server": {"port": 0, **(server if isinstance(server, Mapping) else {})},
    }


def _process(file: Path, environ: Mapping[str, str], log: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - this interpreter, a program of ours, no shell
        [sys.executable, "-c", _PROGRAM, str(file), json.dumps(dict(environ))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )


def _address(process: subprocess.Popen[str], log_file: Path, timeout_s: float) -> str:
    """Wait for the line in which the gateway tells its address."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        said = bool(selector.select(timeout_s))
    line = process.stdout.readline() if said else ""
    if said and not line:
        process.wait()
    if line:
        return line.strip()
    ended = process.poll()
    process.kill()
    process.wait()
    logged = log_file.read_text(encoding="utf-8", errors="replace")[-_SHOWN_CHARACTERS:]
    how = f"kept silent for {timeout_s:g} s" if ended is None else f"ended with status {ended}"
    raise GatewayDidNotStart(f"the gateway {how}; it logged:\n{logged}")
