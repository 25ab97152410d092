"""Notes in Redis or Valkey: one hash, changed by a script, and a channel on which each change is told.

The script decides what holds, gives out versions and tells all readers, at one stroke; times are the server's own. A
record is six lines: version, held, end, forgotten, writer, text; ends are milliseconds of the server's clock.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from narthex.stores.link import RedisLink, raise_if_cancelled
from narthex.stores.listening import PING_S, hear, subscribed
from narthex.stores.notes import Contents, Draft, Note, Verdict
from narthex.stores.replica import Replica

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

LIFE_MS: Final = 30 * 86_400_000
"""When everything is forgotten, if no process comes any more."""

_COMMON: Final = """
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local function read(record)
  if not record then return nil end
  local version, held, till, gone, writer, text = string.match(record, '^(.-)\\n(.-)\\n(.-)\\n(.-)\\n(.-)\\n(.*)$')
  if not version then return nil end
  return {version = version, held = held, till = tonumber(till), gone = tonumber(gone), writer = writer, text = text}
end
local now = clock()
local now_ms = math.floor(now / 1000)
local function left(note) return string.format('%.0f', math.max(0, note.till - now_ms)) end
local function over(note) return note.gone and note.gone <= now_ms end
-- The table is as old as this; another value says that it was lost meanwhile.
redis.call('HSETNX', KEYS[1], '#born', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], LIFE)
""".replace("LIFE", str(LIFE_MS))

POST: Final = (
    _COMMON
    + """
local topic, writer, manner, base, held, till_ms, keep_ms, text = unpack(ARGV)
local stored = read(redis.call('HGET', KEYS[1], topic))
if stored and over(stored) then stored = nil end
local refused = stored and manner ~= 'hand'
  and (manner == 'restore' or stored.held == '1' or (manner == 'claim' and stored.version ~= base))
if refused then
  return {0, stored.version, stored.held, left(stored), stored.writer, stored.text}
end
-- Versions grow even where the table was lost: the clock is their floor.
local last = tonumber(redis.call('HGET', KEYS[1], '#version') or '0')
local version = string.format('%.0f', math.max(last + 1, now))
local gone = keep_ms == '' and '' or string.format('%.0f', now_ms + tonumber(keep_ms))
local till = string.format('%.0f', now_ms + tonumber(till_ms))
local record = table.concat({version, held, till, gone, writer, text}, '\\n')
redis.call('HSET', KEYS[1], '#version', version, topic, record)
redis.call('PUBLISH', KEYS[1], table.concat({topic, version, held, till_ms, writer, text}, '\\n'))
return {1, version, held, till_ms, writer, text}
"""
)

LOAD: Final = (
    _COMMON
    + """
local found = {redis.call('HGET', KEYS[1], '#born')}
local all = redis.call('HGETALL', KEYS[1])
for index = 1, #all, 2 do
  local topic, note = all[index], read(all[index + 1])
  if note and over(note) then
    redis.call('HDEL', KEYS[1], topic)
  elseif note then
    table.insert(found, {topic, note.version, note.held, left(note), note.writer, note.text})
  end
end
return found
"""
)


class RedisTable:
    """The notes on a server, over a connection that holds."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._key = f"{prefix}:notes"
        self._post = client.register_script(POST)
        self._load = client.register_script(LOAD)

    @property
    def channel(self) -> str:
        """Where each note is told."""
        return self._key

    async def post(self, draft: Draft, writer: str) -> Verdict:
        """See `notes.Table`."""
        keep_ms = "" if draft.keep_s is None else _ms(draft.keep_s)
        arguments = [
            *(draft.topic, writer, draft.manner.value, str(draft.base), str(int(draft.held))),
            *(_ms(draft.left_s), keep_ms, draft.text),
        ]
        taken, *told = await self._post(keys=[self._key], args=arguments)
        return Verdict(taken=bool(taken), note=_note([draft.topic, *told]))

    async def load(self) -> Contents:
        """See `notes.Table`."""
        born, *records = await self._load(keys=[self._key])
        return Contents(born=str(born), notes=tuple(_note(record) for record in records))


class RedisNotes:
    """Keeps a replica and a server together."""

    def __init__(self, link: RedisLink, replica: Replica) -> None:
        self._link = link
        self._replica = replica
        self._written = asyncio.Event()
        replica.on_write = self._written.set

    async def run(self) -> None:
        """Do so until cancelled."""
        await self._link.run(self._session, ended=self._replica.left)

    async def settle(self, timeout_s: float) -> bool:
        """Wait until everything that was written here is answered; False where that takes too long, or cannot be."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._replica.settled:
                    if not self._link.up:
                        return False
                    await asyncio.sleep(0.001)
        except TimeoutError:
            return False
        return True

    async def _session(self, client: Redis) -> None:
        table = RedisTable(client, self._link.settings.prefix)
        async with client.pubsub() as readings:
            # First the channel, then the table: what is written between the two is read twice, and never missed.
            await readings.subscribe(table.channel)
            await subscribed(readings, timeout_s=self._link.settings.timeout_s)
            self._replica.joined(await table.load())
            self._link.connected()
            self._written.set()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(readings))
                    group.create_task(self._write(client, table))
            except ExceptionGroup as failed:
                # One of the two broke, and the other was ended for it.
                raise failed.exceptions[0] from failed

    async def _read(self, readings: PubSub) -> None:
        """Hear what others write."""

        def heard(said: object) -> None:
            self._replica.heard(_note(cast("str", said).split("\n", 5)))

        await hear(readings, heard, timeout_s=self._link.settings.timeout_s)

    async def _write(self, client: Redis, table: RedisTable) -> None:
        """Send what is written here as soon as it is."""
        while True:
            raise_if_cancelled()
            try:
                async with asyncio.timeout(PING_S):
                    await self._written.wait()
            except TimeoutError:
                await client.ping()
                continue
            self._written.clear()
            while (draft := self._replica.next()) is not None:
                self._replica.answered(draft.topic, await table.post(draft, self._replica.writer))
                raise_if_cancelled()


def _note(told: list[str]) -> Note:
    topic, version, held, left_ms, writer, text = told
    return Note(
        topic=topic, text=text, version=int(version), held=held == "1", left_s=int(left_ms) / 1000, writer=writer
    )


def _ms(seconds: float) -> str:
    return str(max(0, round(seconds * 1000)))
