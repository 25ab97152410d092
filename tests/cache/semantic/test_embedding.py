"""A vector for each question, within a budget of time."""

from __future__ import annotations

import array
import asyncio
import logging
from collections.abc import Sequence

import pytest

from narthex.cache.semantic.embedding import Embedding, unit


class Embedder:
    """Makes vectors when it is let; counts its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.values: Sequence[float] = (3.0, 4.0)

    async def __call__(self, text: str) -> Sequence[float]:
        """Wait until it is let, and answer."""
        self.calls.append(text)
        await self.open.wait()
        if not self.values:
            raise OSError("gone")
        return self.values


class Clock:
    """Stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


async def test_a_vector_has_length_one_and_is_made_once() -> None:
    """Also where two ask for it at the same time."""
    embedder = Embedder()
    embedding = Embedding(embedder, name="m", budget_ms=5_000)
    first, second = await asyncio.gather(embedding.of("a"), embedding.of("a"))
    assert first == second == await embedding.of("a")
    assert array.array("f", first or b"").tolist() == pytest.approx([0.6, 0.8])
    assert embedder.calls == ["a"]
    assert embedding.namespace == "m/2/0"


async def test_a_slow_embedder_slows_nobody_and_is_left_alone() -> None:
    """The late vector is kept; after some late ones no more are asked for, until the pause is over."""
    embedder, clock = Embedder(), Clock()
    embedder.open.clear()
    embedding = Embedding(embedder, name="m", budget_ms=1, slow_in_row=3, pause_s=10, clock=clock)
    assert [await embedding.of(text) for text in ("a", "b", "c")] == [None] * 3
    assert embedding.is_off
    assert await embedding.of("d") is None
    assert embedder.calls == ["a", "b", "c"]
    embedder.open.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await embedding.of("a") is not None
    clock.now = 11
    embedding.budget_ms = 5_000
    assert await embedding.of("d") is not None
    assert await embedding.of("e") is not None
    await embedding.aclose()


async def test_only_so_many_calls_are_under_way() -> None:
    """Beyond, a question goes without a vector at once; closing ends those that wait."""
    embedder = Embedder()
    embedder.open.clear()
    embedding = Embedding(embedder, name="m", budget_ms=1, most_waiting=2, slow_in_row=100)
    assert [await embedding.of(text) for text in ("a", "b", "c")] == [None] * 3
    assert embedder.calls == ["a", "b"]
    await embedding.aclose()


@pytest.mark.parametrize("values", [(), (0.0, 0.0), (float("nan"), 1.0), (float("inf"), 1.0)])
async def test_what_is_no_vector_is_none(values: Sequence[float]) -> None:
    """An embedder that fails, or makes zeros or nonsense, fails no request."""
    embedder = Embedder()
    embedder.values = values
    embedding = Embedding(embedder, name="m", budget_ms=5_000)
    assert await embedding.of("a") is None
    assert unit(values) is None


async def test_only_the_latest_vectors_are_kept() -> None:
    """Those used longest ago go."""
    embedder = Embedder()
    embedding = Embedding(embedder, name="m", budget_ms=5_000, kept=2)
    for text in ("a", "b", "a", "c", "a"):
        await embedding.of(text)
    assert embedder.calls == ["a", "b", "c"]


async def test_a_model_that_is_changed_underneath_is_another_namespace(caplog: pytest.LogCaptureFixture) -> None:
    """Whether its vectors are of another length or only other ones; what it made before is forgotten."""
    embedder = Embedder()
    embedding = Embedding(embedder, name="m", budget_ms=5_000)
    assert await embedding.check()
    first = embedding.probe
    assert first is not None
    await embedding.of("a")
    before = embedding.namespace
    assert await embedding.check()
    assert embedding.namespace == before
    embedder.values = (4.0, -3.0)
    with caplog.at_level(logging.WARNING):
        assert not await embedding.check()
    assert embedding.probe not in {None, first}
    assert "no longer looked at" in caplog.text
    assert embedding.namespace != before
    second = embedding.namespace
    embedder.values = (1.0, 2.0, 3.0)
    await embedding.of("a")
    assert embedding.namespace not in {before, second}


async def test_what_the_model_before_was_asked_for_and_comes_late_is_not_kept() -> None:
    """Its vectors are never held against those of the model that is there now."""
    embedder = Embedder()
    asked, slow = asyncio.Event(), asyncio.Event()

    async def embed(text: str) -> Sequence[float]:
        values = await embedder(text)
        if text == "a":
            asked.set()
            await slow.wait()
        return values

    embedding = Embedding(embed, name="m", budget_ms=5_000)
    await embedding.check()
    asking = asyncio.ensure_future(embedding.of("a"))
    await asked.wait()
    embedder.values = (4.0, -3.0)
    await embedding.check()
    slow.set()
    assert await asking is None
    assert array.array("f", await embedding.of("a") or b"").tolist() == pytest.approx([0.8, -0.6])
