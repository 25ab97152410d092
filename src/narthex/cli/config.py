"""`narthex config`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import click
from pydantic import SecretStr

from narthex.cli.exits import Exit
from narthex.cli.health.settings import script_problems
from narthex.cli.parameters import config_option, json_option
from narthex.cli.starter import starter_text
from narthex.cli.terminal import note, print_json
from narthex.config.documents import FILE_NAMES, children, find_file
from narthex.config.load import Loaded, load
from narthex.config.options import is_secret
from narthex.config.origins import KeyPath, dotted
from narthex.config.schema import json_schema, reference_markdown
from narthex.errors import ConfigError

MASK = "********"
"""Stands for a secret, whatever its length."""

_HELP = """
Check, show and start the configuration.

It is built from the defaults, then narthex.toml (or .yaml) here or in ~/.config/narthex, then NARTHEX_SECTION__KEY in
the environment, then flags.
"""

_CHECK = """
Tell everything that is wrong with the configuration, with its place and the remedy.

\b
Examples:
  narthex config check
  narthex config check --config /etc/narthex/narthex.toml
  narthex config check --json | jq -r '.problems[]'
"""

_SHOW = """
Print every value in force; secrets are masked.

\b
Examples:
  narthex config show
  narthex config show --origin            with the place that each value came from
  narthex config show --json | jq .server
"""

_SCHEMA = """
Print the JSON schema of the configuration, for editors, or the reference page of all settings.

\b
Examples:
  narthex config schema > narthex.schema.json
  narthex config schema --markdown
"""

_PATH = """
Print which configuration file is read.

\b
Examples:
  narthex config path
  $EDITOR "$(narthex config path)"
"""

_INIT = """
Write a first configuration file, with every option explained; an existing file is never touched.

\b
Examples:
  narthex config init
  narthex config init ~/.config/narthex/narthex.toml
"""


@click.group(help=_HELP)
def command() -> None:
    """Hold the commands about configuration."""


@command.command(help=_CHECK, short_help="Tell everything that is wrong.")
@config_option
@json_option
def check(*, file: Path | None, as_json: bool) -> None:
    """Check the configuration."""
    try:
        loaded = load(file=file, environ=os.environ)
        scripts = script_problems(loaded)
        if scripts:
            raise ConfigError(scripts)
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "file": None, "problems": list(error.problems), "warnings": []})
        else:
            click.echo("\n".join(error.problems))
        raise click.exceptions.Exit(Exit.CONFIG) from error
    if as_json:
        warnings = list(loaded.warnings)
        print_json({"ok": True, "file": _name(loaded), "problems": [], "warnings": warnings})
        return
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"{_name(loaded) or 'no configuration file; the defaults'}: ok")


def _name(loaded: Loaded) -> str | None:
    return str(loaded.file) if loaded.file else None


@command.command(help=_SHOW, short_help="Print every value in force.")
@config_option
@click.option("--origin", "with_origin", is_flag=True, help="Add where each value came from.")
@json_option
def show(*, file: Path | None, with_origin: bool, as_json: bool) -> None:
    """Show the configuration."""
    loaded = load(file=file, environ=os.environ)
    values = shown_values(loaded)
    if not as_json:
        lines = [
            (f"{dotted(path)} = {json.dumps(value, ensure_ascii=False)}", dotted(path))
            for path, value in children(values)
        ]
        width = min(max(len(text) for text, _ in lines), 70)
        for text, path in lines:
            click.echo(f"{text.ljust(width)}  # {loaded.origin_of(path)}" if with_origin else text)
        return
    if with_origin:
        origins = {dotted(path): str(loaded.origin_of(dotted(path))) for path, _ in children(values)}
        print_json({"file": _name(loaded), "settings": values, "origins": origins})
    else:
        print_json(values)


def shown_values(loaded: Loaded) -> dict[str, object]:
    """Return all values as plain data, secrets masked."""
    values: Mapping[str, object] = loaded.settings.model_dump()
    return cast("dict[str, object]", _masked(values, ()))


def _masked(value: object, path: KeyPath) -> object:
    if isinstance(value, Mapping):
        return {str(key): _masked(inner, (*path, str(key))) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner, (*path, index)) for index, inner in enumerate(value)]
    if value is not None and (isinstance(value, SecretStr) or is_secret(path)):
        return MASK
    return str(value) if isinstance(value, Path) else value


@command.command(help=_SCHEMA, short_help="Print the JSON schema, for editors.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the reference page instead.")
def schema(*, as_markdown: bool) -> None:
    """Print what may be configured."""
    if as_markdown:
        click.echo(reference_markdown(), nl=False)
    else:
        click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))


@command.command(help=_PATH, short_help="Print which file is read.")
@config_option
def path(*, file: Path | None) -> None:
    """Print the file's path."""
    found, _ = find_file(named=file, environ=os.environ, directory=Path.cwd())
    if found is not None:
        click.echo(found)
        return
    note("no configuration file; looked for, in this order:\n" + "\n".join(_candidates()))
    raise click.exceptions.Exit(Exit.FAILURE)


def _candidates() -> Iterator[str]:
    user = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "narthex"
    for folder in (Path.cwd(), user):
        yield from (f"  {folder / name}" for name in FILE_NAMES)


@command.command(help=_INIT, short_help="Write a first file.")
@click.argument("target", type=click.Path(path_type=Path), default=Path(FILE_NAMES[0]))
def init(*, target: Path) -> None:
    """Write the file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Secrets may be written into it later, so only its owner reads it.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise click.ClickException(f"{target} exists and is left as it is; name another file.") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(starter_text())
    click.echo(f"wrote {target}")
