"""Which of two notes holds, the same on every table: the memory's is the reference for the server's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from narthex.stores.notes import Contents, Draft, Manner, MemoryTable, Note, Table, Verdict, may_replace
from narthex.stores.redis_notes import RedisTable
from narthex.testing.clock import FakeClock
from tests.stores.servers import running_redis

TABLES = ("memory", "redis")
EVENT = Draft(topic="t", text="one", manner=Manner.EVENT, left_s=30.0, keep_s=60.0)


@asynccontextmanager
async def table_of(kind: str, folder: Path) -> AsyncIterator[Table]:
    """Give a table of a kind, empty."""
    if kind == "memory":
        yield MemoryTable(FakeClock())
        return
    with running_redis(folder) as server:
        async with Redis.from_url(server.url, decode_responses=True) as client:
            yield RedisTable(client, "test")


def draft(manner: Manner, text: str = "two", *, base: int = 0, held: bool = False) -> Draft:
    """Return a draft on the topic."""
    return replace(EVENT, manner=manner, text=text, base=base, held=held)


@pytest.mark.parametrize("kind", TABLES)
async def test_a_note_is_kept_and_told(kind: str, tmp_path: Path) -> None:
    """What was put on the table is there, with its time, its writer and a version of its own."""
    async with table_of(kind, tmp_path) as table:
        assert (await table.load()).notes == ()
        verdict = await table.post(replace(EVENT, text='{"a":\n"é"}'), "me")
        assert verdict.taken
        (note,) = (await table.load()).notes
        assert (note.topic, note.text, note.writer, note.held) == ("t", '{"a":\n"é"}', "me", False)
        assert note.version == verdict.note.version > 0
        assert 29 < note.left_s <= 30


Post = Callable[[Draft], object]


@pytest.mark.parametrize("kind", TABLES)
async def test_what_holds_against_what(kind: str, tmp_path: Path) -> None:
    """A hand replaces everything, an event what no hand holds, a claim what it follows from, a restoration nothing."""
    async with table_of(kind, tmp_path) as table:

        async def post(one: Draft) -> Verdict:
            return await table.post(one, "me")

        first = (await post(draft(Manner.RESTORE))).note
        assert first.version > 0
        assert not (await post(draft(Manner.RESTORE))).taken
        assert not (await post(draft(Manner.CLAIM, base=first.version - 1))).taken
        claimed = await post(draft(Manner.CLAIM, "three", base=first.version))
        assert claimed.taken
        assert claimed.note.version > first.version
        late = await post(draft(Manner.CLAIM, "late", base=first.version))
        assert (late.taken, late.note.text, late.note.version) == (False, "three", claimed.note.version)
        assert (await post(draft(Manner.EVENT, "four"))).taken
        held = await post(draft(Manner.HAND, "by hand", held=True))
        assert held.taken
        for manner in (Manner.EVENT, Manner.CLAIM, Manner.RESTORE):
            refused = await post(draft(manner, base=held.note.version))
            assert (refused.taken, refused.note.text, refused.note.held) == (False, "by hand", True)
        assert (await post(draft(Manner.HAND, "let go"))).taken
        assert (await post(draft(Manner.EVENT, "five"))).taken
        (note,) = (await table.load()).notes
        assert (note.text, note.held) == ("five", False)


@pytest.mark.parametrize("kind", TABLES)
async def test_a_claim_on_nothing_is_taken(kind: str, tmp_path: Path) -> None:
    """Where there is no note any more, nothing speaks against one that followed from it."""
    async with table_of(kind, tmp_path) as table:
        assert (await table.post(draft(Manner.CLAIM, base=77), "me")).taken


@pytest.mark.parametrize("kind", TABLES)
async def test_versions_grow_over_all_topics(kind: str, tmp_path: Path) -> None:
    """No two notes have the same version, and the later has the greater, whoever writes."""
    async with table_of(kind, tmp_path) as table:
        versions = [
            (await table.post(replace(EVENT, topic=f"t{number % 3}"), f"writer {number}")).note.version
            for number in range(20)
        ]
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("left_s", [0.0, 12.5])
@pytest.mark.parametrize("kind", TABLES)
async def test_times_are_told_from_now(kind: str, left_s: float, tmp_path: Path) -> None:
    """How long something goes on is never negative, whatever clock the reader has."""
    async with table_of(kind, tmp_path) as table:
        await table.post(replace(EVENT, left_s=left_s), "me")
        (note,) = (await table.load()).notes
        assert max(0.0, left_s - 1) <= note.left_s <= left_s


async def test_a_note_is_forgotten_in_time() -> None:
    """What is over and told is gone, and replaces nothing any more; a note without an end stays."""
    clock = FakeClock()
    table = MemoryTable(clock)
    table.put(EVENT, "me")
    table.put(replace(EVENT, topic="for ever", keep_s=None), "me")
    clock.set(clock() + 60)
    assert [note.topic for note in table.contents().notes] == ["for ever"]
    assert table.put(draft(Manner.RESTORE), "me").taken


async def test_the_server_forgets_as_well(tmp_path: Path) -> None:
    """A note past its end is neither told nor in the way, and is swept away."""
    with running_redis(tmp_path) as server:
        async with Redis.from_url(server.url, decode_responses=True) as client:
            table = RedisTable(client, "test")
            await table.post(replace(EVENT, keep_s=0.001), "me")
            await asyncio.sleep(0.05)
            assert (await table.post(draft(Manner.RESTORE), "me")).taken
            await table.post(replace(EVENT, topic="u", keep_s=0.001), "me")
            await asyncio.sleep(0.05)
            assert [note.topic for note in (await table.load()).notes] == ["t"]
            assert sorted(await client.hkeys("test:notes")) == ["#born", "#version", "t"]
            assert 0 < await client.pttl("test:notes") <= 30 * 86_400_000


async def test_a_table_that_lost_everything_is_another(tmp_path: Path) -> None:
    """It says so, and its versions grow on from where they were."""
    memory = MemoryTable(FakeClock())
    before = memory.contents().born
    first = memory.put(EVENT, "me").note
    memory.lose()
    assert memory.contents() == Contents(born=memory.contents().born, notes=())
    assert memory.contents().born != before
    assert memory.put(EVENT, "me").note.version > first.version
    with running_redis(tmp_path) as server:
        async with Redis.from_url(server.url, decode_responses=True) as client:
            table = RedisTable(client, "test")
            known = await table.load()
            assert (await table.load()).born == known.born
            first = (await table.post(EVENT, "me")).note
            await client.flushall()
            again = await table.load()
            assert (again.born != known.born, again.notes) == (True, ())
            assert (await table.post(EVENT, "me")).note.version > first.version


def test_readers_hear_of_what_is_taken() -> None:
    """Each note that holds is told, and no other."""
    heard: list[Note] = []
    table = MemoryTable(FakeClock())
    table.readers.append(heard.append)
    taken = table.put(EVENT, "me")
    table.put(draft(Manner.RESTORE), "me")
    assert heard == [taken.note]


@pytest.mark.parametrize("manner", Manner)
def test_only_a_hand_replaces_what_a_hand_holds(manner: Manner) -> None:
    """The rule itself, without a table."""
    stored = Note(topic="t", text="", version=7, held=True, left_s=0.0, writer="me")
    assert may_replace(draft(manner, base=7), stored) is (manner is Manner.HAND)
