"""`narthex version`."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from narthex import __version__
from narthex.cli.parameters import json_option
from narthex.cli.terminal import print_json

PACKAGES = ("click", "fastapi", "httptools", "msgspec", "orjson", "pydantic", "uvicorn", "uvloop", "xllamacpp")
"""Those whose versions tell most about a report of a fault."""

_HELP = """
Print the version.

\b
Examples:
  narthex version
  narthex version --json         with Python, platform and packages, for a report of a fault
"""


@click.command(help=_HELP)
@json_option
def command(*, as_json: bool) -> None:
    """Print the version."""
    if not as_json:
        click.echo(f"narthex {__version__}")
        return
    print_json(
        {
            "version": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": {name: installed_version(name) for name in PACKAGES},
        }
    )


def installed_version(package: str) -> str | None:
    """Return the version of an installed package; None if it is missing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
