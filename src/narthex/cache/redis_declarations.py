"""Declarations of invalidity in Redis or Valkey: a stream that gives out the numbers, and that all follow.

An entry of the stream has its number as its ID. Numbers are microseconds of the server's clock, and always more than
the one before, so that they rise even where the server has lost everything; a stream that begins anew begins with the
declaration that everything is void. Whoever was away reads on where they were.

    narthex:cache:void      the stream; fields: `p`, number of the declaration before, and `d`, the declaration
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

import msgspec

from narthex.cache.coherence import Coherence, Declaration, Told
from narthex.stores.link import raise_if_cancelled

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

MAX_HELD: Final = 10_000
"""Declarations in the stream, about; whoever missed more takes everything for void."""
LIFE_MS: Final = 100 * 86_400_000
"""When the stream is forgotten if nobody declares anything: longer than any entry is kept."""
_PAGE: Final = 500

_DECLARE: Final = """
local known, anew, said = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local tip = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local last = tip and tonumber(string.match(tip[1], '^%d+')) or 0
local function add(declaration)
  local number = string.format('%.0f', math.max(last + 1, now, known + 1))
  local before = string.format('%.0f', last)
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', MOST, number .. '-0', 'p', before, 'd', declaration)
  last = tonumber(number)
end
if last == 0 or last < known then add(anew) end
if said ~= '' then add(said) end
redis.call('PEXPIRE', KEYS[1], LIFE)
return last
""".replace("MOST", str(MAX_HELD)).replace("LIFE", str(LIFE_MS))

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Declaration).decode
_EVERYTHING: Final = Declaration(everything=True)
_Fields = dict[bytes, bytes]
_Raw = list[tuple[bytes, _Fields]]


class RedisDeclarations:
    """Tells what this process declares void, and hears what others do."""

    def __init__(self, coherence: Coherence, prefix: str) -> None:
        """Take what knows it.

        Args:
            coherence: Knows what is void.
            prefix: Begins every name on the server.
        """
        self._coherence = coherence
        self._key = f"{prefix}:cache:void"
        self._woken = asyncio.Event()
        coherence.when_told = self._woken.set

    async def join(self, client: Redis) -> None:
        """Learn what was declared so far."""
        lost = self._coherence.lost
        await self._declare(client, b"")
        while await self._read(client, None):
            raise_if_cancelled()
        self._coherence.joined()
        self._woken.set()
        if self._coherence.lost > lost:
            logger.warning("cache: what was declared void meanwhile is not known; everything kept so far is void")

    async def follow(self, client: Redis, *, block_ms: int) -> None:
        """Hear what is declared until cancelled."""
        while True:
            raise_if_cancelled()
            await self._read(client, block_ms)

    async def tell(self, client: Redis) -> None:
        """Tell what is declared here, as soon as it is, until cancelled."""
        while True:
            raise_if_cancelled()
            await self._woken.wait()
            self._woken.clear()
            for said in self._coherence.waiting:
                raise_if_cancelled()
                await self._declare(client, _encode(said))

    async def _declare(self, client: Redis, said: bytes) -> None:
        told = client.eval(_DECLARE, 1, self._key, str(self._coherence.number), _encode(_EVERYTHING), said)
        await told

    async def _read(self, client: Redis, block_ms: int | None) -> bool:
        """Read on; tell whether there was something."""
        beginning = f"{self._coherence.number}-0"
        found = await client.xread({self._key: beginning}, count=_PAGE, block=block_ms)
        told = [_told(name, fields) for name, fields in _entries(found)]
        self._coherence.hear(told)
        return bool(told)


def _told(name: bytes, fields: _Fields) -> Told:
    """Read an entry of the stream; one that cannot be read declares everything void."""
    number = int(name.partition(b"-")[0])
    try:
        return Told(number, int(fields[b"p"]), _decode(fields[b"d"]))
    except (msgspec.MsgspecError, KeyError, ValueError) as error:
        logger.warning("cache: a declaration of another process cannot be read (%s): everything is void", error)
        return Told(number, number, _EVERYTHING)


def _entries(told: object) -> _Raw:
    """Return what `XREAD` found, however the protocol tells it."""
    if not told:
        return []
    if isinstance(told, dict):
        # The third version of the protocol has one list more.
        return [one for part in cast("dict[bytes, list[_Raw]]", told).values() for raw in part for one in raw]
    return [one for _, raw in cast("list[tuple[bytes, _Raw]]", told) for one in raw]
