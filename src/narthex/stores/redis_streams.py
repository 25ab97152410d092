"""Streams in Redis or Valkey: written by the process that makes them, read by all, ended by whoever finds it dead.

Every change is a script that looks before it writes, at one stroke: a process appends to what is its own and has not
been ended, behind the event that it believes to be the last; a stream is ended for another process only while that one
gives no sign of life.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from narthex.stores.stream_records import MESSAGE, Entry, Names, StreamFacts, StreamKey, pack, unpack

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.typing import KeyT, StreamIdT

RUNNING_MS: Final = 86_400_000
"""When a stream is forgotten of which nothing was heard any more."""
CLAIM_MS: Final = 60_000
"""For how long an ID is held of which no stream has begun."""
_INBOX_MS: Final = 60_000
_MAX_MESSAGES: Final = 10_000
_WAS_MS: Final = 600_000
"""For how long it is told that a stream has expired."""
_MAX_LISTED: Final = 1_000
_PAGE: Final = 256
"""Entries that are read at once."""

_Raw = list[tuple[bytes, dict[bytes, bytes]]]
"""Entries with their IDs, as they are read."""

FOREIGN: Final = -1
ENDED: Final = -2

_APPEND: Final = """
local node, running_ms, was_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local open, told, at = KEYS[1], {}, 3
for group = 1, (#KEYS - 1) / 4 do
  local events, facts, was, listed = unpack(KEYS, group * 4 - 2, group * 4 + 1)
  local member, expected, last, held, record, digest, dialect, request, created, began, report, keep_ms =
    unpack(ARGV, at + 1, at + 12)
  at = at + 12
  local known = redis.call('HMGET', facts, 'node', 'ended', 'last')
  if known[1] and known[1] ~= node then
    told[group] = {FOREIGN, 0}
  elseif known[2] == 'lost' then
    told[group] = {ENDED, 0}
  elseif known[2] then
    told[group] = {tonumber(known[3] or '0'), 1}
  elseif (known[3] or '0') ~= expected then
    told[group] = {tonumber(known[3] or '0'), 0}
  else
    if not known[1] then
      redis.call('HSET', facts, 'node', node, 'digest', digest, 'dialect', dialect, 'request', request)
    end
    if not known[3] then
      local id = string.match(member, ':(.*)$')
      redis.call('ZADD', listed, created, id)
      redis.call('SADD', open, member)
      -- A server that lets things go for want of memory may have let go of the facts alone.
      redis.call('DEL', events)
    end
    if record ~= '' then
      redis.call('XADD', events, 'MINID', '~', held .. '-0', last .. '-0', 'r', record)
    end
    redis.call('HSET', facts, 'last', last, 'began', began)
    if report ~= '' then redis.call('HSET', facts, 'report', report) end
    local life_ms = running_ms
    if keep_ms ~= '' then
      life_ms = keep_ms
      redis.call('XADD', events, last .. '-1', 'e', report)
      redis.call('HSET', facts, 'ended', 'own')
      redis.call('SREM', open, member)
      redis.call('SET', was, '1', 'PX', tonumber(keep_ms) + was_ms)
    end
    redis.call('PEXPIRE', events, life_ms)
    redis.call('PEXPIRE', facts, life_ms)
    if redis.call('PTTL', listed) < tonumber(life_ms) then redis.call('PEXPIRE', listed, life_ms) end
    told[group] = {tonumber(last), 1}
  end
end
return told
""".replace("FOREIGN", str(FOREIGN)).replace("ENDED", str(ENDED))

_CLAIM: Final = """
local events, facts, listed, open, was = unpack(KEYS)
local node, digest, dialect, request, member, claim_ms = unpack(ARGV)
local known = redis.call('HMGET', facts, 'node', 'ended', 'began')
if known[1] then
  -- What failed before there was anything to read is asked for again.
  if not known[2] or known[3] == '1' then return 0 end
  redis.call('DEL', events, facts, was)
end
redis.call('HSET', facts, 'node', node, 'digest', digest, 'dialect', dialect, 'request', request)
redis.call('PEXPIRE', facts, claim_ms)
return 1
"""

_LOSE: Final = """
local events, facts, alive, open, was = unpack(KEYS)
local expected, record, report, keep_ms, member, was_ms = unpack(ARGV)
local known = redis.call('HMGET', facts, 'node', 'ended', 'last')
if not known[1] then redis.call('SREM', open, member) return 0 end
if known[2] or (known[3] or '0') ~= expected or redis.call('EXISTS', alive) == 1 then return 0 end
local last = tonumber(expected) + 1
redis.call('XADD', events, last .. '-0', 'r', record)
redis.call('XADD', events, last .. '-1', 'e', report)
redis.call('HSET', facts, 'last', last, 'ended', 'lost', 'report', report)
redis.call('PEXPIRE', events, keep_ms)
redis.call('PEXPIRE', facts, keep_ms)
redis.call('SET', was, '1', 'PX', tonumber(keep_ms) + tonumber(was_ms))
redis.call('SREM', open, member)
return 1
"""

_FORGET: Final = """
local events, facts, was, listed, open = unpack(KEYS)
local node, id, member, was_ms = unpack(ARGV)
redis.call('SREM', open, member)
local writer = redis.call('HGET', facts, 'node')
-- What another process has taken meanwhile is not ours to forget.
if writer and writer ~= node then return 0 end
redis.call('DEL', events, facts)
redis.call('SET', was, '1', 'PX', was_ms)
redis.call('ZREM', listed, id)
return 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What is to be written down of one stream."""

    key: StreamKey
    expected: int
    """Number of the event that is believed to be the last one there."""
    last: int
    """Number of the last event that will be there."""
    held: int
    """Number of the oldest event that is worth holding."""
    events: Sequence[bytes]
    digest: bytes
    dialect: str
    request: str
    created_at: int
    began: bool
    report: bytes
    """How it stands; empty if that need not be told again."""
    keep_s: float | None
    """For how long it is held from now on, if it has ended."""


class Outcome(NamedTuple):
    """What became of an addition."""

    last: int
    """Number of the last event that is there now; or `FOREIGN`, or `ENDED`."""
    taken: bool
    """Whether all of the addition is there."""


class NodeTable:
    """The processes that share streams, and what they say to each other."""

    def __init__(self, client: Redis, names: Names) -> None:
        self._client = client
        self._names = names

    async def beat(self, node: str, life_ms: int) -> None:
        """Give a sign of life."""
        names = self._names
        pipe = self._client.pipeline(transaction=False)
        pipe.set(names.alive(node), b"1", px=life_ms)
        pipe.zadd(names.nodes, {node: time.time()})
        pipe.pexpire(names.nodes, RUNNING_MS)
        pipe.pexpire(names.open(node), RUNNING_MS)
        await pipe.execute()

    async def leave(self, node: str) -> None:
        """Give none any more."""
        await self._client.delete(self._names.alive(node), self._names.inbox(node))

    async def dead(self, nodes: Sequence[str]) -> list[str]:
        """Return those of these processes that give no sign of life."""
        pipe = self._client.pipeline(transaction=False)
        for node in nodes:
            pipe.exists(self._names.alive(node))
        return [node for node, there in zip(nodes, await pipe.execute(), strict=True) if not there]

    async def all(self) -> list[str]:
        """Return all processes of which something is left."""
        nodes = await self._client.zrange(self._names.nodes, 0, -1)
        return [node.decode() for node in cast("list[bytes]", nodes)]

    async def bury(self, node: str) -> None:
        """Forget a process that is dead and has left nothing open."""
        await self._client.zrem(self._names.nodes, node)

    async def send(self, node: str, message: bytes) -> None:
        """Write to a process."""
        inbox = self._names.inbox(node)
        pipe = self._client.pipeline(transaction=False)
        pipe.xadd(inbox, {MESSAGE: message}, maxlen=_MAX_MESSAGES, approximate=True)
        pipe.pexpire(inbox, _INBOX_MS)
        await pipe.execute()


class StreamStore:
    """The streams on a server, over a connection that holds."""

    def __init__(self, client: Redis, names: Names) -> None:
        self._client = client
        self.names = names
        self.nodes = NodeTable(client, names)
        self._append, self._forget = _APPEND, _FORGET
        self._claim = client.register_script(_CLAIM)
        self._lose = client.register_script(_LOSE)

    async def prepare(self) -> None:
        """Make ready."""
        # Text whatever other answers are read as.
        self._append = str(await self._client.script_load(_APPEND))
        self._forget = str(await self._client.script_load(_FORGET))

    # -- writing ---------------------------------------------------------------------------------------------------

    async def claim(self, key: StreamKey, facts: StreamFacts) -> bool:
        """Take an ID; False if it stands for another stream."""
        names = self.names
        keys = [names.events(key), names.facts(key), names.listed(key.owner), names.open(facts.node), names.was(key)]
        args = [facts.node, facts.digest.hex(), facts.dialect, facts.request, key.member, str(CLAIM_MS)]
        return bool(await self._claim(keys=keys, args=args))

    async def append(self, node: str, additions: Sequence[Addition]) -> list[Outcome]:
        """Write events and reports down.

        Returns:
            What became of each: `FOREIGN` if the stream is another process's, and `ENDED` if another has ended it.
        """
        names = self.names
        keys: list[str] = [names.open(node)]
        args: list[str | bytes] = [node, str(RUNNING_MS), str(_WAS_MS)]
        for one in additions:
            key = one.key
            keys += (names.events(key), names.facts(key), names.was(key), names.listed(key.owner))
            args += (
                *(key.member, str(one.expected), str(one.last), str(one.held)),
                *(pack(one.events) if one.events else b"", one.digest.hex(), one.dialect, one.request),
                *(str(one.created_at), str(int(one.began)), one.report, _ms(one.keep_s)),
            )
        told = await self._client.evalsha(self._append, len(keys), *keys, *args)
        return [Outcome(last, bool(taken)) for last, taken in cast("list[tuple[int, int]]", told)]

    async def lose(
        self, key: StreamKey, facts: StreamFacts, last_words: bytes, *, report: bytes, keep_s: float
    ) -> bool:
        """End a stream whose process is dead; False if it lives, or the stream stands otherwise than believed."""
        names = self.names
        node = facts.node
        keys = [names.events(key), names.facts(key), names.alive(node), names.open(node), names.was(key)]
        args: list[str | bytes] = [str(facts.last), pack([last_words]), report, _ms(keep_s), key.member, str(_WAS_MS)]
        return bool(await self._lose(keys=keys, args=args))

    async def forget(self, node: str, keys: Sequence[StreamKey]) -> None:
        """Hold these streams of a process no longer."""
        names = self.names
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            held = (names.events(key), names.facts(key), names.was(key), names.listed(key.owner), names.open(node))
            pipe.evalsha(self._forget, len(held), *held, node, key.id, key.member, _WAS_MS)
        await pipe.execute()

    # -- reading ---------------------------------------------------------------------------------------------------

    async def facts(self, key: StreamKey) -> StreamFacts | None:
        """Return what is known of a stream; None if there is none."""
        told = await self._client.hgetall(self.names.facts(key))
        return StreamFacts.read(cast("Mapping[bytes, bytes]", told))

    async def was(self, key: StreamKey) -> bool:
        """Tell whether there was a stream lately."""
        return bool(await self._client.exists(self.names.was(key)))

    async def left_open(self, node: str) -> list[StreamKey]:
        """Return the streams that a process has not ended."""
        members = cast("set[bytes]", await self._client.smembers(self.names.open(node)))
        return [StreamKey.of_member(member.decode()) for member in members]

    async def whole(self, key: StreamKey) -> tuple[StreamFacts | None, list[Entry]]:
        """Return what is known of a stream, and all that is there of it by then, and perhaps more."""
        events = self.names.events(key)
        pipe = self._client.pipeline(transaction=True)
        pipe.hgetall(self.names.facts(key))
        pipe.xrange(events, count=_PAGE)
        told, page = await pipe.execute()
        entries = _entries(page)
        while len(page) == _PAGE:
            told_more = await self._client.xrange(events, min=f"({page[-1][0].decode()}", count=_PAGE)
            page = cast("_Raw", told_more)
            entries += _entries(page)
        return StreamFacts.read(told), entries

    async def listed(self, owner: str) -> list[tuple[StreamKey, StreamFacts]]:
        """Return the streams of one owner, the newest first."""
        names = self.names
        ids = await self._client.zrange(names.listed(owner), 0, _MAX_LISTED - 1, desc=True)
        keys = [StreamKey(owner, name.decode()) for name in cast("list[bytes]", ids)]
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.hgetall(names.facts(key))
        read = list(zip(keys, map(StreamFacts.read, await pipe.execute()), strict=True)) if keys else []
        gone = [key.id for key, facts in read if facts is None]
        if gone:
            await self._client.zrem(names.listed(owner), *gone)
        return [(key, facts) for key, facts in read if facts is not None]

    # -- following -------------------------------------------------------------------------------------------------

    async def news(
        self, inbox: tuple[str, str], followed: Mapping[StreamKey, str], block_ms: int
    ) -> tuple[list[tuple[str, bytes]], list[tuple[StreamKey, list[Entry]]]]:
        """Wait for what is new.

        Args:
            inbox: A process, and the ID of the last message that it has read.
            followed: Streams, and the ID of the last entry read of each.
            block_ms: How long to wait at most.

        Returns:
            Messages with their IDs, and entries by stream.
        """
        node, seen = inbox
        names = {self.names.events(key): key for key in followed}
        keys = [self.names.inbox(node), *names]
        ids = [seen, *followed.values()]
        wanted = dict(zip(keys, ids, strict=True))
        told = await self._client.xread(cast("dict[KeyT, StreamIdT]", wanted), count=_PAGE, block=block_ms)
        messages: list[tuple[str, bytes]] = []
        entries: list[tuple[StreamKey, list[Entry]]] = []
        for name, raw in _streams(told):
            key = names.get(name.decode())
            if key is not None:
                entries.append((key, _entries(raw)))
            else:
                messages += [(id_.decode(), fields[MESSAGE]) for id_, fields in raw if MESSAGE in fields]
        return messages, entries


def _streams(told: object) -> list[tuple[bytes, _Raw]]:
    """Return what `XREAD` found, by stream, however the protocol tells it."""
    if not told:
        return []
    if isinstance(told, dict):
        # The third version of the protocol has one list more.
        found = cast("dict[bytes, list[_Raw]]", told)
        return [(name, [one for part in raw for one in part]) for name, raw in found.items()]
    return [(name, raw) for name, raw in cast("list[tuple[bytes, _Raw]]", told)]


def _entries(raw: _Raw) -> list[Entry]:
    return [unpack(name, fields) for name, fields in raw]


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else str(max(1, round(seconds * 1000)))
