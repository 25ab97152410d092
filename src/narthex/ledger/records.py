"""The records of the journal: a call that goes out, how far its answer has come, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from narthex.ledger.entries import Entry, Opened, interrupted
from narthex.types.catalog import Price


class Began(msgspec.Struct, frozen=True, array_like=True, tag="b", gc=False):
    """A call goes out."""

    call: Opened
    price: Price | None


class Came(msgspec.Struct, frozen=True, array_like=True, tag="c", gc=False):
    """So much of an answer has come."""

    id: str
    output_tokens: int


class Ended(msgspec.Struct, frozen=True, array_like=True, tag="e", gc=False):
    """A call has ended."""

    id: str
    entries: tuple[Entry, ...]


Record = Began | Came | Ended
_decode = msgspec.msgpack.Decoder(Record).decode
_decode_ended = msgspec.msgpack.Decoder(Ended).decode


encode: Final[Callable[[Record | tuple[object, ...]], bytes]] = msgspec.msgpack.Encoder().encode
"""Returns a record as bytes; one of every call as a tuple of its tag and its fields, which is the same in bytes."""
BEGAN: Final = "b"
ENDED: Final = "e"


def decode(payload: bytes) -> Record:
    """Return a record of any kind."""
    record: Record = _decode(payload)
    return record


def entries_of(payload: bytes) -> tuple[Entry, ...]:
    """Return the entries of a record that says what came of a call."""
    return _decode_ended(payload).entries


def ended_in(payload: bytes) -> tuple[Entry, ...]:
    """Return the entries of a record of any kind: none, unless it says what came of a call."""
    record = _decode(payload)
    return record.entries if isinstance(record, Ended) else ()


def left_behind(payloads: Iterable[bytes]) -> Sequence[Entry]:
    """Return every entry that the records of a process that is gone stand for.

    Calls that had ended are taken as they were written down; of those under way nobody knows how they ended.
    """
    began: dict[str, Began] = {}
    came: dict[str, int] = {}
    gone: set[str] = set()
    entries: list[Entry] = []
    for payload in payloads:
        record: Record = _decode(payload)
        match record:
            case Began():
                began[record.call.id] = record
            case Came():
                # Files are not always in the order in which they were written.
                came[record.id] = max(record.output_tokens, came.get(record.id, 0))
            case Ended():
                gone.add(record.id)
                entries += record.entries
    entries += [_interrupted(record, came.get(name, 0)) for name, record in began.items() if name not in gone]
    return entries


def _interrupted(record: Began, output_tokens: int) -> Entry:
    call, price = record.call, record.price
    cost = call.cost_picousd
    if price is not None:
        cost += output_tokens * price.output_microusd_per_mtok
    return interrupted(call, output_tokens, cost)
