"""An answer that is kept: what was said, to whom it may be said again, and until when."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from narthex.types.dialects import Dialect

FORMAT: Final = 1
"""Of what is written to tiers outside this process; another is not read."""
AHEAD_MS: Final = 5_000
"""How far in the future the making of an entry may lie, where clocks differ: one beyond is not given."""

Form = Literal["body", "answer"]
"""What the data is: a whole body of its dialect, or a `ChatAnswer` as MessagePack."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An answer that is kept."""

    key: bytes
    scope: str
    """Who shares it."""
    model: str
    """`provider/model` that answered."""
    form: Form
    dialect: Dialect | None
    """Of a body."""
    data: bytes
    input_tokens: int
    output_tokens: int
    cost_picousd: int
    """What it cost, and what is saved each time that it is given."""
    made_ms: int
    """When, in milliseconds of Unix time."""
    fresh_ms: int
    """For how long it is fresh."""
    stale_ms: int
    """For how long after that it is given while a new one is fetched."""
    error_ms: int
    """For how long after that it is given where a new one cannot be had."""
    took_ms: int
    """How long it took to be made."""
    tags: tuple[str, ...]
    number: int
    """Of the last declaration of invalidity when its question was asked."""
    maker: str
    """ID of the request that it was made for."""
    estimated: bool = False
    """Whether its tokens were counted here."""

    @property
    def size_bytes(self) -> int:
        """The memory that it takes up, roughly."""
        return 600 + len(self.data) + sum(map(len, self.tags))

    @property
    def kept_ms(self) -> int:
        """For how long it is of any use, from its making on."""
        return self.fresh_ms + max(self.stale_ms, self.error_ms)

    def age_ms(self, now_ms: int) -> int:
        """Return how old it is; below 0 if the clock says that it is still to be made."""
        return now_ms - self.made_ms

    def standing(self, now_ms: int) -> Standing:
        """Return what it is good for at a moment."""
        age = now_ms - self.made_ms
        if age < -AHEAD_MS:
            return "gone"
        past = age - self.fresh_ms
        if past < 0:
            return "fresh"
        if past < self.stale_ms:
            return "stale"
        return "for errors" if past < self.error_ms else "gone"


Standing = Literal["fresh", "stale", "for errors", "gone"]
"""What an entry is good for: to be given, to be given while a new one is fetched, in place of an error, or nothing."""


def owner_of(scope: str) -> str:
    """Return to whom belongs what is shared under a scope: the workspace, the tenant, or the key by its name."""
    return scope.partition("/")[0]


class _Framed(msgspec.Struct, frozen=True, array_like=True):
    format: int
    entry: Entry


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Framed).decode


class CorruptEntry(ValueError):
    """What a tier gave back is no entry, or one of another version."""


def pack(entry: Entry) -> bytes:
    """Write an entry for a tier outside this process."""
    return _encode(_Framed(FORMAT, entry))


def unpack(data: bytes, key: bytes) -> Entry:
    """Read the entry that lies under a key.

    Raises:
        CorruptEntry: It is none, or another's.
    """
    try:
        framed = _decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CorruptEntry(str(error)) from error
    if framed.format != FORMAT:
        message = f"it is of format {framed.format}, and this server reads {FORMAT}"
        raise CorruptEntry(message)
    if framed.entry.key != key:
        message = "it belongs under another key"
        raise CorruptEntry(message)
    return framed.entry
