"""The master keys: from the settings, or from a file that nobody but its owner may read. The newest comes first."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NewType

from narthex.config.audit_settings import MASTER_KEY_BYTES, SecretsSettings, master_key_bytes
from narthex.errors import MasterKeyUnusable

KeyId = NewType("KeyId", bytes)
"""Eight bytes that tell which master key it is, and nothing of the key."""

_FILE_NAME: Final = "master.key"


def key_id(key: bytes) -> KeyId:
    """Return which key this is."""
    return KeyId(hashlib.sha256(b"narthex.master-key.v1" + key).digest()[:8])


class MasterKeys:
    """All master keys there are, the newest first; those of a file are read again when it has changed."""

    def __init__(self, read: Callable[[], Sequence[bytes]], *, where: str, path: Path | None = None) -> None:
        """Take where they come from.

        Args:
            read: Returns them; none if there is no file yet.
            where: Where they are looked for, in words.
            path: The file, if they are in one.
        """
        self.where, self.path = where, path
        self._read = read
        self._seen: tuple[int, int] | None = None
        self._keys: tuple[bytes, ...] = ()
        self._known = False

    def all(self) -> tuple[bytes, ...]:
        """Return them.

        Raises:
            MasterKeyUnusable: The file can be read by others, or holds something else.
        """
        seen = _changed_at(self.path)
        if not self._known or seen != self._seen:
            self._keys, self._seen, self._known = tuple(self._read()), seen, True
        return self._keys

    def newest(self) -> bytes:
        """Return the one under which is sealed from now on.

        Raises:
            MasterKeyUnusable: There is none.
        """
        keys = self.all()
        if not keys:
            raise MasterKeyUnusable(f"there is no master key: {self.where} is missing; put it back")
        return keys[0]

    def with_id(self, wanted: bytes) -> bytes | None:
        """Return the key with this ID; None if it is not among them."""
        return next((key for key in self.all() if key_id(key) == wanted), None)

    def make(self) -> bytes:
        """Make the first key, if there is none yet; return the newest.

        Raises:
            MasterKeyUnusable: The file cannot be written.
        """
        if not self.all() and self.path is not None:
            _write_new(self.path, [secrets.token_bytes(MASTER_KEY_BYTES)])
        return self.newest()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Be the only one, of all processes, who changes the keys in the file: a key that is lost opens nothing more.

        Raises:
            MasterKeyUnusable: The folder of the file cannot be opened.
        """
        if self.path is None:
            yield
            return
        with _opened_folder(self.path) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)
            self._known = False
            yield

    def add(self) -> bytes:
        """Put a new key before all others in the file, and return it; within `changing`.

        Raises:
            MasterKeyUnusable: The keys are not in a file, or it cannot be written.
        """
        return self._replace(secrets.token_bytes(MASTER_KEY_BYTES), *self.all())

    def keep_newest(self) -> None:
        """Leave nothing but the newest key in the file; within `changing`.

        Raises:
            MasterKeyUnusable: The keys are not in a file, or it cannot be written.
        """
        self._replace(self.newest())

    def _replace(self, *keys: bytes) -> bytes:
        if self.path is None:
            raise MasterKeyUnusable(
                "the master key is in the configuration: set a new `secrets.master_key` there, "
                "and move the old one to `secrets.previous_master_keys`"
            )
        _write(self.path, keys)
        self._known = False
        return keys[0]


def master_keys(settings: SecretsSettings, data_dir: Path) -> MasterKeys:
    """Return the master keys that the settings name."""
    if settings.master_key is not None:
        texts = [key.get_secret_value() for key in (settings.master_key, *settings.previous_master_keys)]
        keys = [key for key in map(master_key_bytes, texts) if key is not None]
        return MasterKeys(lambda: keys, where="`secrets.master_key`")
    path = (settings.master_key_file or data_dir / _FILE_NAME).expanduser()
    return MasterKeys(lambda: _read(path), where=str(path), path=path)


def _changed_at(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _read(path: Path) -> list[bytes]:
    try:
        with path.open(encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = [line.strip() for line in file if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise MasterKeyUnusable(f"the master key {path} cannot be read: {error}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MasterKeyUnusable(
            f"the master key {path} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}"
        )
    keys = [key for key in map(master_key_bytes, lines) if key is not None]
    if not keys or len(keys) != len(lines):
        raise MasterKeyUnusable(f"{path} holds no master keys, one in a line: restore it from where you keep a copy")
    return keys


def _write_new(path: Path, keys: Sequence[bytes]) -> None:
    """Write a file that is not there yet; if another process was faster, its keys are the ones."""
    written = _written(path, keys)
    try:
        with suppress(FileExistsError):
            path.hardlink_to(written)
    except OSError as error:
        raise MasterKeyUnusable(f"the master key {path} cannot be written: {error}") from error
    finally:
        written.unlink()
    _keep_name(path)


def _write(path: Path, keys: Sequence[bytes]) -> None:
    written = _written(path, keys)
    try:
        written.replace(path)
    except OSError as error:
        raise MasterKeyUnusable(f"the master key {path} cannot be written: {error}") from error
    _keep_name(path)


def _keep_name(path: Path) -> None:
    """Have the name of a file outlast a loss of power: what is sealed from now on does."""
    # Some file systems cannot, and need not.
    with _opened_folder(path) as folder, suppress(OSError):
        os.fsync(folder)


@contextmanager
def _opened_folder(path: Path) -> Iterator[int]:
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise MasterKeyUnusable(f"the folder of the master key {path} cannot be opened: {error}") from error
    try:
        yield folder
    finally:
        os.close(folder)


def _written(path: Path, keys: Sequence[bytes]) -> Path:
    """Write keys beside a file, whole and on the disk."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    text = "".join(f"{base64.b64encode(key).decode()}\n" for key in keys)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.touch(mode=0o600, exist_ok=False)
        with beside.open("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise MasterKeyUnusable(f"the master key {path} cannot be written: {error}") from error
    return beside
