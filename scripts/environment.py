"""Make the virtual environment, or say what to install first."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import venv


def main(folder: str) -> int:
    """Make the environment in `folder`; it is left alone if it works already."""
    if importlib.util.find_spec("ensurepip") is None and not _add_ensurepip():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(
            f"make: {sys.executable} comes without ensurepip, so it cannot make an environment with pip.\n"
            f"      On Debian and Ubuntu: sudo apt-get install python3-venv (or python{version}-venv), then try again.",
            file=sys.stderr,
        )
        return 1
    venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt", upgrade_deps=False).create(folder)
    return 0


def _add_ensurepip() -> bool:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return False
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([apt, "-q", "-q", "update"], env=quiet, check=False)
    for package in (f"python{version}-venv", "python3-venv"):
        subprocess.run([apt, "-q", "-q", "-y", "install", package], env=quiet, check=False)
        importlib.invalidate_caches()
        if importlib.util.find_spec("ensurepip") is not None:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
