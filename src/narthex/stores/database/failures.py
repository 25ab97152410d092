"""What a driver says of a failure, as an error of ours that names the remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from narthex.errors import (
    StoreBusy,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreRefused,
    StoreUnavailable,
    StoreUnreachable,
)
from narthex.stores.database.addresses import Address

_SQLITE: Final[dict[int, tuple[type[StoreUnavailable], str]]] = {
    sqlite3.SQLITE_BUSY: (StoreBusy, "is locked by another process; look for one that writes for long"),
    sqlite3.SQLITE_LOCKED: (StoreBusy, "is locked; try again"),
    sqlite3.SQLITE_FULL: (StoreFull, "cannot grow: its disk is full; free some space"),
    sqlite3.SQLITE_READONLY: (StoreReadOnly, "cannot be written; check the rights of the file and of its folder"),
    sqlite3.SQLITE_CORRUPT: (StoreCorrupt, "is damaged; restore a backup with `narthex db restore --force`"),
    sqlite3.SQLITE_NOTADB: (StoreCorrupt, "is no SQLite database; set `[database] url` to another file"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnreachable, "cannot be opened; check that its folder is there, and its rights"),
    sqlite3.SQLITE_PERM: (StoreRefused, "may not be opened; check its rights"),
    sqlite3.SQLITE_IOERR: (StoreUnreachable, "cannot be read or written; check its disk"),
}
"""By the primary result code: https://www.sqlite.org/rescode.html."""

_POSTGRESQL: Final[dict[str, tuple[type[StoreUnavailable], str]]] = {
    "53100": (StoreFull, "cannot grow: its disk is full; free some space"),
    "25006": (StoreReadOnly, "takes no writes: it is a replica, or set to be read only; set `[database] url`"),
    "XX001": (StoreCorrupt, "is damaged; restore a backup with `narthex db restore`"),
    "XX002": (StoreCorrupt, "has a damaged index; run REINDEX, or restore a backup with `narthex db restore`"),
    "53200": (StoreBusy, "is out of memory; lower `[database] pool_size`, or give it more"),
    "58030": (StoreUnreachable, "cannot read or write its files; check its disk"),
    "57014": (StoreBusy, "did not answer within `[database] statement_timeout_s`"),
    "55P03": (StoreBusy, "is locked by another; try again"),
    "40P01": (StoreBusy, "is busy: several changes blocked one another; try again"),
    "40001": (StoreBusy, "is busy: several changes blocked one another; try again"),
    "53300": (StoreBusy, "takes no more connections; lower `[database] pool_size` or raise its max_connections"),
    "28P01": (StoreRefused, "refuses user or password; set them in `[database] url`"),
    "28000": (StoreRefused, "refuses this user; check `[database] url` and the server's pg_hba.conf"),
    "3D000": (StoreRefused, "has no database of this name; make it with CREATE DATABASE, or set `[database] url`"),
    "42501": (StoreRefused, "does not give this user the rights; GRANT them, or set `[database] url`"),
    "3F000": (StoreRefused, "has no schema to make tables in; check the search_path of this user"),
}
"""By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html."""

_AWAY: Final = ("08", "57P")
"""How the SQLSTATEs of a lost connection and of a server that stops begin."""


def failure_of(error: Exception, address: Address) -> StoreUnavailable | None:
    """Return what failed; None for a fault of the statement, such as a constraint that it broke."""
    if isinstance(error, PoolTimeout):
        return StoreBusy(
            f"all connections to {address.shown} are in use; raise `[database] pool_size`", retry_after_s=1.0
        )
    if not isinstance(error, DBAPIError):
        return None
    known = _known(error)
    if known is None:
        return None
    kind, says = known
    return kind(f"the database {address.shown} {says}", retry_after_s=1.0 if kind is StoreBusy else None)


def _known(error: DBAPIError) -> tuple[type[StoreUnavailable], str] | None:
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        return _SQLITE.get(getattr(origin, "sqlite_errorcode", 0) & 0xFF)
    code = _sqlstate(error)
    if code in _POSTGRESQL:
        return _POSTGRESQL[code]
    if error.connection_invalidated or code.startswith(_AWAY) or (not code and isinstance(error, OperationalError)):
        return _unreachable(str(origin))
    return None


def _unreachable(said: str) -> tuple[type[StoreUnavailable], str]:
    # While connecting there is no code, only what the server said.
    if "authentication failed" in said or "no password supplied" in said:
        return _POSTGRESQL["28P01"]
    if "pg_hba.conf" in said or ("role " in said and "does not exist" in said):
        return _POSTGRESQL["28000"]
    if "database " in said and "does not exist" in said:
        return _POSTGRESQL["3D000"]
    if "too many clients" in said or "remaining connection slots" in said:
        return _POSTGRESQL["53300"]
    return StoreUnreachable, "cannot be reached; check that it runs, and `[database] url`"


def is_clash(error: Exception) -> bool:
    """Whether a transaction was undone for the sake of another, so that it may be done again."""
    return isinstance(error, DBAPIError) and _sqlstate(error) in {"40P01", "40001"}


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


@contextmanager
def told(address: Address) -> Iterator[None]:
    """Raise what fails in the block as an error of ours, if it is one of the database."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        failure = failure_of(error, address)
        if failure is None:
            raise
        raise failure from error
