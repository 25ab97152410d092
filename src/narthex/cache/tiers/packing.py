"""How entries are written for tiers outside this process: packed, compressed in the namespace of their scope."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from narthex.cache.entries import CorruptEntry, Entry, pack, unpack
from narthex.compression.compressor import Compressor
from narthex.compression.dictionaries import Dictionary, dictionary
from narthex.errors import FrameUnreadable

_SIZE_BYTES: Final = 2
_KIND: Final = "cache"
_MAX_SCOPE_BYTES: Final = 0xFFFF


class Packing:
    """Writes entries and reads them."""

    def __init__(self, compressor: Compressor) -> None:
        self._compressor = compressor

    async def written(self, entry: Entry) -> bytes:
        """Return an entry as it is written, with its scope in front."""
        scope = entry.scope.encode()[:_MAX_SCOPE_BYTES]
        frame = await self._compressor.compress_aside(pack(entry), kind=_KIND, namespace=entry.scope)
        return len(scope).to_bytes(_SIZE_BYTES, "big") + scope + frame

    async def read(self, value: bytes, key: bytes) -> Entry:
        """Return the entry that lies under a key.

        Raises:
            CorruptEntry: It is none, or another's.
            DictionaryMissing: It was written with a dictionary that is not here.
            CorruptFrame: It is not what was written.
        """
        scope = scope_of(value)
        if scope is None:
            raise CorruptEntry("it has no scope")
        packed = await self._compressor.decompress_aside(_frame(value), kind=_KIND, namespace=scope)
        entry = unpack(packed, key)
        if entry.scope != scope:
            raise CorruptEntry("it belongs to another scope")
        return entry

    async def concerns(self, value: bytes, key: bytes, whose: Callable[[Entry], bool]) -> bool:
        """Tell whether what lies under a key is somebody's; what cannot be read is, as nobody can be given it."""
        try:
            return whose(await self.read(value, key))
        except (CorruptEntry, FrameUnreadable):
            return True

    def dictionary_name(self, value: bytes) -> bytes:
        """Return the ID of the dictionary that a value was written with; nothing if it was none."""
        return self._compressor.dictionary_name(_frame(value)) or b""

    def dictionary_of(self, value: bytes) -> Dictionary | None:
        """Return the dictionary that a value was written with, if it was with one that is here."""
        return self._compressor.dictionary_of(_frame(value))

    async def forget_before(self, at_ms: int) -> None:
        """Let go of the dictionaries of this process that were learned before a time: they may hold what is erased."""
        await self._compressor.forget_before(at_ms / 1_000)

    async def learn(self, taken: Dictionary | None) -> None:
        """Read from now on what was written with another process's dictionary."""
        if taken is not None:
            await asyncio.to_thread(self._compressor.adopt, taken)


def scope_of(value: bytes) -> str | None:
    """Return the scope that stands in front of an entry; None if there is none."""
    size = _SIZE_BYTES + int.from_bytes(value[:_SIZE_BYTES], "big")
    if len(value) < max(size, _SIZE_BYTES):
        return None
    try:
        return value[_SIZE_BYTES:size].decode()
    except UnicodeDecodeError:
        return None


def dictionary_written(made: Dictionary) -> bytes:
    """Return a dictionary as others find it."""
    namespace = made.namespace.encode()
    return len(namespace).to_bytes(_SIZE_BYTES, "big") + namespace + made.content


def dictionary_from(told: bytes, name: bytes) -> Dictionary | None:
    """Return the dictionary that was found under an ID; None if it is damaged."""
    namespace = scope_of(told)
    if namespace is None:
        return None
    found = dictionary(namespace, told[_SIZE_BYTES + len(namespace.encode()) :])
    return found if found.id == name else None


def _frame(value: bytes) -> bytes:
    return value[_SIZE_BYTES + int.from_bytes(value[:_SIZE_BYTES], "big") :]
