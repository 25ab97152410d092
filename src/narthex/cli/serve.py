"""`narthex serve`."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import click

from narthex import __version__
from narthex.cli.door import serve
from narthex.cli.exits import Exit
from narthex.cli.logs import start_logging
from narthex.cli.parameters import config_option
from narthex.cli.weights import MODELS, models_dir
from narthex.config.load import Loaded, load
from narthex.config.settings import Settings
from narthex.providers.embedded.weights import locate

_HELP = """
Start the server.

With nothing configured it listens on http://127.0.0.1:8484 for this machine only, serves the embedded models, and
the models of every provider whose key is in the environment.

\b
Examples:
  narthex serve
  narthex serve --port 9000 --open
  OPENAI_API_KEY=… narthex serve
  NARTHEX_API_KEYS=$(openssl rand -hex 24) narthex serve --host 0.0.0.0
"""


@click.command(help=_HELP)
@click.option("--host", metavar="ADDRESS", help="Address to bind; any but this machine's own demands API keys.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to bind; 0 takes a free one.")
@config_option
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder for logs, models and state.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Least level of the log.")
@click.option("--open/--no-open", "open_browser", default=None, help="Open the dashboard in a browser.")
def command(
    *,
    host: str | None,
    port: int | None,
    file: Path | None,
    data_dir: Path | None,
    log_level: str | None,
    open_browser: bool | None,
) -> None:
    """Start the server."""
    flags = {
        "server.host": host,
        "server.port": port,
        "server.open_browser": open_browser,
        "data_dir": data_dir,
        "log.level": log_level,
    }
    loaded = load(file=file, environ=os.environ, flags=flags)
    for warning in loaded.warnings:
        click.secho(f"warning: {warning}", err=True, fg="yellow")
    start_logging(loaded.settings.log)
    _run(loaded)


def _run(loaded: Loaded) -> None:
    server = loaded.settings.server
    try:
        with _terminated_gently():
            serve(loaded, on_ready=lambda address: greet(address, loaded))
    except KeyboardInterrupt:
        click.echo(err=True)  # the terminal shows ^C on a line of its own
    except OSError as error:
        reason = _why_not_bound(error, host=server.host, port=server.port)
        if reason is None:
            raise
        click.echo(f"narthex: {reason}", err=True)
        sys.exit(Exit.UNAVAILABLE)


@contextlib.contextmanager
def _terminated_gently() -> Iterator[None]:
    """Let SIGTERM unwind as Ctrl-C does: the server, which stops gracefully, sends itself the signal once more."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _why_not_bound(error: OSError, *, host: str, port: int) -> str | None:
    """Return what is wrong with the address to bind; None if the error is about something else."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f'"{host}" is no address of this machine; choose another with `--host`'
    match error.errno:
        case errno.EADDRINUSE:
            return f"{host}:{port} is in use; stop what listens there, or choose another port with `--port`"
        case errno.EACCES if error.filename is None and port:
            return f"{host}:{port} may not be bound by this user; choose a port above 1023 with `--port`"
        case _:
            return None


def greet(address: str, loaded: Loaded) -> None:
    """Say where everything is, once requests are taken."""
    click.echo("\n".join(welcome_lines(address, loaded)))
    if loaded.settings.server.open_browser:
        # Some browsers' starters wait for the browser.
        Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def welcome_lines(address: str, loaded: Loaded) -> Iterator[str]:
    """Yield the lines that greet whoever started the server."""
    settings = loaded.settings
    header = " -H 'authorization: Bearer '$NARTHEX_API_KEY" if settings.keys else ""
    yield from ("", click.style(f"  Narthex {__version__}", bold=True), "")
    yield f"  Dashboard  {address}/"
    yield f"  API        {address}/v1 (OpenAI), {address} (Anthropic)"
    yield f"  Models     {_models(settings)}"
    yield f"  Open to    {_audience(settings)}"
    yield f"  Settings   {loaded.file or 'the defaults; `narthex config init` begins a file'}"
    yield from ("", "  Try")
    yield f"    curl -s {address}/api/generate{header} \\"
    model = "" if settings.default_model else '"model": "provider/model", '
    yield f"""      -H 'content-type: application/json' -d '{{{model}"prompt": "Name three colours."}}'"""
    yield from ("", "  Ctrl-C stops.", "")


def _models(settings: Settings) -> str:
    names = [*_embedded(settings), *(f"{name}/…" for name, provider in settings.providers.items() if provider.enabled)]
    return ", ".join([*names, *settings.aliases]) or "none: set a provider's key, such as OPENAI_API_KEY"


def _embedded(settings: Settings) -> Iterator[str]:
    if settings.embedded.enabled:
        chat = MODELS[0]
        has_weights = settings.embedded.chat_model or locate(chat, models_dir(settings))
        yield f"local/{chat}" if has_weights else f"local/{chat} (first: narthex models install)"


def _audience(settings: Settings) -> str:
    if settings.keys:
        return f"whoever has one of {len(settings.keys)} keys" if len(settings.keys) > 1 else "whoever has the key"
    return "this machine only"
