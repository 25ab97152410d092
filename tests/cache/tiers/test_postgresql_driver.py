"""The tables in PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest

from narthex.cache.tiers.postgresql_driver import PostgresqlDriver
from tests.stores.databases import PostgresqlServer


def test_it_waits_for_nobody_for_long(postgresql: PostgresqlServer) -> None:
    """A statement that takes longer than it may is ended."""
    with postgresql.database() as url:
        driver = PostgresqlDriver(url.replace("postgresql:", "postgresql+psycopg:"), timeout_s=0.05)
        assert driver.do("SELECT 1 + ?", (1,)) == [(2,)]
        with pytest.raises(psycopg.errors.QueryCanceled):
            driver.do("SELECT pg_sleep(5)")
        driver.close()
