"""Who is told of what others have changed in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Listener(NamedTuple):
    """Somebody who holds rows of some kind in memory."""

    read: Callable[[Connection, Sequence[str]], object]
    """Reads those that are named again, in a thread."""
    take: Callable[[Sequence[str], object], None]
    """Takes over what was read, on the event loop."""
