"""Trained dictionaries under their IDs, in memory and in a folder.

The ID of a dictionary follows from its content, so that a frame is never read with another one than it was written
with. Dictionaries are only ever added: one that is replaced still reads what was written with it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from narthex.compression.frames import ID_BYTES
from narthex.compression.zstandard import Zstandard
from narthex.errors import CorruptFrame

logger = logging.getLogger(__name__)

_SUFFIX: Final = ".zdict"

_NAMESPACE_BYTES: Final = 12
_MOST_ABSENT: Final = 10_000


class Dictionary(NamedTuple):
    """A dictionary of a namespace."""

    namespace: str
    content: bytes
    id: bytes
    """Follows from the content."""


class DictionaryStore(Protocol):
    """Where dictionaries are kept."""

    def put(self, dictionary: Dictionary) -> None:
        """Keep one, as the newest of its namespace; called in a thread.

        Raises:
            OSError: It cannot be kept.
        """
        ...

    def get(self, name: bytes) -> Dictionary | None:
        """Return the one with this ID; called wherever something is decompressed."""
        ...

    def newest(self, namespace: str) -> Dictionary | None:
        """Return the one that a namespace goes on with after a start."""
        ...

    def forget(self, namespace: str) -> int:
        """Let go of all of a namespace, and return how many that were: what was written with them is lost."""
        ...

    def forget_before(self, at_s: float) -> int:
        """Let go of all that were kept before a time, in seconds of Unix time, and return how many that were."""
        ...


def dictionary(namespace: str, content: bytes) -> Dictionary:
    """Return a dictionary with its ID."""
    return Dictionary(namespace, content, hashlib.blake2b(content, digest_size=ID_BYTES).digest())


class MemoryDictionaries:
    """Dictionaries in this process's memory, gone with it: what the others do is measured by it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_id: dict[bytes, Dictionary] = {}
        self._kept_at: dict[bytes, float] = {}
        self._newest: dict[str, Dictionary] = {}

    def put(self, dictionary: Dictionary) -> None:
        """See `DictionaryStore`."""
        self._by_id[dictionary.id] = dictionary
        self._kept_at[dictionary.id] = time.time()
        self._newest[dictionary.namespace] = dictionary

    def get(self, name: bytes) -> Dictionary | None:
        """See `DictionaryStore`."""
        return self._by_id.get(name)

    def newest(self, namespace: str) -> Dictionary | None:
        """See `DictionaryStore`."""
        return self._newest.get(namespace)

    def forget(self, namespace: str) -> int:
        """See `DictionaryStore`."""
        self._newest.pop(namespace, None)
        gone = [name for name, one in list(self._by_id.items()) if one.namespace == namespace]
        return self._let_go(gone)

    def forget_before(self, at_s: float) -> int:
        """See `DictionaryStore`."""
        gone = self._let_go([name for name, kept_at in self._kept_at.items() if kept_at < at_s])
        self._newest = {name: one for name, one in self._newest.items() if one.id in self._by_id}
        return gone

    def _let_go(self, names: Sequence[bytes]) -> int:
        for name in names:
            del self._by_id[name], self._kept_at[name]
        return len(names)


class FolderDictionaries:
    """Dictionaries as files: one each, in a folder for its namespace, named by its ID.

    Several processes may share the folder. What is not in memory is looked for there; an ID that was looked for in
    vain is not looked for again, so that frames whose dictionary is gone cost no look at the disk each time.
    """

    def __init__(self, folder: Path, *, max_held_bytes: int = 67_108_864) -> None:
        """Take the folder; it is made when there is something to keep.

        Args:
            folder: For all namespaces.
            max_held_bytes: Most that dictionaries take up in memory; those that have rested longest are read again.
        """
        self._folder = folder
        self._max_held_bytes = max_held_bytes
        self._held: OrderedDict[bytes, Dictionary] = OrderedDict()
        self._held_bytes = 0
        self._newest: dict[str, bytes] = {}
        self._absent: set[bytes] = set()
        # Whatever is large is decompressed in threads.
        self._lock = threading.RLock()

    def put(self, dictionary: Dictionary) -> None:
        """See `DictionaryStore`."""
        folder = self._folder / _folder_name(dictionary.namespace)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{dictionary.id.hex()}{_SUFFIX}"
        # Beside it first: nobody ever reads half a dictionary.
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        beside.write_bytes(_written(dictionary))
        beside.chmod(0o600)
        beside.replace(path)
        with self._lock:
            self._newest[dictionary.namespace] = dictionary.id
            self._hold(dictionary)

    def get(self, name: bytes) -> Dictionary | None:
        """See `DictionaryStore`."""
        with self._lock:
            held = self._held.get(name)
            if held is not None:
                self._held.move_to_end(name)
            elif name not in self._absent:
                held = self._found(name)
            return held

    def newest(self, namespace: str) -> Dictionary | None:
        """See `DictionaryStore`."""
        with self._lock:
            name = self._newest.get(namespace)
            if name is not None:
                return self.get(name)
            for path in reversed(self._paths(namespace)):
                found = _read(path)
                if found is not None and found.namespace == namespace:
                    self._newest[namespace] = found.id
                    self._hold(found)
                    return found
            return None

    def forget(self, namespace: str) -> int:
        """See `DictionaryStore`."""
        with self._lock:
            paths = self._paths(namespace)
            for path in paths:
                path.unlink(missing_ok=True)
            self._newest.pop(namespace, None)
            for name in [name for name, one in self._held.items() if one.namespace == namespace]:
                self._held_bytes -= len(self._held.pop(name).content)
            return len(paths)

    def forget_before(self, at_s: float) -> int:
        """See `DictionaryStore`."""
        with self._lock:
            gone = [path for path in self._folder.glob(f"*/*{_SUFFIX}") if _age(path) < at_s * 1e9]
            for path in gone:
                path.unlink(missing_ok=True)
            # Those that stay are read again when they are wanted.
            self._newest.clear()
            self._held.clear()
            self._held_bytes = 0
            return len(gone)

    def _found(self, name: bytes) -> Dictionary | None:
        for path in self._folder.glob(f"*/{name.hex()}{_SUFFIX}"):
            found = _read(path)
            if found is not None:
                self._hold(found)
                return found
        if len(self._absent) < _MOST_ABSENT:
            self._absent.add(name)
        return None

    def _hold(self, dictionary: Dictionary) -> None:
        self._absent.discard(dictionary.id)
        if dictionary.id not in self._held:
            self._held_bytes += len(dictionary.content)
        self._held[dictionary.id] = dictionary
        while self._held_bytes > self._max_held_bytes and len(self._held) > 1:
            self._held_bytes -= len(self._held.popitem(last=False)[1].content)

    def _paths(self, namespace: str) -> list[Path]:
        """Return the files of a namespace, the oldest first."""
        return sorted((self._folder / _folder_name(namespace)).glob(f"*{_SUFFIX}"), key=_age)


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _folder_name(namespace: str) -> str:
    """Return a name that any file system takes, whatever a namespace is called."""
    return hashlib.blake2b(namespace.encode(), digest_size=_NAMESPACE_BYTES).hexdigest()


def _written(made: Dictionary) -> bytes:
    name = made.namespace.encode()
    return len(name).to_bytes(4, "big") + name + made.content


def _read(path: Path) -> Dictionary | None:
    """Return what a file holds; None, and a line in the log, if it is damaged."""
    try:
        data = path.read_bytes()
        size = 4 + int.from_bytes(data[:4], "big")
        found = dictionary(data[4:size].decode(), data[size:])
        if found.id.hex() != path.stem:
            raise CorruptFrame
        Zstandard(found.content)
    except (OSError, UnicodeDecodeError, CorruptFrame) as error:
        logger.warning("the dictionary %s cannot be used: %s", path, error)
        return None
    return found
