"""The data folder, and the disk below it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from narthex.cli.health.findings import Finding, bad, good, poor

LEAST_FREE_BYTES = 1_073_741_824


def data_folder(folder: Path, *, free_bytes: int | None = None) -> Iterator[Finding]:
    """Try to write where the data goes, without leaving anything; look at the room that is left."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    remedy = "name a folder that this user may write with --data-dir or NARTHEX_DATA_DIR"
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".narthex-"):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        yield bad("Data folder", f"{folder} cannot be written: {reason}", remedy)
        return
    yield good("Data folder", f"{folder} can be written" if there == folder else f"{folder} will be made")
    free = shutil.disk_usage(there).free if free_bytes is None else free_bytes
    text = f"{free / 1e9:.1f} GB free"
    if free >= LEAST_FREE_BYTES:
        yield good("Disk", text)
    else:
        yield poor("Disk", f"only {text}", f"free some space below {there}")
