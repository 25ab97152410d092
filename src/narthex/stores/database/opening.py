"""Opens a database: connects, and brings its schema up to this version."""

from __future__ import annotations

from narthex.stores.database.addresses import Address
from narthex.stores.database.contract import DatabaseOptions, Executor
from narthex.stores.database.migrations import HEAD
from narthex.stores.database.migrations.running import bring_up, version_of
from narthex.stores.database.slow_queries import QueryLog
from narthex.stores.database.sqlite import SqliteExecutor


def opened(address: Address, options: DatabaseOptions, *, migrate: bool) -> tuple[Executor, QueryLog]:
    """Return what runs works on the database, and what watches its statements."""
    queries = QueryLog(options.slow_query_ms)
    executor = connected(address, options, queries)
    try:
        if migrate and executor.read_now(version_of) != HEAD:
            bring_up(address, options, queries)
    except BaseException:
        executor.close()
        raise
    return executor, queries


def connected(address: Address, options: DatabaseOptions, queries: QueryLog) -> Executor:
    """Return what runs works on the database, whatever its schema."""
    if address.kind == "sqlite":
        return SqliteExecutor(address, options, queries)
    # The driver is an extra.
    from narthex.stores.database.postgresql import PostgresqlExecutor  # noqa: PLC0415

    return PostgresqlExecutor(address, options, queries)
