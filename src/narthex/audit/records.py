"""An event, and the row that it becomes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

Outcome = Literal["ok", "denied", "failed"]

START: Final = bytes(32)
"""What stands for the hash before the first row."""

_CONTEXT: Final = b"narthex.audit.v1"


class ActorLike(Protocol):
    """Somebody who does something."""

    @property
    def kind(self) -> str:
        """`user`, `key`, `local`, `system` or `cli`."""
        ...

    @property
    def id(self) -> str:
        """Which one."""
        ...


class Actor(NamedTuple):
    """Who did something."""

    kind: Literal["user", "key", "local", "system", "cli"]
    id: str


class Event(NamedTuple):
    """Something that was done, as it is told to the audit log."""

    action: str
    actor: ActorLike
    at: int
    """Unix time in milliseconds."""
    target: str
    organisation_id: str
    workspace_id: str
    outcome: Outcome
    details: Mapping[str, object]
    address: str
    request_id: str


class Entry(msgspec.Struct, frozen=True):
    """A row, as it is hashed: everything in it but the hashes."""

    seq: int
    at: int
    actor: str
    action: str
    target: str
    organisation_id: str
    workspace_id: str
    outcome: str
    address: str
    request_id: str
    details: dict[str, object]


canonical: Final = msgspec.json.Encoder(order="sorted").encode
"""Writes JSON in its canonical form, https://www.rfc-editor.org/rfc/rfc8785.

It does so for what stands in the rows: names of ASCII, whole numbers that a double holds, and no fractions.
"""


def hash_of(previous: bytes, entry: Entry) -> bytes:
    """Return the hash of a row that follows on the one with this hash."""
    return hashlib.sha256(_CONTEXT + previous + canonical(entry)).digest()
