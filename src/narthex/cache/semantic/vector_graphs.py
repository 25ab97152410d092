"""Whether a PostgreSQL has pgvector, and the graphs by which the nearest of a large scope are found."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, cast

from narthex.cache.tiers.sql_rows import Driver

GRAPH_FROM: Final = 5_000
"""Rows from which a scope has a graph: looking at as many took 10 ms."""
MAX_GRAPHS: Final = 64
MAX_GRAPH_DIMENSIONS: Final = 2_000
"""pgvector's limit."""
REMEDY: Final = (
    "install pgvector on its machine (https://github.com/pgvector/pgvector) and do `CREATE EXTENSION vector` in this "
    'database as an administrator, or set `cache.semantic.index = "memory"`'
)
_GRAPH: Final = "narthex_cache_graph_"
_GROWING: Final = 7_316_021_946_880_132
"""Of the lock under which graphs are made."""


class Large(NamedTuple):
    """A scope of many rows, and the length of its vectors."""

    scope: bytes
    embedder: int
    dimensions: int


def extension(driver: Driver, *, turn_on: bool = True) -> Literal["there", "allowed", "refused", "missing"]:
    """Tell whether vectors can be kept; the extension is turned on where that is allowed, if it is to be."""
    look = "SELECT 1 FROM pg_extension WHERE extname = 'vector'"
    if driver.do(look):
        return "there"
    if not driver.do("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"):
        return "missing"
    ((may,),) = driver.do("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    trusted = "SELECT 1 FROM pg_available_extension_versions WHERE name = 'vector' AND trusted"
    creates = "SELECT 1 WHERE has_database_privilege(current_database(), 'CREATE')"
    if not may and not (driver.do(trusted) and driver.do(creates)):
        return "refused"
    if not turn_on:
        return "allowed"
    # Two that do it at once: one of them fails, and finds it there the next time.
    driver.do("CREATE EXTENSION IF NOT EXISTS vector")
    return "there"


class VectorGraphs:
    """Makes and drops graphs, over one connection; in one thread at a time."""

    def __init__(self, driver: Driver) -> None:
        """Take the connection."""
        self._driver = driver

    def known(self) -> frozenset[tuple[bytes, int]]:
        """Return the scopes and embedders whose rows have a graph that is whole."""
        found = self._driver.do(
            "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid WHERE indisvalid"
            " AND indrelid = 'narthex_cache_questions'::regclass AND starts_with(relname, ?)",
            (_GRAPH,),
        )
        names = [cast("str", name).removeprefix(_GRAPH).split("_") for (name,) in found]
        return frozenset((bytes.fromhex(scope), int(embedder)) for scope, embedder in names)

    def large(self, least: int) -> list[Large]:
        """Return the scopes that have at least so many rows, the largest first."""
        found = self._driver.do(
            "SELECT scope, embedder, dimensions FROM narthex_cache_questions JOIN narthex_cache_embedders AS made"
            " ON made.number = embedder WHERE dimensions <= ? GROUP BY scope, embedder, dimensions"
            " HAVING COUNT(*) >= ? ORDER BY COUNT(*) DESC LIMIT ?",
            (MAX_GRAPH_DIMENSIONS, least, MAX_GRAPHS),
        )
        return [Large(bytes(cast("bytes", one)), cast("int", two), cast("int", size)) for one, two, size in found]

    def grow(self, least: int = GRAPH_FROM) -> int:
        """Make a graph for each large scope that has none, and drop those of scopes that are no longer large.

        It may take minutes, and nobody waits for it; where another process is at it nothing is done. Returns how many
        graphs were made.
        """
        self._driver.do("SET statement_timeout = 0")
        ((is_ours,),) = self._driver.do(f"SELECT pg_try_advisory_lock({_GROWING})")
        if not is_ours:
            return 0
        wanted = {(one.scope, one.embedder): one for one in self.large(least)}
        known = self.known()
        self._drop_all_but({_name(*place) for place in known & wanted.keys()})
        missing = [one for place, one in wanted.items() if place not in known]
        for one in missing:
            self._driver.do(
                f"CREATE INDEX CONCURRENTLY {_name(one.scope, one.embedder)} ON narthex_cache_questions"
                f" USING hnsw ((embedding::vector({one.dimensions})) vector_ip_ops)"
                f" WHERE scope = {literal(one.scope)} AND embedder = {one.embedder}"
            )
        return len(missing)

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()

    def _drop_all_but(self, kept: set[str]) -> None:
        """Drop graphs of scopes that are small by now, and those whose making was broken off."""
        found = self._driver.do(
            "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid"
            " WHERE indrelid = 'narthex_cache_questions'::regclass AND starts_with(relname, ?)",
            (_GRAPH,),
        )
        for name in {cast("str", name) for (name,) in found} - kept:
            self._driver.do(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _name(scope: bytes, embedder: int) -> str:
    return f"{_GRAPH}{scope.hex()}_{embedder}"


def literal(value: bytes) -> str:
    """Return bytes as they stand in a statement."""
    return f"'\\x{value.hex()}'::bytea"
