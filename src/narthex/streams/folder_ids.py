"""The ID of a folder: the same for all that use it, after any restart, and wherever it is moved or mounted."""

from __future__ import annotations

import logging
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

FILE: Final = "folder-id"
_ID: Final = re.compile(r"[0-9a-f]{16}")


def folder_id(folder: Path) -> str:
    """Return the ID of a folder, which is made where it is not there; it waits for the disk.

    Where nothing can be written it is another one each time.
    """
    made = secrets.token_hex(8)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _found(folder) or _made(folder, made)
    except OSError as error:
        logger.warning("%s: what lies there is counted anew after each start: %s", folder, error)
        return made


def _found(folder: Path) -> str | None:
    with suppress(FileNotFoundError, UnicodeDecodeError):
        said = (folder / FILE).read_text(encoding="ascii").strip()
        return said if _ID.fullmatch(said) else None
    return None


def _made(folder: Path, made: str) -> str:
    """Give a folder this ID, or what another process has given it in the same moment."""
    draft = folder / f"{FILE}.{made}"
    draft.write_text(f"{made}\n", encoding="ascii")
    try:
        # There with all that is in it, and for the first one alone.
        os.link(draft, folder / FILE)
    except FileExistsError:
        if (other := _found(folder)) is not None:
            return other
        draft.replace(folder / FILE)
    finally:
        draft.unlink(missing_ok=True)
    return made
