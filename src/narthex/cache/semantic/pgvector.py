"""Questions and their vectors as rows of a PostgreSQL with pgvector.

    narthex_cache_embedders    the models that made vectors, told apart by the vector of one sentence
    narthex_cache_questions    a question: its scope, its tenant, whose vector it has, and where its answer lies
    narthex_cache_question_facts   until when who was erased is gone

Each statement that looks names tenant, scope and embedder. Within a small scope every row is looked at, which finds
the very nearest; a large one has a graph (HNSW) of its own, so that no other tenant's rows take up room in it.
"""

from __future__ import annotations

import array
import hashlib
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, cast

from narthex.cache.semantic.normalising import folded
from narthex.cache.semantic.shared import Rows, SharedQuestion, Wanted
from narthex.cache.semantic.vector_graphs import VectorGraphs, literal
from narthex.cache.tiers.sql_rows import Driver, SqlRow

PAGE: Final = 256
_IS_SAME: Final = 0.999
"""Cosine of one text's vectors by one model, made twice."""
_BREADTH: Final = 64
"""Candidates of a look in a graph."""
_HEADER: Final = struct.Struct(">HH")
_MAKES: Final = """
CREATE TABLE IF NOT EXISTS narthex_cache_embedders (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL, dimensions INTEGER NOT NULL,
    probe vector NOT NULL);
CREATE TABLE IF NOT EXISTS narthex_cache_questions (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant TEXT NOT NULL, scope BYTEA NOT NULL,
    embedder BIGINT NOT NULL REFERENCES narthex_cache_embedders, folded BYTEA NOT NULL, text TEXT NOT NULL,
    key BYTEA NOT NULL, principal TEXT, is_sighted BOOLEAN NOT NULL, tags TEXT[] NOT NULL, begun_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL, used_ms BIGINT NOT NULL, embedding vector NOT NULL,
    UNIQUE (scope, embedder, tenant, folded));
CREATE INDEX IF NOT EXISTS narthex_cache_questions_key ON narthex_cache_questions (key);
CREATE INDEX IF NOT EXISTS narthex_cache_questions_ends ON narthex_cache_questions (ends_ms);
CREATE INDEX IF NOT EXISTS narthex_cache_questions_used ON narthex_cache_questions (used_ms);
CREATE TABLE IF NOT EXISTS narthex_cache_question_facts (name TEXT PRIMARY KEY, value BIGINT NOT NULL)
"""
_LOOK: Final = """
SELECT tenant, scope, text, key, principal, is_sighted, vector_send(embedding), embedder
FROM narthex_cache_questions
WHERE scope = {scope} AND embedder = {embedder} AND tenant = ? AND ends_ms > ?
ORDER BY {embedding} <#> ?::{kind} LIMIT ?
"""
_PUT: Final = """
INSERT INTO narthex_cache_questions AS known
    (tenant, scope, embedder, folded, text, key, principal, is_sighted, tags, begun_ms, ends_ms, used_ms, embedding)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::vector)
ON CONFLICT (scope, embedder, tenant, folded) DO UPDATE SET
    text = excluded.text, key = excluded.key, principal = excluded.principal, tags = excluded.tags,
    begun_ms = excluded.begun_ms, ends_ms = excluded.ends_ms, used_ms = excluded.used_ms,
    embedding = excluded.embedding,
    is_sighted = known.key = excluded.key AND (known.is_sighted OR known.principal IS DISTINCT FROM excluded.principal)
WHERE (known.key = excluded.key OR NOT known.is_sighted OR known.ends_ms <= excluded.used_ms)
    AND (excluded.principal IS NOT NULL OR known.principal IS NULL)
"""


class Owned(NamedTuple):
    """Whose a row is."""

    number: int
    key: bytes
    tags: tuple[str, ...]
    begun_ms: int


class VectorRows:
    """Reads and writes questions, over one connection; in one thread at a time.

    Attributes:
        graphs: Scopes and embedders whose rows have a graph.
    """

    def __init__(self, driver: Driver) -> None:
        """Take the connection."""
        self._driver = driver
        self.graphs: frozenset[tuple[bytes, int]] = frozenset()

    def make(self) -> None:
        """Make the tables where there are none; statements have a minute from now on, as nobody waits for them."""
        self._driver.do("SET statement_timeout = 60000")
        with self._writing(alone=True):
            for statement in _MAKES.split(";"):
                self._driver.do(statement)

    def to_read(self) -> None:
        """Have large scopes looked at by their graphs from now on, whatever is known of how many rows there are.

        Done again, it finds out which scopes have one by now.
        """
        # Where there is no graph there is no way around sorting, and so it is done all the same.
        self._driver.do("SET enable_sort = off")
        self._driver.do(f"SET hnsw.ef_search = {_BREADTH}")
        self.graphs = VectorGraphs(self._driver).known()

    def embedder(self, name: str, probe: bytes) -> int:
        """Return the number of a model; one that makes another vector of the same sentence is another model.

        Args:
            name: What the model is called.
            probe: Its vector of a sentence that is always the same, float32 of length one.
        """
        written = _written(probe)
        look = (
            "SELECT number FROM narthex_cache_embedders WHERE name = ? AND dimensions = ?"
            " AND CASE WHEN dimensions = ? THEN -(probe <#> ?::vector) ELSE 0 END >= ? ORDER BY number LIMIT 1"
        )
        size = len(probe) // 4
        with self._writing(alone=True):
            found = self._driver.do(look, (name, size, size, written, _IS_SAME))
            if not found:
                add = "INSERT INTO narthex_cache_embedders (name, dimensions, probe) VALUES (?, ?, ?::vector)"
                found = self._driver.do(f"{add} RETURNING number", (name, size, written))
        return cast("int", found[0][0])

    # -- looking ---------------------------------------------------------------------------------------------------

    def nearest(self, wanted: Wanted) -> list[SharedQuestion]:
        """See `Rows`."""
        return [_read(row) for row in self._driver.do(*self._look(wanted))]

    def explained(self, wanted: Wanted) -> list[str]:
        """Return how the database goes about a look, as it tells it."""
        statement, values = self._look(wanted)
        return [str(line) for (line,) in self._driver.do(f"EXPLAIN {statement}", values)]

    def _look(self, wanted: Wanted) -> tuple[str, tuple[object, ...]]:
        size = len(wanted.vector) // 4
        has_graph = (wanted.scope, wanted.embedder) in self.graphs
        statement = _LOOK.format(
            # Written out: whether the graph of one scope may be used is known only of a scope that is.
            scope=literal(wanted.scope),
            embedder=int(wanted.embedder),
            embedding=f"(embedding::vector({size}))" if has_graph else "embedding",
            kind=f"vector({size})",
        )
        return statement, (wanted.tenant, wanted.now_ms, _written(wanted.vector), wanted.count)

    # -- writing ---------------------------------------------------------------------------------------------------

    def put(self, rows: Sequence[SharedQuestion], now_ms: int) -> None:
        """See `Rows`."""
        # In the order of their keys, as all that is written, so that no two processes wait for one another.
        written = [_values(one, now_ms) for one in sorted(rows, key=lambda one: one.key)]
        with self._writing():
            self._driver.many(_PUT, written)

    def vouch(self, vouched: Iterable[tuple[bytes, str]]) -> None:
        """See `Rows`."""
        statement = "UPDATE narthex_cache_questions SET is_sighted = TRUE WHERE key = ? AND folded = ?"
        self._driver.many(statement, sorted((key, _digest(text)) for key, text in vouched))

    def use(self, keys: Iterable[bytes], now_ms: int) -> None:
        """See `Rows`."""
        statement = "UPDATE narthex_cache_questions SET used_ms = ? WHERE key = ?"
        self._driver.many(statement, [(now_ms, key) for key in sorted(keys)])

    def remove(self, keys: Iterable[bytes]) -> None:
        """See `Rows`."""
        self._driver.many("DELETE FROM narthex_cache_questions WHERE key = ?", [(key,) for key in sorted(keys)])

    def keep_within(self, most: int, now_ms: int) -> None:
        """Take away what has ended, and beyond a number what was used least lately, some at a time."""
        self._driver.do("DELETE FROM narthex_cache_questions WHERE ends_ms <= ?", (now_ms,))
        ((count,),) = self._driver.do("SELECT COUNT(*) FROM narthex_cache_questions")
        beyond = cast("int", count) - most
        if beyond > 0:
            self._driver.do(
                "DELETE FROM narthex_cache_questions WHERE number IN"
                " (SELECT number FROM narthex_cache_questions ORDER BY used_ms LIMIT ?)",
                (beyond,),
            )

    # -- erasing ---------------------------------------------------------------------------------------------------

    def page(self, after: int) -> list[Owned]:
        """Return whose some rows are, in the order of their numbers."""
        found = self._driver.do(
            "SELECT number, key, tags, begun_ms FROM narthex_cache_questions WHERE number > ? ORDER BY number LIMIT ?",
            (after, PAGE),
        )
        return [
            Owned(cast("int", one), bytes(cast("bytes", key)), tuple(cast("list[str]", tags)), cast("int", begun))
            for one, key, tags, begun in found
        ]

    def erase(self, numbers: Iterable[int]) -> None:
        """Take away rows."""
        self._driver.many("DELETE FROM narthex_cache_questions WHERE number = ?", [(one,) for one in sorted(numbers)])

    def erased_ms(self) -> int:
        """Return until when who was erased is gone from here, in milliseconds of Unix time."""
        found = self._driver.do("SELECT value FROM narthex_cache_question_facts WHERE name = 'erased_ms'")
        return cast("int", found[0][0]) if found else 0

    def note_erased(self, until_ms: int) -> None:
        """Leave nothing behind of what was removed, and take note that who was erased until then is gone from here."""
        self._driver.do("VACUUM narthex_cache_questions")
        self._driver.do(
            "INSERT INTO narthex_cache_question_facts (name, value) VALUES ('erased_ms', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = GREATEST(excluded.value, narthex_cache_question_facts.value)",
            (until_ms,),
        )

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()

    @contextmanager
    def _writing(self, *, alone: bool = False) -> Iterator[None]:
        self._driver.begin(numbering=alone)
        try:
            yield
        except BaseException:
            self._driver.do("ROLLBACK")
            raise
        self._driver.do("COMMIT")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _written(vector: bytes) -> str:
    return "[" + ",".join(format(value, ".9g") for value in array.array("f", vector)) + "]"


def _values(one: SharedQuestion, now_ms: int) -> tuple[object, ...]:
    place = (one.tenant, one.scope, one.embedder, _digest(folded(one.text)))
    owned = (one.text, one.key, one.principal, one.is_sighted, list(one.tags), one.begun_ms, one.ends_ms)
    return (*place, *owned, now_ms, _written(one.vector))


def _read(row: SqlRow) -> SharedQuestion:
    tenant, scope, text, key, principal, is_sighted, sent, embedder = row
    vector = array.array("f", bytes(cast("bytes", sent))[_HEADER.size :])
    if sys.byteorder == "little":
        vector.byteswap()
    return SharedQuestion(
        tenant=cast("str", tenant),
        scope=bytes(cast("bytes", scope)),
        text=cast("str", text),
        key=bytes(cast("bytes", key)),
        principal=cast("str | None", principal),
        is_sighted=cast("bool", is_sighted),
        vector=vector.tobytes(),
        embedder=cast("int", embedder),
    )


_conforms: type[Rows] = VectorRows
