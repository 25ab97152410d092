"""Fetch the embedded models once; without network Narthex serves all the same, and says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts import missing

MODELS = ("smollm2", "minilm")
"""The embedded chat model and the embedded embedding model."""


def main() -> int:
    """Install what is missing; the command itself knows what is there."""
    narthex = Path(sys.executable).parent / "narthex"
    ran = subprocess.run([narthex, "models", "install", *MODELS], check=False)
    if ran.returncode == 0:
        missing.found("weights")
    else:
        missing.note("weights", "the embedded models: `local/…` models answer 503 until `narthex models install` works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
