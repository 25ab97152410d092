"""The stream of declarations in a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from narthex.cache import redis_declarations
from narthex.cache.coherence import Coherence
from narthex.cache.invalidation import Invalidation
from narthex.cache.redis_declarations import RedisDeclarations
from tests.stores.servers import RedisServer, running_redis

KEY = b"k" * 32


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis, for all tests here; each has names of its own in it."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


def peer(prefix: str) -> tuple[Coherence, RedisDeclarations]:
    """Return a process that knows nothing yet."""
    coherence = Coherence(Invalidation())
    return coherence, RedisDeclarations(coherence, prefix)


async def test_numbers_rise_over_the_loss_of_the_stream(redis: RedisServer) -> None:
    """A stream that begins anew says that everything is void, with a number beyond all that anybody knows."""
    one, declarations = peer("rise")
    async with Redis.from_url(redis.url) as client:
        await declarations.join(client)
        first = one.number
        assert first > 1_000_000_000_000_000
        await declarations.join(client)
        assert (one.number, one.lost) == (first, 0)
        await client.delete("rise:cache:void")
        await declarations.join(client)
        assert one.number > first
        assert one.lost == 1
        assert one.is_void(KEY, [], first)


async def test_a_stream_that_goes_back_is_lost(redis: RedisServer) -> None:
    """A replica that took over without the last declarations is as one that has lost everything."""
    one, declarations = peer("back")
    async with Redis.from_url(redis.url) as client:
        await declarations.join(client)
        known = one.number
        await client.delete("back:cache:void")
        await client.xadd("back:cache:void", {"p": "0", "d": b"\x94\x90\x90\xc2\xa0"}, id="7-0")
        await declarations.join(client)
        assert one.number > known
        assert one.is_void(KEY, [], known)


async def test_who_missed_too_much_takes_everything_for_void(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream holds the latest declarations alone; a newcomer takes over those, and reads none from before."""
    monkeypatch.setattr(redis_declarations, "_PAGE", 2)
    (one, telling), (other, hearing) = peer("many"), peer("many")
    async with Redis.from_url(redis.url) as client:
        await telling.join(client)
        await hearing.join(client)
        asked = other.number
        for number in range(5):
            one.declare(tags=[f"t{number}"])
            for said in one.waiting:
                await telling._declare(client, redis_declarations._encode(said))
            await telling.join(client)
        assert not one.waiting
        await client.xtrim("many:cache:void", maxlen=3, approximate=False)
        await hearing.join(client)
        assert (other.number, other.lost) == (one.number, 1)
        assert other.is_void(KEY, [], asked)
        assert "everything kept so far is void" in caplog.text
        newcomer, starting = peer("many")
        await starting.join(client)
        assert (newcomer.number, newcomer.lost) == (one.number, 0)
        assert newcomer.is_void(KEY, [], asked)
        assert not newcomer.is_void(KEY, ["u"], one.number - 1)


async def test_what_cannot_be_read_makes_everything_void(redis: RedisServer) -> None:
    """Another version may have written it, for a reason."""
    one, declarations = peer("odd")
    async with Redis.from_url(redis.url) as client:
        await declarations.join(client)
        known = one.number
        await client.xadd("odd:cache:void", {"d": b"?"})
        await client.xadd("odd:cache:void", {"p": "1", "d": b"?"}, id=f"{known + 5}-0")
        await declarations.join(client)
        assert one.is_void(KEY, [], known)
        assert one.number == known + 5
