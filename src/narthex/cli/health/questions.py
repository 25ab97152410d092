"""The questions that all nodes know: whether the database has what they need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from narthex.cache.semantic.vector_graphs import REMEDY, extension
from narthex.cache.tiers.postgresql_driver import PostgresqlDriver
from narthex.cli.health.findings import Finding, bad, good, poor
from narthex.config.database_settings import is_postgresql
from narthex.config.settings import Settings

_TITLE: Final = "Semantic index"
_TIMEOUT_S: Final = 3.0


def questions(settings: Settings) -> Iterator[Finding]:
    """Ask the database for pgvector, where questions are to be known to all nodes."""
    semantic, url = settings.cache.semantic, settings.database.url
    is_wanted = settings.cache.enabled and semantic.enabled and semantic.index != "memory"
    if not is_wanted or url is None or not is_postgresql(url):
        return
    try:
        driver = PostgresqlDriver(url.get_secret_value(), timeout_s=_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 - psycopg is an extra: whatever it says, it is told
        yield bad(_TITLE, f"the database cannot be asked: {error}", "see to `database.url`, and to its server")
        return
    try:
        state = extension(driver, turn_on=False)
    finally:
        driver.close()
    yield _judged(state, must=semantic.index == "postgresql")


def _judged(state: str, *, must: bool) -> Finding:
    if state in {"there", "allowed"}:
        return good(_TITLE, "the database has pgvector: all nodes know the same questions")
    said = "has no pgvector" if state == "missing" else "does not let this user turn on pgvector"
    return (bad if must else poor)(_TITLE, f"the database {said}: each process knows its own questions", REMEDY)
