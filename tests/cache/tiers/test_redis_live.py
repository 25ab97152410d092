"""Answers that one process tells others of while it makes them, over a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from narthex.cache.following import follow
from narthex.cache.leases import Lease, Turn
from narthex.cache.live import Hearing, Telling, Wish
from narthex.cache.tiers.redis_live import RedisLive
from tests.cache.kept import ENTRY
from tests.cache.shared import SOON_S, Process, joined, processes
from tests.stores.servers import RedisServer, running_redis
from tests.tenancy.waiting import until

KEY = ENTRY.key
FORM = b"form"
WISH = Wish(FORM, lambda head: head == b"head")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis, for all tests here; each has names of its own in it."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


class Speech:
    """An answer that is made."""

    def __init__(self, *said: bytes, form: bytes = FORM) -> None:
        self.said, self.form = list(said), form
        self.telling: Telling | None = None
        self.stopped = 0

    def begin(self, telling: Telling) -> bool:
        """See `Speaker`."""
        telling.head, telling.stop = b"head", self._stop
        self.telling = telling
        telling.tell(self.said)
        return True

    def _stop(self) -> None:
        self.stopped += 1
        self.telling = None

    def say(self, *pieces: bytes) -> None:
        """Say more."""
        self.said += pieces
        if self.telling is not None:
            self.telling.tell(pieces)


def live(process: Process) -> RedisLive:
    """Return what tells and hears."""
    assert process.tier.leases is not None
    return process.tier.leases.live


async def turn_of(process: Process) -> Turn:
    """Look for what is not there."""
    turn = Turn()
    assert isinstance(await process.cache.search(KEY, "absent", turn), str)
    return turn


def is_told(speech: Speech) -> bool:
    """Tell whether it is told to somebody."""
    return speech.telling is not None


async def heard(hearing: Hearing, count: int) -> list[bytes]:
    """Return what is heard, once there are so many pieces."""
    await until(lambda: hearing.heard >= count, within_s=SOON_S)
    return hearing.take()


async def test_who_waits_hears_it_as_it_comes(redis: RedisServer, tmp_path: Path) -> None:
    """From the first piece on, each once and in order, and then the words at the end; nothing is told to nobody."""
    async with processes(redis, tmp_path, "live") as start, Redis.from_url(redis.url) as client:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        ours, theirs = await turn_of(one), await turn_of(other)
        speech = Speech(b"a", b"b")
        assert ours.lease is not None
        live(one).offer(ours.lease, speech)
        assert not is_told(speech)
        hearing = await follow(other.cache, KEY, theirs, 60, WISH)
        assert isinstance(hearing, Hearing)
        assert await heard(hearing, 2) == [b"a", b"b"]
        speech.say(b"c")
        assert await heard(hearing, 3) == [b"c"]
        assert speech.telling is not None
        speech.telling.end(b"words")
        ours.give_up("alone")
        await until(lambda: hearing.is_over, within_s=SOON_S)
        assert (hearing.words, hearing.is_lost) == (b"words", False)
        await until(lambda: speech.stopped == 1, within_s=SOON_S)
        names = [name async for name in client.scan_iter("live:cache:s:*")]
        assert len(names) == 1
        assert 0 < await client.pttl(names[0]) <= 60_000


async def test_in_another_form_nothing_is_told(redis: RedisServer, tmp_path: Path) -> None:
    """Whoever wants that, or no stream at all, waits for the end as ever; so does who may not be given it."""
    async with processes(redis, tmp_path, "form") as start, Redis.from_url(redis.url) as client:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        ours, theirs = await turn_of(one), await turn_of(other)
        speech = Speech(b"a", form=b"another")
        assert ours.lease is not None
        live(one).offer(ours.lease, speech)
        following = asyncio.ensure_future(follow(other.cache, KEY, theirs, 60, WISH))
        await until(lambda: not live(other)._posts and bool(live(other)._hearings), within_s=SOON_S)
        await asyncio.sleep(0.05)
        assert not is_told(speech)
        assert [name async for name in client.scan_iter("form:cache:s:*")] == []
        ours.give_up("alone")
        assert await following is None
        assert not live(other)._hearings


async def test_nobody_hears_it_in_another_form(redis: RedisServer, tmp_path: Path) -> None:
    """Not even while it is told in its own to somebody else."""
    async with processes(redis, tmp_path, "forms") as start:
        one, other, third = start(lease_s=30), start(lease_s=30), start(lease_s=30)
        await joined(one, other, third)
        speech, hearing, _ = await begun(one, other)
        thirds = await turn_of(third)
        following = asyncio.ensure_future(follow(third.cache, KEY, thirds, 60, Wish(b"another", lambda _head: True)))
        looks = live(third)._hearings
        await until(lambda: any(one.at > one.came_at for one in looks.values()), within_s=SOON_S)
        assert speech.telling is not None
        assert list(speech.telling.listeners) == [live(other)._name]
        assert not following.done()
        following.cancel()
        hearing.leave()


async def test_who_waits_before_it_begins_hears_it_at_once(redis: RedisServer, tmp_path: Path) -> None:
    """What is wanted is known when there is an answer; who wanted it and left is told nothing."""
    async with processes(redis, tmp_path, "before") as start:
        one, other, third = start(lease_s=30), start(lease_s=30), start(lease_s=30)
        await joined(one, other, third)
        ours, theirs, thirds = await turn_of(one), await turn_of(other), await turn_of(third)
        assert ours.lease is not None
        leaving = asyncio.ensure_future(follow(third.cache, KEY, thirds, 60, WISH))
        following = asyncio.ensure_future(follow(other.cache, KEY, theirs, 60, WISH))
        wishes = live(one)._wishes
        await until(lambda: len(wishes.get(ours.lease.token, {})) == 2, within_s=SOON_S)  # type: ignore[union-attr]
        leaving.cancel()
        await until(lambda: len(wishes[ours.lease.token]) == 1, within_s=SOON_S)  # type: ignore[union-attr]
        speech = Speech(b"a")
        live(one).offer(ours.lease, speech)
        hearing = await following
        assert isinstance(hearing, Hearing)
        assert speech.telling is not None
        assert list(speech.telling.listeners) == [live(other)._name]
        # With the last who hears it, it is told no further; who comes then hears it from its beginning.
        hearing.leave()
        await until(lambda: speech.stopped == 1, within_s=SOON_S)
        speech.say(b"b")
        again = await follow(third.cache, KEY, await turn_of(third), 60, WISH)
        assert isinstance(again, Hearing)
        assert await heard(again, 2) == [b"a", b"b"]


async def test_an_answer_whose_maker_is_gone_is_lost(redis: RedisServer, tmp_path: Path) -> None:
    """It has no end then; as long as something comes, its maker lives, with the lease or without."""
    async with processes(redis, tmp_path, "gone") as start, Redis.from_url(redis.url) as client:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        _, hearing, _ = await begun(one, other)
        woken: list[bool] = []
        hearing.wake = lambda: woken.append(hearing.is_lost)
        await client.delete(f"gone:cache:l:{KEY.hex()}")
        await until(lambda: hearing.is_over, within_s=SOON_S)
        assert (hearing.is_lost, hearing.words, woken[-1]) == (True, None, True)


async def begun(one: Process, other: Process) -> tuple[Speech, Hearing, str]:
    """Return an answer that one makes and the other hears, and the name of what was told of it."""
    ours, theirs = await turn_of(one), await turn_of(other)
    speech = Speech(b"a")
    assert ours.lease is not None
    live(one).offer(ours.lease, speech)
    hearing = await follow(other.cache, KEY, theirs, 60, WISH)
    assert isinstance(hearing, Hearing)
    return speech, hearing, f"{live(one)._stem}{KEY.hex()}:{ours.lease.token}:form"


async def test_what_went_missing_is_seen(redis: RedisServer, tmp_path: Path) -> None:
    """Where the server has let go of pieces that were not heard, there is no end of it."""
    async with processes(redis, tmp_path, "hole") as start, Redis.from_url(redis.url) as client:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        speech, hearing, name = await begun(one, other)
        hearing.hold()
        for number, piece in enumerate((b"b", b"c"), 2):
            speech.say(piece)
            await until(lambda number=number: speech.telling.told == number, within_s=SOON_S)  # type: ignore[misc,union-attr]
        while not await client.xdel(name, "2-0"):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        hearing.release()
        await until(lambda: hearing.is_lost, within_s=SOON_S)


async def test_what_the_server_does_not_take_is_told_no_further(redis: RedisServer, tmp_path: Path) -> None:
    """Whoever hears it is told that; here a larger number is there already, and what it stands for is none of ours."""
    async with processes(redis, tmp_path, "full") as start, Redis.from_url(redis.url) as client:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        speech, hearing, name = await begun(one, other)
        hearing.hold()
        await client.xadd(name, {"r": b"\xc1"}, id="90-0")
        speech.say(b"b")
        await until(lambda: speech.stopped == 1, within_s=SOON_S)
        hearing.release()
        await until(lambda: hearing.is_lost, within_s=SOON_S)
        assert hearing.words is None


async def test_an_end_behind_what_was_not_heard_is_none(redis: RedisServer, tmp_path: Path) -> None:
    """The words at the end count behind the last piece alone."""
    async with processes(redis, tmp_path, "words") as start, Redis.from_url(redis.url) as client:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        _, hearing, name = await begun(one, other)
        await client.xadd(name, {"e": b"words"}, id="7-1")
        await until(lambda: hearing.is_lost, within_s=SOON_S)
        assert hearing.words is None


async def test_what_is_held_back_is_bounded(redis: RedisServer, tmp_path: Path) -> None:
    """Of a long answer the oldest goes: who hears it reads on, and who comes then hears that its beginning is gone."""
    async with processes(redis, tmp_path, "long") as start, Redis.from_url(redis.url) as client:
        one, other = start(lease_s=30), start(lease_s=30)
        await joined(one, other)
        speech, hearing, name = await begun(one, other)
        count, large = 40, b"x" * 100_000
        for number in range(count):
            speech.say(large)
            await until(lambda number=number: hearing.heard >= number + 2, within_s=SOON_S)  # type: ignore[misc]
        assert sum(map(len, hearing.take())) == 1 + count * len(large)
        assert (await client.memory_usage(name) or 0) < 2_500_000
        assert await client.xrange(name, "0-1", "0-1") == []
        # What it said from the start on is more than may be heard at a time by now.
        live(other)._say(hearing, f"- {hearing.token} {live(other)._name}")
        await until(lambda: speech.stopped == 1, within_s=SOON_S)
        live(other)._wish(hearing)
        await until(lambda: hearing.is_lost, within_s=SOON_S)


async def test_without_the_server_nothing_is_told_or_heard(tmp_path: Path) -> None:
    """Who hears something when it goes is told that it is lost; whoever tells it goes on without."""
    with running_redis(tmp_path) as server:
        async with processes(server, tmp_path, "away") as start:
            one, other = start(lease_s=30), start(lease_s=30)
            assert live(one).hear(KEY, "one:1", FORM) is None
            await joined(one, other)
            speech, hearing, _ = await begun(one, other)
            server.kill()
            await until(lambda: hearing.is_lost and speech.stopped == 1, within_s=SOON_S)
            live(one).offer(Lease(KEY, hearing.token, lambda *_: None), Speech(b"b"))
            assert not live(one)._offers
            hearing.leave()


def test_what_nobody_comes_for_is_forgotten() -> None:
    """Wishes for answers that never begin are held in bounds, and no longer than somebody has them."""
    now = 0.0
    one = RedisLive("some", "one", lambda: now)
    one._is_open = True
    for number in range(1_100):
        assert one.heard(f"? one:{number} form two".encode())
    assert len(one._wishes) == 1_000
    now = 60.0
    speech = Speech(b"a")
    one.offer(Lease(KEY, "one:1099", lambda *_: None), speech)
    # Nobody has said for long that it is wanted.
    assert not is_told(speech)
    assert not one.heard(b"00 kept")
    assert one.heard(b"? one:1099 form two")
    assert is_told(speech)
    now = 66.0
    one._let_go()
    assert (speech.stopped, one.is_telling("one:1099")) == (1, False)
    one.withdraw("one:1099")
    assert not one._offers
