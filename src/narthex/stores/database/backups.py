"""A backup: one file that restores into either database.

It is a ZIP archive with `manifest.json` and a JSON Lines file for each table, a row a line, as arrays in the order of
the manifest's columns. Octets are in Base64; JSON is text, exactly as it stands in the database. The manifest has the
SHA-256 of each file.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Final, Literal

import msgspec

from narthex.errors import BackupUnusable

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_CHUNK_BYTES: Final = 1 << 20
_LINE_BYTES: Final = 64 << 20
"""Longest line that is read."""
_DAMAGE: Final = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, msgspec.MsgspecError, ValueError),
    *(OSError, RuntimeError),
)
"""What a damaged archive raises: the last two for a place outside of the file and for rows that seem encrypted."""

Encoding = Literal["plain", "base64"]
Row = tuple[object, ...]


class ColumnEntry(msgspec.Struct, frozen=True):
    """A column of a table in a backup."""

    name: str
    encoding: Encoding = "plain"


class TableEntry(msgspec.Struct, frozen=True):
    """A table in a backup."""

    name: str
    columns: tuple[ColumnEntry, ...]
    rows: int
    sha256: str

    @property
    def file(self) -> str:
        """The file with its rows."""
        return f"tables/{self.name}.jsonl"


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds."""

    format: int
    narthex: str
    """The version that wrote it."""
    schema: str
    database: str
    """`sqlite` or `postgresql`: where it is from."""
    created_at: int
    """In milliseconds of Unix time."""
    tables: tuple[TableEntry, ...]
    """In an order in which what belongs to a row comes after it."""

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(table.rows for table in self.tables)


class BackupWriter:
    """Writes the tables of a backup, one after the other."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Write to an archive that is open."""
        self._archive = archive
        self._tables: list[TableEntry] = []

    def table(self, name: str, columns: tuple[ColumnEntry, ...], rows: Iterable[Row]) -> None:
        """Write a table."""
        encoded = [number for number, column in enumerate(columns) if column.encoding == "base64"]
        digest, count = hashlib.sha256(), 0
        encoder = msgspec.json.Encoder()
        with self._archive.open(f"tables/{name}.jsonl", "w", force_zip64=True) as file:
            for row in rows:
                line = encoder.encode(_packed(row, encoded)) + b"\n"
                digest.update(line)
                file.write(line)
                count += 1
        self._tables.append(TableEntry(name=name, columns=columns, rows=count, sha256=digest.hexdigest()))

    def finish(self, *, version: str, schema: str, database: str) -> Manifest:
        """Write the manifest, and return it."""
        manifest = Manifest(
            format=FORMAT,
            narthex=version,
            schema=schema,
            database=database,
            created_at=time.time_ns() // 1_000_000,
            tables=tuple(self._tables),
        )
        self._archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        return manifest


def _packed(row: Row, encoded: list[int]) -> list[object]:
    values = list(row)
    for number in encoded:
        value = values[number]
        if value is not None:
            assert isinstance(value, bytes)
            values[number] = base64.b64encode(value).decode()
    return values


@contextmanager
def new_backup(path: Path, *, force: bool) -> Iterator[BackupWriter]:
    """Write a file for this user alone; it is there once the block has ended well, and whole.

    Raises:
        BackupUnusable: There is such a file already, and `force` is not set.
    """
    if path.exists() and not force:
        raise BackupUnusable(f"{path} is there already; choose another name, or replace it with --force")
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
                yield BackupWriter(archive)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


class BackupReader:
    """Reads a backup that was found to be whole."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        """Read from an archive that is open."""
        self._path = path
        self._archive = archive
        self.manifest = manifest

    def rows(self, table: TableEntry) -> Iterator[Row]:
        """Yield the rows of a table."""
        encoded = [number for number, column in enumerate(table.columns) if column.encoding == "base64"]
        decoder = msgspec.json.Decoder(list[object])
        with self._archive.open(table.file) as file:
            for line in _lines(file):
                with _damage_told(self._path):
                    row = _unpacked(decoder.decode(line), table, encoded)
                yield row


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(_LINE_BYTES):
        yield line


def _unpacked(values: list[object], table: TableEntry, encoded: list[int]) -> Row:
    if len(values) != len(table.columns):
        raise BackupUnusable(f"a row of {table.name!r} has {len(values)} values for {len(table.columns)} columns")
    for number in encoded:
        value = values[number]
        if value is not None:
            values[number] = base64.b64decode(str(value), validate=True)
    return tuple(values)


@contextmanager
def read_backup(path: Path) -> Iterator[BackupReader]:
    """Read a file of which every octet was compared with its hash before.

    Raises:
        BackupUnusable: It is no backup, or damaged, or of a newer form.
    """
    with path.open("rb") as file, ExitStack() as stack:
        with _damage_told(path):
            archive = stack.enter_context(zipfile.ZipFile(file))
            manifest = _manifest(archive, path)
            for table in manifest.tables:
                _check(archive, table, path)
        yield BackupReader(path, archive, manifest)


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise BackupUnusable(f"{path} is no backup of Narthex, or damaged: {error}; use another one") from error


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    if MANIFEST not in archive.namelist():
        raise BackupUnusable(f"{path} is no backup of Narthex: it has no {MANIFEST}")
    text = archive.read(MANIFEST)
    form = msgspec.json.decode(text, type=dict[str, object]).get("format")
    if form != FORMAT:
        raise BackupUnusable(f"{path} has form {form}, and this version of Narthex reads {FORMAT}: install a newer one")
    return msgspec.json.decode(text, type=Manifest)


def _check(archive: zipfile.ZipFile, table: TableEntry, path: Path) -> None:
    if table.file not in archive.namelist():
        raise BackupUnusable(f"{path} is damaged: the rows of {table.name!r} are missing; use another one")
    digest = hashlib.sha256()
    with archive.open(table.file) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != table.sha256:
        raise BackupUnusable(f"{path} is damaged: {table.name!r} is not what was written; use another one")
