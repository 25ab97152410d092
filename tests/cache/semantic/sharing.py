"""Questions that all nodes know, for tests: rows of a real database, and sessions with it."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from narthex.cache.semantic.contract import Question
from narthex.cache.semantic.embedding import unit
from narthex.cache.semantic.pgvector import VectorRows
from narthex.cache.semantic.shared import Kept, SharedIndex, SharedQuestion, Wanted
from narthex.cache.semantic.shared_session import SharedSession
from narthex.cache.semantic.vector_graphs import GRAPH_FROM, extension
from narthex.cache.tiers.postgresql_driver import PostgresqlDriver
from tests.cache.semantic.asking import DIMENSIONS, ask, vector
from tests.tenancy.waiting import until

NAMESPACE = "test/1"
PROBE = vector("which way does the narthex lead")
LATER_MS = 4_000_000_000_000
SOON_S = 20.0


def driver(url: str) -> PostgresqlDriver:
    """Return a connection."""
    return PostgresqlDriver(url, timeout_s=20)


def kept(key: bytes, *tags: str, ends_ms: int = LATER_MS, begun_ms: int = 1) -> Kept:
    """Return what an answer says of itself."""
    return Kept(key=key, tags=tags, begun_ms=begun_ms, ends_ms=ends_ms)


def row(question: Question, key: bytes = b"k", embedder: int = 1, **more: object) -> SharedQuestion:
    """Return a question as it lies there."""
    assert question.vector is not None
    made = SharedQuestion(
        tenant=question.tenant,
        scope=question.scope,
        text=question.text,
        key=key,
        principal=question.principal,
        is_sighted=False,
        vector=question.vector,
        embedder=embedder,
        ends_ms=LATER_MS,
    )
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]  # its own fields


def wanted(question: Question, embedder: int = 1, count: int = 8, now_ms: int = 1_000) -> Wanted:
    """Return what is looked for."""
    assert question.vector is not None
    return Wanted(
        tenant=question.tenant,
        scope=question.scope,
        embedder=embedder,
        vector=question.vector,
        count=count,
        now_ms=now_ms,
    )


def spread(count: int, *, seed: int, tenant: str = "acme") -> list[Question]:
    """Return questions of one scope whose vectors lie anywhere."""
    chance = random.Random(seed)
    base, found = ask("How do I reset my router?", tenant=tenant), list[Question]()
    for number in range(count):
        vector_ = unit([chance.gauss(0, 1) for _ in range(DIMENSIONS)])
        found.append(
            Question(
                scope=base.scope, tenant=tenant, text=f"number {number}", category="other", principal="ann"
            ).embedded(vector_, base.namespace)
        )
    return found


def made(url: str) -> VectorRows:
    """Return rows in a database that has the tables, and one model."""
    opened = driver(url)
    assert extension(opened) == "there"
    rows = VectorRows(opened)
    rows.make()
    assert rows.embedder("m", PROBE) == 1
    return rows


@asynccontextmanager
async def sharing(
    url: str, *, probe: bytes | None = PROBE, most: int = 1_000, graph_from: int = GRAPH_FROM
) -> AsyncIterator[SharedSession]:
    """Run a session with a database, and wait until it is of use."""
    session = SharedSession(
        lambda: driver(url), SharedIndex(budget_s=SOON_S), name="m", most=most, graph_from=graph_from
    )
    if probe is not None:
        session.recognise(NAMESPACE, probe)
    task = asyncio.create_task(session.run())
    try:
        if probe is not None:
            await until(lambda: NAMESPACE in session.index.embedders, within_s=SOON_S)
        yield session
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def texts(session: SharedSession, question: Question) -> list[str]:
    """Return the texts of what is found near a question."""
    return [one.text for one in await session.index.nearest(question, 8)]


async def written(session: SharedSession) -> None:
    """Wait until nothing waits to be written."""
    await until(lambda: not session.index.has_waiting, within_s=SOON_S)


__all__ = [
    "NAMESPACE",
    "PROBE",
    "ask",
    "driver",
    "kept",
    "made",
    "row",
    "sharing",
    "spread",
    "texts",
    "wanted",
    "written",
]
