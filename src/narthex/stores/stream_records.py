"""How streams are written down in Redis or Valkey: the names of their keys, their events, what is known of them.

Events lie in a Redis stream, several to an entry, whose ID is the number of the last one: what comes behind any number
is found by that number, and nothing can be added twice. The end is an entry of its own:

    12-0    r: events 9 to 12
    15-0    r: events 13 to 15
    15-1    e: the report at the end
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from narthex.stores.link import StoreUnavailable

Ending = Literal["", "own", "lost"]
"""Whether a stream has ended: by the process that wrote it, or because that one died."""

EVENTS: Final = b"r"
END: Final = b"e"
MESSAGE: Final = b"m"


@dataclass(frozen=True, slots=True)
class StreamKey:
    """A stream among those of all processes."""

    owner: str
    """What stands for its owner: who that is cannot be read from it."""
    id: str

    @property
    def member(self) -> str:
        """Both as one word."""
        return f"{self.owner}:{self.id}"

    @classmethod
    def of_member(cls, member: str) -> StreamKey:
        """Return what was written as one word."""
        owner, _, name = member.partition(":")
        return cls(owner, name)


class Names:
    """The names of all keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._pepper = blake2b(f"narthex owner {prefix}".encode(), digest_size=32).digest()
        self.nodes = f"{prefix}:nodes"

    def key(self, owner: str, id: str) -> StreamKey:  # noqa: A002 - its name
        """Return what a stream of this owner is found by."""
        return StreamKey(blake2b(owner.encode(), key=self._pepper, digest_size=16).hexdigest(), id)

    def events(self, key: StreamKey) -> str:
        """Where the events of a stream are."""
        return f"{self.prefix}:stream:{key.owner}:{key.id}"

    def facts(self, key: StreamKey) -> str:
        """Where the rest is that is known of it."""
        return f"{self.prefix}:stream:{key.owner}:{key.id}:facts"

    def was(self, key: StreamKey) -> str:
        """What tells that there was one, for a while."""
        return f"{self.prefix}:stream:{key.owner}:{key.id}:was"

    def listed(self, owner: str) -> str:
        """The streams of one owner."""
        return f"{self.prefix}:streams:{owner}"

    def alive(self, node: str) -> str:
        """What is there as long as a process is."""
        return f"{self.prefix}:node:{node}"

    def inbox(self, node: str) -> str:
        """Where others write to a process."""
        return f"{self.prefix}:node:{node}:inbox"

    def open(self, node: str) -> str:
        """The streams that a process writes."""
        return f"{self.prefix}:node:{node}:open"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """What is known of a stream beside its events."""

    node: str
    """The process that writes it, or wrote it."""
    digest: bytes
    """Tells the request that it answers from others."""
    dialect: str
    request: str
    """ID of that request."""
    last: int
    """Number of the newest event that was written down."""
    ended: Ending
    report: bytes
    """How it stood when that was last written down, in JSON; empty if it never was."""

    @classmethod
    def read(cls, told: Mapping[bytes, bytes]) -> StreamFacts | None:
        """Return what a hash holds; None if there is none.

        Raises:
            StoreUnavailable: It holds something else.
        """
        if b"node" not in told:
            return None
        ended = told.get(b"ended", b"").decode()
        try:
            return cls(
                node=told[b"node"].decode(),
                digest=bytes.fromhex(told[b"digest"].decode()),
                dialect=told[b"dialect"].decode(),
                request=told[b"request"].decode(),
                last=int(told.get(b"last", b"0")),
                ended="lost" if ended == "lost" else "own" if ended == "own" else "",
                report=told.get(b"report", b""),
            )
        except (KeyError, ValueError) as error:
            raise StoreUnavailable("what Redis holds of a stream cannot be read") from error


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream of events."""

    last: int
    """Number of its last event."""
    events: tuple[bytes, ...] = ()
    report: bytes | None = None
    """How the stream ended; None if it goes on."""

    @property
    def first(self) -> int:
        """Number of its first event."""
        return self.last - len(self.events) + 1


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode


def pack(events: Sequence[bytes]) -> bytes:
    """Write events down as one value."""
    return _encode(events)


def unpack(name: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    """Read an entry back.

    Raises:
        StoreUnavailable: It is none of ours.
    """
    try:
        last = int(name.partition(b"-")[0])
        if END in fields:
            return Entry(last, report=fields[END])
        return Entry(last, _decode(fields[EVENTS]))
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise StoreUnavailable("an entry of a stream in Redis cannot be read") from error
