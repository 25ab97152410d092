"""`narthex version`."""

from __future__ import annotations

import json
import platform

from narthex import __version__
from narthex.cli.version import installed_version
from tests.cli.conftest import Invoke


def test_the_version(invoke: Invoke) -> None:
    """It is one word that scripts can read."""
    assert invoke("version").stdout == f"narthex {__version__}\n"


def test_the_version_for_a_report(invoke: Invoke) -> None:
    """JSON has what a report of a fault needs."""
    report = json.loads(invoke("version", "--json").stdout)
    assert (report["version"], report["python"]) == (__version__, platform.python_version())
    assert report["packages"]["click"]


def test_a_missing_package_has_no_version() -> None:
    """What is not installed is told as null."""
    assert installed_version("no-such-package-anywhere") is None
