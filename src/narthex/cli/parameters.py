"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., object])


def config_option(function: Function) -> Function:
    """Add `--config`."""
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option("-c", "--config", "file", type=kind, help="Configuration file; by default narthex.toml here.")(
        function
    )


def json_option(function: Function) -> Function:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def server_options(function: Function) -> Function:
    """Add `--url` and `--local`: whom to ask."""
    local = click.option("--local", "is_local", is_flag=True, help="Answer in this process, without a server.")
    url = click.option("--url", metavar="URL", help="Server to ask; by default NARTHEX_URL, else the one configured.")
    return url(local(function))


def asked_options(function: Function) -> Function:
    """Add `--url` and `--config`: which server to ask."""
    url = click.option("--url", metavar="URL", help="Server to ask; by default NARTHEX_URL, else the one configured.")
    return url(config_option(function))
