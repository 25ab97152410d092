"""What recordings take up, counted for those whose they are: from the files, so that a restart forgets nothing."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from narthex.streams.recording import BrokenRecording, read_head
from narthex.streams.recording_files import files_in
from narthex.types.accounts import Account
from narthex.types.stocks import Held, Storage, Uncounted

_HEAD_BYTES: Final = 65_536
Found = dict[Path, tuple[Account, int]]
"""Files, each with whose it is and how large."""


class RecordingSizes:
    """What the files in a folder take up, as they were found last.

    Attributes:
        storage: Where it is counted.
    """

    def __init__(self) -> None:
        self.storage: Storage = Uncounted()
        self._held: dict[Path, tuple[Account, Held]] = {}

    @property
    def known(self) -> dict[Path, Account]:
        """The files that were found, each with whose it is."""
        return {file: account for file, (account, _) in self._held.items()}

    def adopt(self, found: Found) -> None:
        """Count what was found, in the place of what was found before."""
        for file in self._held.keys() - found.keys():
            self._held.pop(file)[1].release()
        for file, (account, size) in found.items():
            if file in self._held:
                self._held[file][1].settle(size)
            else:
                self._held[file] = (account, self.storage.count(account, size))


def found_in(folder: Path, known: dict[Path, Account], spared: Collection[Path]) -> Found:
    """Return the recordings in a folder, without those that are being written.

    Args:
        folder: Where they are.
        known: Whose those are that were found before.
        spared: Those that are being written.
    """
    found: Found = {}
    for file in files_in(folder):
        if file in spared:
            continue
        # Deleted meanwhile, or no recording.
        with suppress(OSError, BrokenRecording):
            found[file] = (known.get(file) or _account_of(file), file.stat().st_size)
    return found


def _account_of(file: Path) -> Account:
    with file.open("rb") as opened:
        return read_head(opened.readline(_HEAD_BYTES)).account
