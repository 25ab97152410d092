"""The database that the settings name."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from narthex.config.database_settings import DatabaseSettings
from narthex.config.settings import Settings
from narthex.stores.database.configured import address_in, open_configured, open_configured_now, options_of
from narthex.stores.database.contract import DatabaseOptions


async def test_it_is_opened_as_the_settings_say(database_url: str, tmp_path: Path) -> None:
    """By its URL, with its options."""
    section = DatabaseSettings(url=SecretStr(database_url), slow_query_ms=7)
    settings = Settings(data_dir=tmp_path, database=section)
    database = await open_configured(settings)
    assert (database.address, database.queries.slow_ms) == (address_in(settings), 7)
    await database.close()


def test_without_settings_it_is_in_the_data_folder(tmp_path: Path) -> None:
    """And its options are those of the code."""
    settings = Settings(data_dir=tmp_path)
    assert options_of(settings) == DatabaseOptions()
    database = open_configured_now(settings)
    assert database.address.path == tmp_path / "main.db"
    database.close_now()
