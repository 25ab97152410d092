"""Streams on a real server: what holds there, whoever writes, and in whatever order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from narthex.stores.redis_streams import ENDED, FOREIGN, Addition, StreamStore
from narthex.stores.stream_records import Names, StreamFacts, StreamKey
from tests.stores.servers import running_redis

if TYPE_CHECKING:
    from redis.asyncio import Redis

NAMES = Names("test")
KEY = NAMES.key("tenant:one", "chat-0001")


@asynccontextmanager
async def opened(folder: Path, *, protocol: int = 2) -> AsyncIterator[StreamStore]:
    """Give a store at an empty server."""
    from redis.asyncio import Redis as Client  # noqa: PLC0415 - skipped without a server

    with running_redis(folder) as server:
        client: Redis = Client.from_url(f"{server.url}?protocol={protocol}")
        async with client:
            store = StreamStore(client, NAMES)
            await store.prepare()
            yield store


def addition(
    expected: int, events: Sequence[bytes], *, key: StreamKey = KEY, held: int = 1, keep_s: float | None = None
) -> Addition:
    """Return events to be written down behind the one that is expected."""
    return Addition(
        key=key,
        expected=expected,
        last=expected + len(events),
        held=held,
        events=events,
        digest=b"d",
        dialect="openai.chat",
        request="req_1",
        created_at=1,
        began=True,
        report=b"{}",
        keep_s=keep_s,
    )


async def texts(store: StreamStore, key: StreamKey = KEY) -> list[bytes]:
    """Return all events that are there."""
    _, entries = await store.whole(key)
    return [event for entry in entries for event in entry.events]


async def facts_of(store: StreamStore, key: StreamKey = KEY) -> StreamFacts:
    """Return what is known of a stream that is there."""
    facts = await store.facts(key)
    assert facts is not None
    return facts


async def test_nothing_is_written_twice(tmp_path: Path) -> None:
    """Whoever believes otherwise of the last event writes nothing, and hears which one it is."""
    async with opened(tmp_path) as store:
        assert await store.append("a", [addition(0, [b"1", b"2"])]) == [(2, True)]
        assert await store.append("a", [addition(0, [b"1", b"2"])]) == [(2, False)]
        assert await store.append("a", [addition(1, [b"x", b"y"])]) == [(2, False)]
        assert await store.append("a", [addition(2, [b"3"])]) == [(3, True)]
        assert await texts(store) == [b"1", b"2", b"3"]


async def test_several_streams_at_one_stroke(tmp_path: Path) -> None:
    """Each for itself: what is refused of one is no matter to the others."""
    other = NAMES.key("tenant:one", "chat-0002")
    async with opened(tmp_path) as store:
        await store.append("b", [addition(0, [b"x"], key=other)])
        told = await store.append("a", [addition(0, [b"1"]), addition(1, [b"y"], key=other)])
        assert told == [(1, True), (FOREIGN, False)]
        assert (await texts(store), await texts(store, other)) == ([b"1"], [b"x"])


async def test_what_is_not_worth_holding_goes(tmp_path: Path) -> None:
    """Sooner or later: the server forgets in pieces of its own."""
    async with opened(tmp_path) as store:
        for number in range(400):
            await store.append("a", [addition(number, [b"%d" % (number + 1)], held=max(1, number - 20))])
        left = await texts(store)
        assert left[-1] == b"400"
        assert len(left) < 200


async def test_one_id_is_given_to_one(tmp_path: Path) -> None:
    """Until its stream has failed before it began, or was forgotten."""
    facts = StreamFacts(node="a", digest=b"d", dialect="openai.chat", request="r", last=0, ended="", report=b"")
    async with opened(tmp_path) as store:
        assert await store.claim(KEY, facts)
        assert not await store.claim(KEY, facts)
        assert await store.claim(NAMES.key("tenant:two", "chat-0001"), facts)
        assert await store.append("b", [addition(0, [b"1"])]) == [(FOREIGN, False)]
        assert await store.append("a", [addition(0, [b"1"])]) == [(1, True)]
        await store.forget("a", [KEY])
        assert await store.facts(KEY) is None
        assert await store.was(KEY)
        assert await store.claim(KEY, facts)


async def test_the_end_of_the_dead_is_written_once(tmp_path: Path) -> None:
    """Not while they give a sign of life, nor twice, nor behind an event that came meanwhile; nothing comes after."""
    async with opened(tmp_path) as store:
        await store.nodes.beat("a", 60_000)
        await store.append("a", [addition(0, [b"1"])])
        facts = await facts_of(store)
        assert not await store.lose(KEY, facts, b"end", report=b"{}", keep_s=60)
        await store.nodes.leave("a")
        assert await store.nodes.dead(["a", "b"]) == ["a", "b"]
        await store.append("a", [addition(1, [b"2"])])
        assert not await store.lose(KEY, facts, b"end", report=b"{}", keep_s=60)
        facts = await facts_of(store)
        assert await store.left_open("a") == [KEY]
        assert await store.lose(KEY, facts, b"end", report=b'{"x":1}', keep_s=60)
        assert not await store.lose(KEY, facts, b"end", report=b"{}", keep_s=60)
        assert await store.append("a", [addition(2, [b"3"])]) == [(ENDED, False)]
        assert await texts(store) == [b"1", b"2", b"end"]
        assert await store.left_open("a") == []
        facts = await facts_of(store)
        assert (facts.ended, facts.last, facts.report) == ("lost", 3, b'{"x":1}')


async def test_an_end_of_its_own_stands(tmp_path: Path) -> None:
    """The dead have no other, and it is told again without harm."""
    async with opened(tmp_path) as store:
        assert await store.append("a", [addition(0, [b"1"], keep_s=60)]) == [(1, True)]
        assert await store.append("a", [addition(1, [], keep_s=60)]) == [(1, True)]
        facts, entries = await store.whole(KEY)
        assert facts is not None
        assert facts.ended == "own"
        assert entries[-1].report == b"{}"
        assert not await store.lose(KEY, facts, b"end", report=b"{}", keep_s=60)


@pytest.mark.parametrize("protocol", [2, 3])
async def test_news_are_what_came_behind_what_was_read(tmp_path: Path, protocol: int) -> None:
    """Of streams and of messages, in every version of the protocol; nothing where there is nothing."""
    async with opened(tmp_path, protocol=protocol) as store:
        assert await store.news(("me", "0"), {KEY: "0-0"}, 1) == ([], [])
        await store.append("a", [addition(0, [b"1", b"2"])])
        await store.append("a", [addition(2, [b"3"], keep_s=60)])
        await store.nodes.send("me", b"hello")
        messages, news = await store.news(("me", "0"), {KEY: "2-0"}, 1_000)
        assert [message for _, message in messages] == [b"hello"]
        [(key, entries)] = news
        assert key == KEY
        assert [(entry.last, entry.events, entry.report) for entry in entries] == [(3, (b"3",), None), (3, (), b"{}")]
        assert await store.news(("me", messages[-1][0]), {KEY: "3-1"}, 1) == ([], [])


async def test_an_owner_finds_its_own(tmp_path: Path) -> None:
    """The newest first, without those that are gone; and nobody else's."""
    async with opened(tmp_path) as store:
        keys = [NAMES.key("tenant:one", f"chat-000{index}") for index in range(3)]
        await store.append("a", [addition(0, [b"1"], key=key) for key in keys])
        await store.forget("a", keys[:1])
        assert {key for key, _ in await store.listed(keys[0].owner)} == set(keys[1:])
        assert await store.listed(NAMES.key("tenant:two", "").owner) == []


async def test_processes_are_known_until_they_are_buried(tmp_path: Path) -> None:
    """Also those that are dead."""
    async with opened(tmp_path) as store:
        await store.nodes.beat("a", 60_000)
        await store.nodes.beat("b", 60_000)
        await store.nodes.leave("b")
        assert sorted(await store.nodes.all()) == ["a", "b"]
        await store.nodes.bury("b")
        assert await store.nodes.all() == ["a"]


async def test_nobody_forgets_what_is_another_ones(tmp_path: Path) -> None:
    """A process that had the same ID while it could not be asked for leaves the other's stream alone."""
    async with opened(tmp_path) as store:
        await store.append("a", [addition(0, [b"1"])])
        await store.forget("b", [KEY])
        assert await texts(store) == [b"1"]
        await store.forget("a", [KEY])
        assert await texts(store) == []


async def test_what_the_server_let_go_of_in_part_is_written_anew(tmp_path: Path) -> None:
    """Events of which nothing is known any more are in nobody's way."""
    async with opened(tmp_path) as store:
        await store.append("a", [addition(0, [b"1", b"2"])])
        await store._client.delete(NAMES.facts(KEY))
        assert await store.append("a", [addition(2, [b"3"])]) == [(0, False)]
        assert await store.append("a", [addition(0, [b"1"])]) == [(1, True)]
        assert await texts(store) == [b"1"]


async def test_a_long_one_is_read_whole(tmp_path: Path) -> None:
    """However many entries it has."""
    async with opened(tmp_path) as store:
        for number in range(600):
            await store.append("a", [addition(number, [b"%d" % (number + 1)])])
        assert await texts(store) == [b"%d" % number for number in range(1, 601)]
