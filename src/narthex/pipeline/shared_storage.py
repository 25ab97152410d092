"""What several processes have stored, as one sum: each tells what lies on its disk, and hears what lies elsewhere.

Nobody waits for it: each process goes by what it has itself, exactly, and by what it heard last of the others, which is
half a second old at most; while Redis is away it gets older. What lies in a folder stays counted when the process that
told of it is gone, as the files stay there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from narthex.ledger.limits.quotas import Quotas, Scope, StoredBytes
from narthex.pipeline.storage import ShelfRoom
from narthex.stores.link import LinkSettings, RedisLink, raise_if_cancelled
from narthex.stores.redis_shelf import RedisShelf
from narthex.stores.redis_storage import PAGE, StorageTable, Total
from narthex.streams.folder_ids import folder_id
from narthex.streams.recordings import Recordings
from narthex.types.accounts import Account
from narthex.types.limits import Measure, SubjectKind

if TYPE_CHECKING:
    from redis.asyncio import Redis

BEAT_S: Final = 0.5
"""How often what has changed is told and heard."""


class SharedStorage:
    """Tells and hears what is stored.

    Attributes:
        room: Counts responses until they are in Redis.
    """

    def __init__(
        self,
        settings: LinkSettings,
        quotas: Quotas,
        recordings: Recordings,
        shelf: RedisShelf,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            settings: Where Redis is.
            quotas: Count what this process has, and are told what there is elsewhere.
            recordings: On the disk.
            shelf: Where responses lie.
            sleep: Waits between two beats.
        """
        self.room = ShelfRoom(StoredBytes(quotas), shelf.waiting, settled=True)
        shelf.count_for(lambda owner: _scopes_of(self.room.account_of(owner)))
        quotas.changed = set()
        self._link = RedisLink(settings, what="redis (storage)")
        self._quotas = quotas
        self._recordings = recordings
        self._sleep = sleep
        self._version = "0"
        self._heard: dict[Scope, int] = {}
        self._told: dict[str, int] = {}
        self._is_strange = False
        """Whether another process has told otherwise of the own folder."""

    async def run(self) -> None:
        """Tell and hear, until cancelled."""
        await self._link.run(self._session, ended=lambda: None)

    async def ready(self, timeout_s: float) -> None:
        """Wait until it is known what is there, or that the server is not, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._link.tried.wait()

    async def _session(self, client: Redis) -> None:
        folder = await asyncio.to_thread(folder_id, self._recordings.folder)
        table = StorageTable(client, self._link.settings.prefix, folder)
        while True:
            await self._begin(table)
            self._link.connected()
            while await self._beat(table):
                raise_if_cancelled()
                await self._sleep(BEAT_S)

    async def _begin(self, table: StorageTable) -> None:
        """Tell all that is here, and hear all that is elsewhere."""
        self._quotas.changed = set()
        gone = len(self.room.gone or ())
        told = [_scope(text) for text in await table.told()]
        values = self._values([*told, *self._quotas.scopes(Measure.STORAGE)])
        self._version, self._heard, self._told = "0", {}, {}
        await self._trade(table, values)
        self._quotas.elsewhere = self._heard
        self.room.settle(gone)

    async def _beat(self, table: StorageTable) -> bool:
        """Tell and hear what has changed; return False where the server has forgotten what it was told."""
        changed, self._quotas.changed = self._quotas.changed or set(), set()
        # What left this process by now is in Redis, and counted there.
        gone = len(self.room.gone or ())
        if not await self._trade(table, self._values(changed)):
            return False
        self.room.settle(gone)
        if self._is_strange:
            self._is_strange = False
            await self._recordings.look()
        return True

    async def _trade(self, table: StorageTable, values: dict[str, int]) -> bool:
        """Tell values, and hear all changes; return whether the server knew of the folder."""
        rest, is_known, has_more = list(values.items()), True, True
        while rest or has_more:
            told, rest = dict(rest[:PAGE]), rest[PAGE:]
            self._told |= told
            heard = await table.exchange(self._version, told)
            raise_if_cancelled()
            is_known, has_more, self._version = is_known and heard.is_known, heard.has_more, heard.version
            for total in heard.totals:
                self._hear(total)
        return is_known

    def _hear(self, total: Total) -> None:
        self._is_strange |= total.mine != self._told.get(total.scope, 0)
        scope = _scope(total.scope)
        if total.used > total.mine:
            self._heard[scope] = total.used - total.mine
        else:
            self._heard.pop(scope, None)

    def _values(self, scopes: Iterable[Scope]) -> dict[str, int]:
        """Return what lies on the disk of each of these."""
        values = {_text(scope): self._quotas.counted(scope) for scope in scopes if scope[0] is Measure.STORAGE}
        for account, size in self.room.held():
            for text in _scopes_of(account):
                if text in values:
                    values[text] -= size
        return values


def _text(scope: Scope) -> str:
    return f"{scope[1]}:{scope[2]}"


def _scope(text: str) -> Scope:
    kind, _, whose = text.partition(":")
    return Measure.STORAGE, SubjectKind(kind), whose


def _scopes_of(account: Account) -> tuple[str, str]:
    return f"{SubjectKind.ORGANISATION}:{account.organisation_id}", f"{SubjectKind.WORKSPACE}:{account.workspace_id}"
