"""Large scopes have graphs, and a database without pgvector is told apart."""

from __future__ import annotations

from collections.abc import Sequence

from narthex.cache.semantic.contract import Question
from narthex.cache.semantic.embedding import cosine
from narthex.cache.semantic.pgvector import VectorRows
from narthex.cache.semantic.vector_graphs import VectorGraphs, extension
from tests.cache.semantic.sharing import driver, made, row, spread, wanted
from tests.stores.databases import PostgresqlServer


def found_in(known: Sequence[Question], asked: Sequence[Question], rows: VectorRows) -> int:
    """Return how often the nearest is found, and nothing but the tenant's own."""
    right = 0
    for one in asked:
        found = rows.nearest(wanted(one))
        best = max(known, key=lambda other: cosine(one.vector or b"", other.vector or b""))
        assert {each.tenant for each in found} == {"acme"}
        right += found[0].text == best.text
    return right


def test_a_large_scope_has_a_graph_of_its_own(vectors_url: str) -> None:
    """The nearest are found in it all the same, and only there; it goes when the scope is small again."""
    rows, graphs = made(vectors_url), VectorGraphs(driver(vectors_url))
    known, foreign, asked = spread(300, seed=2), spread(250, seed=3, tenant="other"), spread(40, seed=4)
    rows.put([row(one, one.text.encode()) for one in known], 1)
    rows.put([row(one, b"other " + one.text.encode()) for one in foreign], 1)
    assert [graphs.grow(260), graphs.grow(260)] == [1, 0]
    rows.to_read()
    assert rows.graphs == {(known[0].scope, 1)}
    assert found_in(known, asked, rows) >= 38
    assert f"narthex_cache_graph_{known[0].scope.hex()}_1" in "\n".join(rows.explained(wanted(asked[0])))
    assert "narthex_cache_graph" not in "\n".join(rows.explained(wanted(foreign[0])))
    rows.remove([one.text.encode() for one in known[:100]])
    assert graphs.grow(260) == 0
    assert graphs.known() == frozenset()
    rows.close()
    graphs.close()


def test_it_says_what_the_database_lacks(postgresql: PostgresqlServer, vectors_url: str) -> None:
    """There is no pgvector, or it may not be turned on; once it is on, whoever may use it does."""
    with postgresql.database() as plain:
        without = driver(plain)
        assert extension(without) in {"missing", "there"}  # a machine whose own PostgreSQL has it
        without.close()
    admin = driver(vectors_url)
    admin.do("DROP ROLE IF EXISTS guest")
    admin.do("CREATE ROLE guest LOGIN")
    guest = driver(vectors_url.replace("narthex@", "guest@"))
    assert [extension(guest), extension(admin, turn_on=False), extension(guest)] == ["refused", "allowed", "refused"]
    assert [extension(admin), extension(guest)] == ["there", "there"]
    guest.close()
    admin.do("DROP ROLE guest")
    admin.close()
