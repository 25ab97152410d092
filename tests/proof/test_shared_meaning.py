"""What one node learned of a question's meaning serves callers of all nodes, of the same tenant and of no other."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from narthex.cache.entries import Entry
from narthex.cache.semantic.shared import SharedIndex
from narthex.cache_places import place_of
from tests.gateways import settings_for
from tests.pipeline.doubles import House
from tests.pipeline.meaning_doubles import OTHERWISE, RESET, Speaker, call, engine_of, meaning_of, speaking
from tests.pipeline.recalled import how, said
from tests.tenancy.waiting import until as holding

THINGS = ("router", "printer", "camera", "oven", "clock", "drone")
TASKS = 4
"""That never end: both sessions with the database, the watch over the model, and the making of graphs."""
PATIENT = {"index_budget_ms": 10_000, "sharing": "tenant"}


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, also on a slow machine."""
    await holding(holds, within_s=30.0)


class Node(NamedTuple):
    """One of several processes with a database in common."""

    provider: Speaker
    house: House

    @property
    def shared(self) -> SharedIndex:
        """What all of them know."""
        index = meaning_of(self.house).means.shared
        assert index is not None
        return index

    async def asked(self, text: str, key: str = "") -> tuple[str, str | None]:
        """Return what is answered, and how."""
        one = call(text, key=key)
        return await said(self.house, one), how(one)

    async def learned(self) -> None:
        """Wait until what it was asked is where the others find it, answers and all."""
        caching = self.house.caching
        assert caching is not None
        disk = caching.places.disk
        assert disk is not None
        await until(lambda: len(self.house.tasks) <= TASKS and not self.shared.has_waiting and not disk.has_waiting)


@asynccontextmanager
async def node(url: str, folder: Path, *, serial: int = 1, **semantic: object) -> AsyncIterator[Node]:
    """Run one, and wait until it knows what the others know."""
    place = place_of(settings_for(folder, database={"url": url}))
    keys = [(f"tenant-{number}", f"sk-tenant-{number}-0123456789") for number in range(4)]
    async with speaking(keys, (), place, **{**PATIENT, **semantic}) as (provider, house):
        provider.serial = itertools.count(serial)
        made = Node(provider, house)
        await until(lambda: made.shared.is_open and bool(made.shared.embedders))
        caching = house.caching
        assert caching is not None
        disk = caching.places.disk
        await until(lambda: disk is not None and disk.is_open)
        yield made


async def test_a_node_answers_what_another_one_learned(vectors_url: str, tmp_path: Path) -> None:
    """Also one that starts later; what is let go of on one is answered by none; and the guards are the same."""
    async with node(vectors_url, tmp_path) as one, node(vectors_url, tmp_path) as other:
        key = "sk-tenant-0-0123456789"
        assert await one.asked(RESET, key) == ("answer 1", "MISS")
        await one.learned()
        assert await other.asked("How do I not reset my router?", key) == ("answer 1", "MISS")
        assert other.house.cache.figures.last_misses[-1].semantic == "negation"
        assert await other.asked(OTHERWISE, key) == ("answer 1", "SEMANTIC HIT")
        assert other.provider.asked == ["How do I not reset my router?"]
        assert (other.shared.found, other.shared.late) == (1, 0)
        # It is now this node's own, and not looked for again.
        looks = other.shared.looks
        assert (await other.asked("hi, how do i reset my router? thanks", key))[1] == "SEMANTIC HIT"
        assert other.shared.looks == looks
        assert "narthex_cache_semantic_shared_found_total 1" in "\n".join(meaning_of(other.house).lines())
        async with node(vectors_url, tmp_path) as late:
            assert await late.asked(OTHERWISE, key) == ("answer 1", "SEMANTIC HIT")
            (entry,) = [held.entry for held in late.house.cache.memory]
            late.house.cache.forget([entry.key])
            await late.learned()
        async with node(vectors_url, tmp_path) as last:
            assert (await last.asked(OTHERWISE, key))[1] == "MISS"


async def test_no_tenants_answer_is_anothers_over_nodes(vectors_url: str, tmp_path: Path) -> None:
    """Over two nodes, four tenants and all wordings: who is answered is answered with what the same tenant was told."""
    chance, seen = random.Random(3), dict[str, str]()
    wordings = ("How do I reset my {}?", "How can I reset my {}?", "hi, how do i reset my {}? thanks")
    async with node(vectors_url, tmp_path) as one, node(vectors_url, tmp_path, serial=1_000) as other:
        hits = 0
        for number in range(240):
            tenant = f"sk-tenant-{chance.randrange(4)}-0123456789"
            answerer = chance.choice((one, other))
            text, way = await answerer.asked(chance.choice(wordings).format(chance.choice(THINGS)), tenant)
            assert seen.setdefault(text, tenant) == tenant
            hits += way == "SEMANTIC HIT"
            if number % 20 == 19:
                await one.learned()
                await other.learned()
        assert hits > 20
        assert one.shared.found + other.shared.found > 2


async def test_what_was_asked_by_who_is_erased_is_known_to_no_node(vectors_url: str, tmp_path: Path) -> None:
    """Their words are gone from the database; whoever asks otherwise is not answered by them."""
    key = "sk-tenant-0-0123456789"
    async with node(vectors_url, tmp_path) as one, node(vectors_url, tmp_path) as other:
        await one.asked(RESET, key)
        await one.learned()
        caching = one.house.caching
        assert caching is not None
        assert caching._questions is not None
        done: list[Entry] = []

        def concerns(entry: Entry) -> bool:
            done.append(entry)
            return True

        caching._questions.erase(concerns, 1)
        await until(lambda: bool(done))
        (erased,) = done
        assert any(tag.startswith("key:") for tag in erased.tags)
        await until(lambda: caching._questions is None or caching._questions._erasing is None)
        assert (await other.asked(OTHERWISE, key))[1] == "MISS"
        assert len(engine_of(other.house).entries) <= 1


async def test_a_database_that_takes_its_time_delays_nobody(vectors_url: str, tmp_path: Path) -> None:
    """Beyond its budget nothing is found, and the model is asked; this process still finds what it knows."""
    async with node(vectors_url, tmp_path, index_budget_ms=1) as one:
        rows = one.shared._rows
        assert rows is not None
        nearest, go_on = rows.nearest, asyncio.Event()
        loop = asyncio.get_running_loop()

        def slowly(wanted: object) -> object:
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
            return nearest(wanted)  # type: ignore[arg-type]

        rows.nearest = slowly  # type: ignore[method-assign,assignment]
        key = "sk-tenant-0-0123456789"
        assert (await one.asked(RESET, key))[1] == "MISS"
        await until(lambda: len(engine_of(one.house).entries) == 1)
        assert (await one.asked(OTHERWISE, key))[1] == "SEMANTIC HIT"
        assert one.shared.late == 1
        go_on.set()
