"""Tries of signing in, as rows: counted one after the other, whichever process they are made in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from narthex.stores.database.port import exclusively
from narthex.stores.database.schema import sign_in_tries as tries
from narthex.tenancy.sign_in.throttling import Names

_FREE: Final = 4
"""Failures without a pause: who mistypes is not guessing."""
_FREE_OF_ADDRESS: Final = 20
"""An office shares one."""
_FIRST_MS: Final = 2_000
_LONGEST_MS: Final = 900_000
_FORGOTTEN_AFTER_MS: Final = 3_600_000
_HOME_FOR_MS: Final = 2_592_000_000
_CLEARED_AT_ONCE: Final = 200

_NEVER: Final = 0


@dataclass(frozen=True, slots=True)
class _Tries:
    count: int
    until: int
    forget_at: int


def paused_until(connection: Connection, names: Names, now: int) -> int:
    """Return until when somebody has to wait, in milliseconds of Unix time; what is over means that they have not."""
    known = _known(connection, names, now)
    # A clock that was set back makes no pause longer than the longest.
    return max(
        (min(known[name].until, now + _LONGEST_MS) for name, _ in _counted(names, known) if name in known), default=0
    )


def count_try(connection: Connection, names: Names, now: int) -> int:
    """Count a try as one that failed, if nobody has to wait for it; return until when they have to."""
    exclusively(connection, "sign-in tries")
    until = paused_until(connection, names, now)
    if until > now:
        return until
    known = _known(connection, names, now)
    for name, free in _counted(names, known):
        count = known[name].count + 1 if name in known else 1
        pause = min(_FIRST_MS << min(count - free - 1, 20), _LONGEST_MS) if count > free else 0
        over = now + pause
        _put(connection, name, _Tries(count, over if pause else _NEVER, over + _FORGOTTEN_AFTER_MS))
    old = select(tries.c.name).where(tries.c.forget_at <= now).limit(_CLEARED_AT_ONCE)
    gone = connection.scalars(old).all()
    if gone:
        connection.execute(delete(tries).where(tries.c.name.in_(gone)))
    return _NEVER


def forgive(connection: Connection, names: Names, now: int) -> None:
    """Forget the failures of a user, and take one from those of the address; the user is at home there from now on."""
    exclusively(connection, "sign-in tries")
    known = _known(connection, names, now)
    if names.user is not None:
        # What is guessed elsewhere still counts there.
        connection.execute(delete(tries).where(tries.c.name == _counted(names, known)[0][0]))
        _put(connection, names.home, _Tries(0, _NEVER, now + _HOME_FOR_MS))
    own = known.get(names.address)
    if own is not None:
        _put(connection, names.address, _Tries(max(own.count - 1, 0), _NEVER, own.forget_at))


def _counted(names: Names, known: dict[bytes, _Tries]) -> list[tuple[bytes, int]]:
    """Return under which names a try counts, with how many are free."""
    if names.user is None:
        return [(names.address, _FREE_OF_ADDRESS)]
    user = names.user_there if names.home in known else names.user
    return [(user, _FREE), (names.address, _FREE_OF_ADDRESS)]


def _known(connection: Connection, names: Names, now: int) -> dict[bytes, _Tries]:
    """Return what is remembered under these names, and not to be forgotten by now."""
    query = select(tries.c.name, tries.c.count, tries.c.until, tries.c.forget_at)
    rows = connection.execute(query.where(tries.c.name.in_([one for one in names if one]), tries.c.forget_at > now))
    return {bytes(name): _Tries(count, until, forget_at) for name, count, until, forget_at in rows}


def _put(connection: Connection, name: bytes, row: _Tries) -> None:
    values = asdict(row)
    if not connection.execute(update(tries).where(tries.c.name == name).values(values)).rowcount:
        connection.execute(insert(tries).values(name=name, **values))
