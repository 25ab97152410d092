"""Whether the database can keep the questions that all nodes know."""

from __future__ import annotations

import pytest

from narthex.cli.health.questions import questions
from narthex.config.settings import Settings
from tests.cache.semantic.sharing import driver
from tests.stores.databases import PostgresqlServer


def told(url: str | None, *, index: str = "auto", enabled: bool = True) -> list[tuple[str, str, str | None]]:
    """Return what is found."""
    semantic = {"enabled": enabled, "index": index}
    settings = Settings.model_validate({"cache": {"semantic": semantic}, "database": {"url": url}})
    return [(one.status, one.detail, one.remedy) for one in questions(settings)]


@pytest.mark.parametrize("more", [{"index": "memory"}, {"enabled": False}])
def test_what_is_not_wanted_is_not_asked_for(more: dict[str, object]) -> None:
    """Without the semantic cache, without a PostgreSQL, or where each process is to know its own."""
    assert told("postgresql://nobody@127.0.0.1:1/none", **more) == []  # type: ignore[arg-type]
    assert told(None) == []


def test_a_database_with_it_is_well_and_nothing_is_changed(vectors_url: str) -> None:
    """It is enough that the server may turn it on."""
    for _ in range(2):
        ((status, detail, remedy),) = told(vectors_url)
        assert (status, remedy) == ("ok", None)
        assert "all nodes know the same questions" in detail
    admin = driver(vectors_url)
    assert admin.do("SELECT 1 FROM pg_extension WHERE extname = 'vector'") == []
    admin.do("DROP ROLE IF EXISTS visitor")
    admin.do("CREATE ROLE visitor LOGIN")
    url = vectors_url.replace("narthex@", "visitor@")
    assert [told(url, index=index)[0][0] for index in ("auto", "postgresql")] == ["warn", "fail"]
    ((_, detail, remedy),) = told(url)
    assert detail.startswith("the database does not let this user turn on pgvector")
    assert "CREATE EXTENSION vector" in str(remedy)
    admin.do("DROP ROLE visitor")
    admin.close()


def test_a_database_without_it_or_away_is_told(postgresql: PostgresqlServer) -> None:
    """With what to do."""
    with postgresql.database() as plain:
        ((status, _, _),) = told(plain)
        assert status in {"warn", "ok"}  # a machine whose own PostgreSQL has it
    ((status, detail, remedy),) = told("postgresql://nobody@127.0.0.1:1/none")
    assert (status, remedy) == ("fail", "see to `database.url`, and to its server")
    assert detail.startswith("the database cannot be asked: ")
