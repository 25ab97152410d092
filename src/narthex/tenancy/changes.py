"""What others have changed: every process reads on in the list of changes, and tells those whom it concerns.

What all must have read by now is let go of. A process that was away for longer finds the place gone where it stopped,
and reads everything anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, func, select

from narthex.stores.database.schema import changes
from narthex.tenancy.listening import Listener

_MOST_AT_ONCE: Final = 5_000


class News(NamedTuple):
    """What has changed since."""

    last: int
    """Number of the last change."""
    told: Sequence[tuple[Listener, Sequence[str], object]]
    is_whole: bool = True
    """Whether nothing is missing: what was changed first may be there no more."""


def last_change(connection: Connection) -> int:
    """Return the number of the last change there is."""
    return int(connection.execute(select(func.coalesce(func.max(changes.c.seq), 0))).scalar_one())


def read_changes(connection: Connection, after: int, listeners: Mapping[str, Listener]) -> News:
    """Return what has changed behind a number, read anew."""
    query = select(changes.c.seq, changes.c.kind, changes.c.subject).where(changes.c.seq > after)
    rows = connection.execute(query.order_by(changes.c.seq).limit(_MOST_AT_ONCE)).all()
    if rows and rows[0][0] > after + 1 and _is_gone(connection, after):
        return News(after, (), is_whole=False)
    touched: dict[str, dict[str, None]] = {}
    for _, kind, subject in rows:
        touched.setdefault(kind, {})[subject] = None
    told = [
        (listeners[kind], list(subjects), listeners[kind].read(connection, list(subjects)))
        for kind, subjects in touched.items()
        if kind in listeners
    ]
    return News(rows[-1][0] if rows else after, told)


def prune_changes(connection: Connection, *, before: int) -> int:
    """Let go of what was changed before a moment, in Unix time in milliseconds; return how many changes that were.

    The last of them stays: by it is seen that nothing behind it is missing, and no number is given twice.
    """
    last = connection.scalar(select(func.max(changes.c.seq)).where(changes.c.at < before))
    return 0 if last is None else connection.execute(delete(changes).where(changes.c.seq < last)).rowcount


def _is_gone(connection: Connection, seq: int) -> bool:
    """Tell whether the place is gone up to which was read: numbers may be left out, but changes go the oldest first."""
    return connection.scalar(select(changes.c.seq).where(changes.c.seq <= seq).limit(1)) is None
