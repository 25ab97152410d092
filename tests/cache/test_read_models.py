"""Answers that are held while the database stays as it is."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as some

from narthex.cache.read_models import ReadModels


class Kept:
    """A database that counts its changes."""

    def __init__(self) -> None:
        self.value = self.reads = 0

    async def stamp(self) -> str:
        """Say how often it was changed, after a moment."""
        stamped = str(self.value)
        await asyncio.sleep(0)
        return stamped

    async def read(self) -> int:
        """Read it, after a moment."""
        self.reads += 1
        await asyncio.sleep(0)
        read = self.value
        await asyncio.sleep(0)
        return read


async def test_it_is_read_again_when_anything_was_committed_and_only_then() -> None:
    """Or when it does not hold any more for another reason."""
    kept, models, good = Kept(), ReadModels(max_bytes=10_000), True

    async def ask() -> int:
        return await models.read("sums", ("acme",), kept.read, stamp=kept.stamp, holds=lambda _: good)

    assert [await ask(), await ask(), kept.reads] == [0, 0, 1]
    kept.value += 1
    assert [await ask(), await ask(), kept.reads] == [1, 1, 2]
    good = False
    assert [await ask(), kept.reads] == [1, 3]
    assert "narthex_query_cache_hits_total 3" in list(models.lines())


@settings(max_examples=60)
@given(steps=some.lists(some.sampled_from(["write", "ask", "ask", "turn", "turn"]), max_size=40))
def test_nobody_is_told_what_was_so_before_they_asked(steps: list[str]) -> None:
    """Whatever is asked while whatever is written: the answer lies between then and now."""

    async def run() -> None:
        kept, models = Kept(), ReadModels(max_bytes=10_000)

        async def ask() -> None:
            least = kept.value
            told = await models.read("sums", (), kept.read, stamp=kept.stamp)
            assert least <= told <= kept.value

        async with asyncio.TaskGroup() as tasks:
            for step in steps:
                if step == "write":
                    kept.value += 1
                elif step == "ask":
                    tasks.create_task(ask())
                else:
                    await asyncio.sleep(0)

    asyncio.run(run())
