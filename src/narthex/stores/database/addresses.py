"""Where the database is, and how that is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

from narthex.config.database_settings import POSTGRESQL_SCHEMES, why_not_database_url
from narthex.errors import ConfigError

Kind = Literal["sqlite", "postgresql"]

FILE_NAME: Final = "main.db"
"""What the database in the data folder is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a database is."""

    kind: Kind
    url: str = field(repr=False)
    """As SQLAlchemy takes it; may carry a password."""
    shown: str
    """As it may be shown: a path, or an address without user, password and options."""
    path: Path | None = None
    """The file, of SQLite."""


def address_of(url: str | None, *, data_dir: Path) -> Address:
    """Return where the database is; without `url` it is a file in `data_dir`.

    Raises:
        ConfigError: The URL is none of a database, or the package for it is not installed.
    """
    if url is None:
        return _file(data_dir.expanduser() / FILE_NAME)
    reason = why_not_database_url(url, installed=lambda name: find_spec(name) is not None)
    if reason is not None:
        raise ConfigError((f"database.url: {reason}",))
    parts = urlsplit(url)
    if parts.scheme not in POSTGRESQL_SCHEMES:
        return _file(Path(url.removeprefix("sqlite:///")).expanduser())
    shown = f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return Address(kind="postgresql", url=urlunsplit(parts._replace(scheme="postgresql+psycopg")), shown=shown)


def _file(path: Path) -> Address:
    path = path.absolute()
    return Address(kind="sqlite", url=f"sqlite:///{path}", shown=str(path), path=path)
