"""The engine's own process: loads one model, opens its door, ends when its parent does.

Loading a model holds Python's interpreter lock from start to end, and a fault in native code ends a process: neither
may happen to the server. Run as a script, with nothing of Narthex imported. One line of options comes in; one line
goes out, once requests are taken, or with what went wrong; then the end of the input is awaited.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Protocol

_FIRST_TO_GO = "500"
"""Where memory runs out, the system is to end this process rather than the server."""


class _Threads(Protocol):
    n_threads: int


class _Model(Protocol):
    path: str


class Parameters(Protocol):
    """What is used of `xllamacpp.CommonParams`, which has no types."""

    model: _Model
    cpuparams: _Threads
    cpuparams_batch: _Threads
    n_ctx: int
    n_parallel: int
    n_batch: int
    n_ubatch: int
    n_threads_http: int
    hostnames: list[str]
    api_keys: list[str]
    ui: bool
    endpoint_slots: bool
    warmup: bool
    fit_params: bool
    verbosity: int
    cache_ram_mib: int
    embedding: bool


def configure(parameters: Parameters, options: dict[str, object]) -> None:
    """Set the engine up; every name in `options` is one of the engine's, but for those of nested settings."""
    rest = dict(options)
    parameters.model.path = str(rest.pop("path"))
    threads = rest.pop("threads")
    assert isinstance(threads, int)
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    for name, value in rest.items():
        setattr(parameters, name, value)


def main() -> None:
    """Serve until standard input ends."""
    # Ctrl-C and service managers reach every process of a group; running answers may still end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    options = json.loads(sys.stdin.buffer.readline())
    try:
        import xllamacpp  # noqa: PLC0415 - an import that fails is reported, not raised

        parameters = xllamacpp.CommonParams()  # pyright: ignore[reportAttributeAccessIssue]  # made by Cython
        configure(parameters, options)
        server = xllamacpp.Server(parameters)  # pyright: ignore[reportAttributeAccessIssue]  # as above
    except ImportError as error:
        _report({"missing": str(error)})
    except RuntimeError as error:
        _report({"refused": str(error)})
    else:
        _report({"address": server.listening_address})
        sys.stdin.buffer.read()
        _clear(options["hostnames"])
    # The engine's own end takes a moment and changes nothing: the system takes the memory back.
    os._exit(0)


def _clear(doors: list[str]) -> None:
    """Remove the socket with its folder, which a parent that was killed could not."""
    for door in doors:
        if door.endswith(".sock"):
            shutil.rmtree(Path(door).parent, ignore_errors=True)


def _report(said: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
