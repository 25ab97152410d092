"""How many bytes are stored for whom, in Redis or Valkey: what lies in folders, as it is told, and what lies there.

A scope is an organisation or a workspace. What is stored for one is the sum of what each folder has of it, told by the
processes that use the folder, and of the responses that lie in Redis, counted by the scripts that put them and take
them away. What goes by itself there is counted out in rounds, whoever put it; so is a folder of which nothing was heard
for a day. Each change has a version, which only grows: who knows one asks for what has changed since.

    narthex:storage:used             bytes of each scope
    narthex:storage:changes          scopes, by the version of their last change
    narthex:storage:ends             things in Redis, by when they go, in milliseconds of the server's clock
    narthex:storage:kept             of each of them: its size, and the two scopes that it counts for
    narthex:storage:folders          folders, by when they were told of last
    narthex:storage:folder:FOLDER    bytes of each scope in one
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from redis.asyncio import Redis

PAGE: Final = 500
"""Scopes that are told in one stroke, either way."""
SIGN_MS: Final = 30_000
"""How often a folder is told of of which nothing has changed."""
FORGOTTEN_MS: Final = 86_400_000
"""When a folder counts no more of which nothing was heard."""
ROTATED: Final = 50
"""Scopes of old that are looked at when it is told of a folder."""
LIFE_MS: Final = 30 * 86_400_000
"""When everything is forgotten, if no process comes any more and nothing lies there."""

COUNTING: Final = """
local used, changes, ends, kept = KEYS[#KEYS - 3], KEYS[#KEYS - 2], KEYS[#KEYS - 1], KEYS[#KEYS]
local function now_us()
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000000 + tonumber(now[2])
end
local function now_ms() return math.floor(now_us() / 1000) end
local function text(number) return string.format('%.0f', number) end
local version
local function touch(scope)
  if not version then
    -- Versions grow even where all was lost: the clock is their floor.
    local last = redis.call('ZREVRANGE', changes, 0, 0, 'WITHSCORES')[2]
    version = math.max(now_us(), tonumber(last or '0'))
  end
  version = version + 1
  redis.call('ZADD', changes, text(version), scope)
end
local function count(scope, more)
  if more == 0 then return end
  if redis.call('HINCRBY', used, scope, text(more)) == 0 then redis.call('HDEL', used, scope) end
  touch(scope)
end
local function unkeep(thing)
  local record = redis.call('HGET', kept, thing)
  redis.call('ZREM', ends, thing)
  if not record then return end
  redis.call('HDEL', kept, thing)
  local size, one, other = string.match(record, '^(%d+)\\n(.*)\\n(.*)$')
  count(one, -tonumber(size))
  count(other, -tonumber(size))
end
local function keep(thing, size, keep_ms, one, other)
  redis.call('HSET', kept, thing, table.concat({size, one, other}, '\\n'))
  redis.call('ZADD', ends, text(now_ms() + tonumber(keep_ms)), thing)
  count(one, tonumber(size))
  count(other, tonumber(size))
  for _, key in ipairs({used, changes, ends, kept}) do
    if redis.call('PTTL', key) < tonumber(keep_ms) then redis.call('PEXPIRE', key, keep_ms) end
  end
end
local function keep_longer(thing, keep_ms)
  redis.call('ZADD', ends, 'XX', text(now_ms() + tonumber(keep_ms)), thing)
  for _, key in ipairs({used, changes, ends, kept}) do
    if redis.call('PTTL', key) < tonumber(keep_ms) then redis.call('PEXPIRE', key, keep_ms) end
  end
end
"""
"""What scripts count with; the last four of their keys are those of `counting_keys`."""

_EXCHANGE: Final = (
    COUNTING
    + """
local folders, mine = KEYS[1], KEYS[2]
local folder, since, stem = ARGV[1], ARGV[2], ARGV[3]
local heard_ms = redis.call('ZSCORE', folders, folder)
for index = 4, #ARGV, 2 do
  local scope, bytes = ARGV[index], tonumber(ARGV[index + 1])
  local before = tonumber(redis.call('HGET', mine, scope) or '0')
  if bytes == 0 then redis.call('HDEL', mine, scope) else redis.call('HSET', mine, scope, text(bytes)) end
  count(scope, bytes - before)
end
local over = redis.call('ZRANGEBYSCORE', ends, '-inf', now_ms(), 'LIMIT', 0, PAGE)
for _, thing in ipairs(over) do unkeep(thing) end
if not heard_ms or now_ms() - tonumber(heard_ms) >= SIGN_MS then
  redis.call('ZADD', folders, now_ms(), folder)
  local gone = redis.call('ZRANGEBYSCORE', folders, '-inf', now_ms() - FORGOTTEN_MS, 'LIMIT', 0, 1)[1]
  if gone then
    local theirs = redis.call('HRANDFIELD', stem .. gone, PAGE, 'WITHVALUES')
    for index = 1, #theirs, 2 do
      redis.call('HDEL', stem .. gone, theirs[index])
      count(theirs[index], -tonumber(theirs[index + 1]))
    end
    if #theirs == 0 then redis.call('ZREM', folders, gone) end
  end
  local old_us = text(now_us() - FORGOTTEN_MS * 1000)
  for _, scope in ipairs(redis.call('ZRANGEBYSCORE', changes, '-inf', old_us, 'LIMIT', 0, ROTATED)) do
    -- What is there is told again, so that it is not in the way of what is to be forgotten.
    if redis.call('HEXISTS', used, scope) == 1 then touch(scope) else redis.call('ZREM', changes, scope) end
  end
  -- All as long as what lives longest: what a folder has may not be forgotten before the sum that it is part of.
  local life = text(math.max(LIFE_MS, redis.call('PTTL', used)))
  for _, key in ipairs({used, changes, ends, kept, folders, mine}) do redis.call('PEXPIRE', key, life) end
end
local found = redis.call('ZRANGEBYSCORE', changes, '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, PAGE)
local told = {}
for index = 1, #found, 2 do
  since = found[index + 1]
  for _, key in ipairs({used, mine}) do table.insert(told, redis.call('HGET', key, found[index]) or '0') end
  table.insert(told, found[index])
end
local more = #over == PAGE or #found == 2 * PAGE
return {heard_ms and 1 or 0, more and 1 or 0, since, told}
"""
)
_CONSTANTS: Final = {
    "PAGE": PAGE,
    "ROTATED": ROTATED,
    "SIGN_MS": SIGN_MS,
    "FORGOTTEN_MS": FORGOTTEN_MS,
    "LIFE_MS": LIFE_MS,
}


def counting_keys(prefix: str) -> list[str]:
    """Return the keys that `COUNTING` needs."""
    return [f"{prefix}:storage:{name}" for name in ("used", "changes", "ends", "kept")]


@dataclass(frozen=True, slots=True)
class Total:
    """What is stored for a scope."""

    scope: str
    used: int
    """Altogether."""
    mine: int
    """Of it in the own folder, as far as it was told."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the server says to what it was told."""

    is_known: bool
    """Whether it had heard of the folder before; if not, all is to be told."""
    has_more: bool
    """Whether it is to be asked again at once."""
    version: str
    totals: list[Total]
    """What has changed up to this version, the oldest change first."""


class StorageTable:
    """What is stored, on a server, over a connection that holds and reads text."""

    def __init__(self, client: Redis, prefix: str, folder: str) -> None:
        """Take the connection.

        Args:
            client: Reads answers as text.
            prefix: Begins all names.
            folder: ID of the own folder.
        """
        self._client = client
        self._folder = folder
        self._stem = f"{prefix}:storage:folder:"
        self._keys = [f"{prefix}:storage:folders", self._stem + folder, *counting_keys(prefix)]
        script = _EXCHANGE
        for name, value in _CONSTANTS.items():
            script = script.replace(name, str(value))
        self._exchange = client.register_script(script)

    async def told(self) -> set[str]:
        """Return the scopes of which something is told to lie in the own folder."""
        return set(cast("list[str]", await self._client.hkeys(self._keys[1])))

    async def exchange(self, since: str, told: Mapping[str, int]) -> Heard:
        """Tell what lies in the own folder of some scopes, and hear what has changed since a version."""
        arguments: list[str | int] = [self._folder, since, self._stem]
        for scope, amount in told.items():
            arguments += [scope, amount]
        is_known, has_more, version, totals = await self._exchange(keys=self._keys, args=arguments)
        rows = zip(totals[::3], totals[1::3], totals[2::3], strict=True)
        heard = [Total(scope, int(used), int(mine)) for used, mine, scope in rows]
        return Heard(bool(is_known), bool(has_more), version, heard)
