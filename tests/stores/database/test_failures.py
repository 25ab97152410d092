"""What a driver says of a failure, as an error of ours that names the remedy."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from narthex.errors import StoreBusy, StoreCorrupt, StoreFull, StoreRefused, StoreUnavailable, StoreUnreachable
from narthex.stores.database.addresses import address_of
from narthex.stores.database.failures import failure_of, is_clash, told

ADDRESS = address_of(None, data_dir=Path("/data"))


def _of_sqlite(code: int) -> DBAPIError:
    origin = sqlite3.OperationalError("said")
    origin.sqlite_errorcode = code
    return OperationalError("SELECT 1", None, origin)


def _of_postgresql(code: str | None, said: str = "said") -> DBAPIError:
    origin = psycopg.OperationalError(said)
    origin.sqlstate = code
    return OperationalError("SELECT 1", None, origin)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_of_sqlite(sqlite3.SQLITE_FULL), StoreFull),
        (_of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), StoreBusy),
        (_of_sqlite(sqlite3.SQLITE_IOERR_WRITE), StoreUnreachable),
        (_of_sqlite(sqlite3.SQLITE_CORRUPT), StoreCorrupt),
        (_of_sqlite(sqlite3.SQLITE_PERM), StoreRefused),
        (_of_postgresql("53100"), StoreFull),
        (_of_postgresql("57P01"), StoreUnreachable),
        (_of_postgresql("08006"), StoreUnreachable),
        (_of_postgresql("XX001"), StoreCorrupt),
        (_of_postgresql(None), StoreUnreachable),
        (_of_postgresql(None, "FATAL: password authentication failed for user"), StoreRefused),
        (_of_postgresql(None, "FATAL: no pg_hba.conf entry for host"), StoreRefused),
        (_of_postgresql(None, "FATAL: sorry, too many clients already"), StoreBusy),
    ],
)
def test_failures_have_names(error: DBAPIError, kind: type[StoreUnavailable]) -> None:
    """Each says which database, and what to do; extended codes count as their kind."""
    failure = failure_of(error, ADDRESS)
    assert type(failure) is kind
    assert failure is not None
    assert "/data/main.db" in str(failure)


def test_faults_of_a_statement_stay_what_they_are() -> None:
    """A broken constraint is the business of who wrote the statement."""
    broken = IntegrityError("INSERT", None, sqlite3.IntegrityError("UNIQUE"))
    assert failure_of(broken, ADDRESS) is None
    assert failure_of(ProgrammingError("SELEC", None, psycopg.errors.SyntaxError("no")), ADDRESS) is None
    assert failure_of(ValueError("no"), ADDRESS) is None
    with pytest.raises(IntegrityError), told(ADDRESS):
        raise broken


def test_only_what_was_undone_for_another_is_done_again() -> None:
    """Deadlocks and failed serializations, and nothing else."""
    assert is_clash(_of_postgresql("40P01"))
    assert is_clash(_of_postgresql("40001"))
    assert not is_clash(_of_postgresql("57014"))
    assert not is_clash(ValueError("no"))
