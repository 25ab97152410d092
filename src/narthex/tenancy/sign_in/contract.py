"""What signing in asks of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MS = 1_000


class Sealer(Protocol):
    """Keeps secrets at rest."""

    def seal(self, plain: bytes, *, binding: str) -> bytes:
        """Return a secret sealed, for one place alone."""
        ...

    def open(self, sealed: bytes, *, binding: str) -> bytes:
        """Return what was sealed for this place."""
        ...

    def mac_key(self, purpose: str) -> bytes:
        """Return a key to sign with, the same in all processes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who stands before the desk, as far as that can be seen."""

    address: str = ""
    agent: str = ""
    """What the browser says it is."""
    request_id: str = ""
