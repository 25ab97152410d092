"""What both databases do, each in its own way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
Work = Callable[["Connection"], T]
"""What is done in one transaction. It does nothing beside the database: after a deadlock it is done again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """How the database is used; the defaults are those of the settings."""

    pool_size: int = 10
    pool_overflow: int = 10
    pool_timeout_s: float = 10.0
    connect_timeout_s: float = 5.0
    statement_timeout_s: float = 30.0
    busy_timeout_s: float = 5.0
    prepared_statements: bool = True
    slow_query_ms: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is going on."""

    in_use: int
    """Connections that work."""
    size: int
    """Connections that there may be."""
    waiting: int
    """Works that have not begun."""


class Executor(Protocol):
    """Runs works on one database, in threads of its own."""

    def read(self, work: Work[T], /) -> Future[T]:
        """Begin to read; a future that is cancelled before its turn is not begun."""
        ...

    def write(self, work: Work[T], /) -> Future[T]:
        """Begin to write, in one transaction; a future that is cancelled before its turn is not begun."""
        ...

    def read_now(self, work: Work[T], /) -> T:
        """Read in this thread."""
        ...

    def stamp(self) -> Future[str]:
        """Begin to read what is another text as soon as anybody, of any process, has committed anything."""
        ...

    def load(self) -> Load:
        """Return how much is going on."""
        ...

    def flush_log(self) -> None:
        """Leave nothing in the database's write-ahead log of what is no more in the database, as far as it can."""
        ...

    def close(self) -> None:
        """End what was begun, and close all connections."""
        ...
