"""The database that the settings name."""

from __future__ import annotations

from narthex.config.settings import Settings
from narthex.stores.database.addresses import Address, address_of
from narthex.stores.database.contract import DatabaseOptions
from narthex.stores.database.port import Database


def options_of(settings: Settings) -> DatabaseOptions:
    """Return how it is used."""
    return DatabaseOptions(**settings.database.model_dump(exclude={"url"}))


def address_in(settings: Settings) -> Address:
    """Return where it is.

    Raises:
        ConfigError: The URL is none of a database, or the package for it is not installed.
    """
    return address_of(url_in(settings), data_dir=settings.data_dir)


async def open_configured(settings: Settings) -> Database:
    """Open it, as `Database.open` does."""
    return await Database.open(url_in(settings), data_dir=settings.data_dir, options=options_of(settings))


def open_configured_now(settings: Settings, *, migrate: bool = True) -> Database:
    """Open it in this thread, as `Database.open_now` does."""
    return Database.open_now(
        url_in(settings), data_dir=settings.data_dir, options=options_of(settings), migrate=migrate
    )


def url_in(settings: Settings) -> str | None:
    """Return its address; None for the file in the data folder."""
    url = settings.database.url
    return None if url is None else url.get_secret_value()
