"""`python -m narthex`."""

from __future__ import annotations

import subprocess
import sys

from narthex import __version__


def test_the_module_is_the_command() -> None:
    """It is called `narthex` in its help, and its exit code is the program's."""
    ran = subprocess.run([sys.executable, "-m", "narthex", "version"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"narthex {__version__}\n")
    wrong = subprocess.run([sys.executable, "-m", "narthex", "--no"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr.startswith("Usage: narthex ")) == (2, True)
