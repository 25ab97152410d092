"""The options of the database, and what may be wrong with its address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from narthex.config.sections import Seconds, Section

POSTGRESQL_SCHEMES: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})

_EXPECTED = "`sqlite:///narthex.db`, `sqlite:////var/lib/narthex/main.db` or `postgresql://user:password@host/name`"


class DatabaseSettings(Section):
    """Where workspaces, keys, the ledger and the audit log are kept."""

    url: SecretStr | None = Field(
        default=None,
        description="Address of the database, such as `postgresql://user:password@host/name`; better `${NAME}`. "
        "By default the SQLite file `main.db` in `data_dir`.",
    )
    pool_size: int = Field(default=10, ge=1, le=1_000, description="Connections to PostgreSQL that are kept open.")
    pool_overflow: int = Field(
        default=10, ge=0, le=1_000, description="Connections to PostgreSQL beyond these, while they are needed."
    )
    pool_timeout_s: Seconds = Field(default=10.0, description="To get a free connection, in seconds.")
    connect_timeout_s: Seconds = Field(default=5.0, description="To connect to PostgreSQL, in seconds.")
    statement_timeout_s: Seconds = Field(
        default=30.0, description="How long one statement may take in PostgreSQL, in seconds."
    )
    busy_timeout_s: Seconds = Field(
        default=5.0, description="How long another process may hold the SQLite file, in seconds."
    )
    prepared_statements: bool = Field(
        default=True,
        description="Whether statements are prepared in PostgreSQL; off behind a PgBouncer that pools transactions.",
    )
    slow_query_ms: int = Field(
        default=50, ge=0, description="From when on a query is listed as slow, in milliseconds; 0 lists all."
    )


def why_not_database(settings: DatabaseSettings) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the section, with the option's name; the address is never repeated."""
    if settings.url is None:
        return
    reason = why_not_database_url(settings.url.get_secret_value(), installed=lambda name: find_spec(name) is not None)
    if reason:
        yield "url", reason


def why_not_database_url(url: str, *, installed: Callable[[str], bool]) -> str | None:
    """Return what is wrong with the address of a database and the remedy; None if nothing is.

    The address itself is never repeated: it may carry a password.

    Args:
        url: The address.
        installed: Whether a package is.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"not an address; write it like {_EXPECTED}"
    if parts.scheme == "sqlite":
        return _why_not_file(url)
    if parts.scheme not in POSTGRESQL_SCHEMES:
        return f"expected an address such as {_EXPECTED}"
    if port == 0 or not parts.path.strip("/"):
        return "names no database; write it like `postgresql://user:password@host/name`"
    if not installed("psycopg"):
        return "needs a package that is not installed: pip install 'narthex[postgres]'"
    return None


def _why_not_file(url: str) -> str | None:
    path = url.removeprefix("sqlite:///")
    if path == url or not path or path == ":memory:" or path.endswith("/"):
        return "names no file; write it like `sqlite:///narthex.db` or `sqlite:////var/lib/narthex/main.db`"
    if "?" in path or "#" in path:
        return "takes no options after the file's name"
    return None


def is_postgresql(url: SecretStr | None) -> bool:
    """Tell whether an address is that of a PostgreSQL; without one the database is a file."""
    return url is not None and url.get_secret_value().partition(":")[0] in POSTGRESQL_SCHEMES
