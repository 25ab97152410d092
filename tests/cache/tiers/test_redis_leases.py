"""Leases in a real Redis: one has it, the others wait, and nobody waits for somebody who is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from narthex.cache.following import follow
from narthex.cache.leases import Turn
from narthex.cache.store import Found
from tests.cache.kept import ENTRY, entry
from tests.cache.shared import SOON_S, Process, joined, processes
from tests.stores.servers import RedisServer, running_redis
from tests.tenancy.waiting import until

KEY = ENTRY.key


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis, for all tests here; each has names of its own in it."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


async def turn_of(process: Process, key: bytes = KEY) -> Turn:
    """Look for what is not there."""
    turn = Turn()
    assert isinstance(await process.cache.search(key, "absent", turn), str)
    return turn


async def test_one_asks_and_all_are_answered(redis: RedisServer, tmp_path: Path) -> None:
    """Who looks first has the lease; the others are told when the answer is there, and find it."""
    async with processes(redis, tmp_path, "one") as start:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        ours, theirs = await turn_of(one), await turn_of(other)
        assert ours.lease is not None
        assert (theirs.lease, (theirs.elsewhere_s or 0) > 20) == (None, True)
        following = asyncio.ensure_future(follow(other.cache, KEY, theirs, 60))
        await asyncio.sleep(0)
        number = one.cache.invalidation.number
        assert one.cache.keep(entry(number=number, data=b"said"), ours.hand_over())
        found = await following
        assert isinstance(found, Found)
        assert (found.entry.data, found.tier) == (b"said", "redis")
        assert isinstance(other.cache.find(KEY), Found)
        assert (await turn_of(other, b"n" * 32)).lease is not None


async def test_calls_of_one_process_share_a_look(redis: RedisServer, tmp_path: Path) -> None:
    """One of them has the lease; where nobody waits for the look any more, nobody has it."""
    async with processes(redis, tmp_path, "look") as start:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        turns = await asyncio.gather(*(turn_of(one) for _ in range(5)))
        assert [turn.lease is not None for turn in turns] == [True, False, False, False, False]
        assert {turn.elsewhere_s for turn in turns} == {None}
        turns[0].give_up()
        looking = asyncio.ensure_future(turn_of(one))
        await asyncio.sleep(0)
        looking.cancel()
        assert one.tier.leases is not None
        await until(lambda: not one.tier._asked, within_s=SOON_S)
        await until(lambda: not one.tier.leases.ending, within_s=SOON_S)  # type: ignore[union-attr]
        taken: list[Turn] = []
        while not taken or taken[-1].lease is None:
            taken.append(await turn_of(other))


async def test_who_is_gone_is_not_waited_for(redis: RedisServer, tmp_path: Path) -> None:
    """A lease that nobody renews runs out, and one of those who wait has it then; it is renewed while it is held."""
    async with processes(redis, tmp_path, "gone") as start:
        one, other = start(lease_s=0.3), start(lease_s=0.3)
        await joined(one, other)
        ours, theirs = await turn_of(one), await turn_of(other)
        assert one.tier.leases is not None
        name = f"gone:cache:l:{KEY.hex()}"
        async with Redis.from_url(redis.url) as client:
            await client.pexpire(name, 600_000)
            while await client.pttl(name) > 300:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        one.tier.leases._held.clear()
        assert await follow(other.cache, KEY, theirs, 60) is None
        assert theirs.lease is not None
        assert ours.lease is not None
        # Too late: it is another's.
        ours.give_up("kept")
        assert (await turn_of(one)).elsewhere_s is not None


@pytest.mark.parametrize(("outcome", "leads"), [("left", True), ("alone", False)])
async def test_those_who_wait_go_on(redis: RedisServer, tmp_path: Path, *, outcome: str, leads: bool) -> None:
    """In the place of who left, with the lease; or all at once, where no answer would serve the others."""
    async with processes(redis, tmp_path, outcome) as start:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        ours, theirs = await turn_of(one), await turn_of(other)
        following = asyncio.ensure_future(follow(other.cache, KEY, theirs, 60))
        await asyncio.sleep(0)
        ours.give_up(outcome)  # type: ignore[arg-type]
        assert await following is None
        assert (theirs.lease is not None) is leads


async def test_what_is_void_is_fetched_by_one(redis: RedisServer, tmp_path: Path) -> None:
    """An entry that lies there and is of no use any more keeps nobody from taking turns."""
    async with processes(redis, tmp_path, "void") as start:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        one.cache.keep(entry(number=one.cache.invalidation.number))
        await one.written()
        one.cache.declare_void(tags=[ENTRY.tags[0]])
        assert await one.session.settle(SOON_S)
        await until(lambda: other.coherence.number == one.coherence.number, within_s=SOON_S)
        ours, theirs = await turn_of(one), await turn_of(other)
        assert ours.lease is not None
        assert theirs.elsewhere_s is not None


async def test_what_one_has_fetched_anew_the_others_have(redis: RedisServer, tmp_path: Path) -> None:
    """Before a process fetches an answer anew it looks whether another has, or does."""
    async with processes(redis, tmp_path, "anew") as start:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        one.cache.keep(entry(number=one.cache.invalidation.number))
        await one.written()
        assert isinstance(await other.cache.search(KEY, "absent"), Found)
        ours, theirs = Turn(), Turn()
        assert not await one.cache.renewed(KEY, ours)
        assert not await other.cache.renewed(KEY, theirs)
        assert ours.lease is not None
        assert theirs.elsewhere_s is not None
        one.cache.keep(entry(number=one.cache.invalidation.number, made_ms=ENTRY.made_ms + 1), ours.hand_over())
        await one.written(2)
        assert await other.cache.renewed(KEY, theirs)
        found = other.cache.find(KEY)
        assert isinstance(found, Found)
        assert found.entry.made_ms == ENTRY.made_ms + 1


async def test_without_the_server_everybody_asks(tmp_path: Path) -> None:
    """Who waits when it goes is sent on at once, and whoever comes then has no lease and waits for nobody."""
    with running_redis(tmp_path) as server:
        async with processes(server, tmp_path, "away") as start:
            one, other = start(lease_s=30), start(lease_s=30)
            await joined(one, other)
            ours, theirs = await turn_of(one), await turn_of(other)
            following = asyncio.ensure_future(follow(other.cache, KEY, theirs, 60))
            await asyncio.sleep(0)
            server.kill()
            assert await following is None
            late = await turn_of(other)
            assert (late.lease, late.elsewhere_s, theirs.lease) == (None, None, None)
            ours.give_up()


async def test_who_comes_a_moment_late_waits_for_nothing(redis: RedisServer, tmp_path: Path) -> None:
    """That an answer is there, told when nobody waited for it, is known to the next who would wait; once."""
    async with processes(redis, tmp_path, "late") as start:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        ours, theirs = await turn_of(one), await turn_of(other)
        assert one.cache.keep(entry(number=one.cache.invalidation.number), ours.hand_over())
        leases = other.tier.leases
        assert leases is not None
        await until(lambda: KEY in leases._kept, within_s=SOON_S)
        assert isinstance(await follow(other.cache, KEY, theirs, 60), Found)
        assert await leases.told(KEY, 0.01) is None
        for number in range(300):
            leases.heard(bytes([number % 256, number // 256]).hex().encode() + b" kept")
        assert len(leases._kept) == 256
