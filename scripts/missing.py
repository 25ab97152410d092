"""Remember what this machine lacks, so that it is said once, at the end, and loudly."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(".setup/missing")
"""One file per missing thing, holding one line: what is left out, and the remedy."""


def note(name: str, line: str) -> None:
    """Remember that `name` is missing; `line` says what is left out and how to get it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(f"{line}\n", encoding="utf-8")


def found(name: str) -> None:
    """Forget that `name` was missing."""
    (FOLDER / name).unlink(missing_ok=True)


def lines() -> list[str]:
    """What is missing now, one line each, in order of name."""
    if not FOLDER.is_dir():
        return []
    return [file.read_text(encoding="utf-8").strip() for file in sorted(FOLDER.iterdir())]


def main() -> int:
    """Print what is missing, framed so that it is not overlooked."""
    if missing := lines():
        bar = "!" * 100
        print(
            "\n".join([bar, "!! LEFT OUT ON THIS MACHINE", *(f"!!   {line}" for line in missing), bar]), file=sys.stderr
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
