"""Signed checkpoints, outside the database: without them nobody sees that the last rows are gone.

A checkpoint says which row was the last at a moment, and its hash. A folder holds, for each key that signs, a file of
statements, one in a line, and the public key; several databases may share it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal

import msgspec

from narthex.audit.signing import PublicKey, public_key, signed
from narthex.config.settings import Settings
from narthex.errors import StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.stores.database import Database
    from narthex.stores.sealing import Sealer

_STATEMENTS: Final = ".jsonl"
_KEY: Final = ".pem"
_ID: Final = "[0-9a-f]" * 16
_LONGEST: Final = 4_096
"""Octets of a line, at most."""


def folder_of(settings: Settings) -> Path:
    """Return the folder that the settings name."""
    return (settings.audit.checkpoint_dir or settings.data_dir / "audit").expanduser()


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed about the log: that a row was the last one, or that all rows until one were let go."""

    kind: Literal["checkpoint", "pruned"]
    seq: int
    """The last row, or the last of those that went."""
    hash: str
    at: int
    rows: int
    """How many there were, or went."""
    key: str
    signature: str


class Checkpoints:
    """A folder of signed statements."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made when the first statement is written."""
        self.folder = folder

    def write(self, statement: Mapping[str, object], key: PublicKey) -> None:
        """Add a statement, so that it survives a loss of power.

        Raises:
            StoreUnavailable: The folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            pem = self.folder / f"{key.id}{_KEY}"
            if not pem.exists() or PublicKey.from_pem(pem.read_bytes()) != key:
                pem.write_text(key.pem, encoding="ascii")
            with (self.folder / f"{key.id}{_STATEMENTS}").open("ab+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                _forget_torn(file)
                file.write(msgspec.json.encode(statement) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreUnavailable(
                f"checkpoints of the audit log cannot be written to {self.folder}: {error}"
            ) from error

    def signers(self) -> list[str]:
        """Return the IDs of the keys of all databases that have statements here."""
        return sorted({path.stem for kind in (_KEY, _STATEMENTS) for path in self.folder.glob(f"{_ID}{kind}")})

    def statements(self, key: PublicKey) -> tuple[list[Statement], list[str]]:
        """Return what a key has signed here, and what is wrong with the rest of its file."""
        path = self.folder / f"{key.id}{_STATEMENTS}"
        good: list[Statement] = []
        faults: list[str] = []
        if not path.exists():
            return good, faults
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            try:
                plain = msgspec.json.decode(line, type=dict[str, object])
                statement = msgspec.convert(plain, Statement)
            except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
                faults.append(f"{path.name}, line {number}: is no statement, or was cut")
                continue
            if key.has_signed(plain):
                good.append(statement)
            else:
                faults.append(f"{path.name}, line {number}: its signature is not of the key {key.id}")
        return good, faults


def _forget_torn(file: IO[bytes]) -> None:
    """Cut off a last line that was written in part, when power or disk gave out: the next would stand in it."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _LONGEST)
    file.seek(start)
    tail = file.read()
    if tail and not tail.endswith(b"\n"):
        file.truncate(start + tail.rfind(b"\n") + 1)


def take(database: Database, sealer: Sealer, to: Checkpoints, *, at: int) -> Statement | None:
    """Write a checkpoint of the last row; None if there is no row that has none yet.

    Raises:
        StoreUnavailable: The database or the folder cannot be used.
    """

    def work(connection: Connection) -> tuple[dict[str, object], PublicKey] | None:
        # SQLAlchemy is loaded with the database, and not before.
        from narthex.audit.chain import head_of, rows_in  # noqa: PLC0415

        head, known = head_of(connection), public_key(connection)
        last = _last(to, known) if known is not None else None
        if head.seq == 0 or (last is not None and (last.seq, last.hash) == (head.seq, head.hash.hex())):
            return None
        said = {"kind": "checkpoint", "seq": head.seq, "hash": head.hash.hex(), "at": at, "rows": rows_in(connection)}
        return _with_key(connection, signed(connection, sealer, said))

    made = database.write_now(work)
    if made is None:
        return None
    statement, key = made
    to.write(statement, key)
    return msgspec.convert(statement, Statement)


def _with_key(connection: Connection, statement: dict[str, object]) -> tuple[dict[str, object], PublicKey]:
    key = public_key(connection)
    assert key is not None, "what signs has a public key"
    return statement, key


def _last(checkpoints: Checkpoints, key: PublicKey) -> Statement | None:
    """Return the last checkpoint, without reading all that were ever written."""
    path = checkpoints.folder / f"{key.id}{_STATEMENTS}"
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LONGEST))
            lines = file.read().splitlines()
        return msgspec.json.decode(lines[-1], type=Statement) if lines else None
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None
