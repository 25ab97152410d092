"""`python -m narthex` is the command `narthex`."""

from __future__ import annotations

from narthex.cli import main

if __name__ == "__main__":
    main(prog_name="narthex")
