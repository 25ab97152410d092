"""Carries questions about limits to a Redis or Valkey, and what was used: many at once, in the order they came."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from narthex.ledger.limits.redis_table import Meter, RedisTable, Taken, Told, read_told
from narthex.stores.link import LinkSettings, RedisLink, raise_if_cancelled

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

PING_S: Final = 1.0
"""How often it is looked whether the server is there while nobody asks anything."""
FLUSH_S: Final = 1.0
"""How long a process that stops takes at most to tell what is left."""
MAX_OWED: Final = 100_000
"""Settlements that wait for a server that is away; the oldest are let go of, and lapse there."""
_GROUP: Final = 128
_NAMES: Final = 1_000

Wants = tuple[tuple[Meter, int], ...]
"""Meters, and how much is wanted of each."""


class _Question(msgspec.Struct):
    name: str
    wants: Wants
    told: asyncio.Future[Told]


class _Settlement(msgspec.Struct):
    name: str
    used: list[tuple[Taken, int]]
    reserved: bool = True
    """Whether anything was reserved for it before."""
    alone: bool = True
    """Whether nobody else tells it."""


class Courier:
    """One connection, over which one group after the other goes."""

    def __init__(self, settings: LinkSettings, hold_s: float) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            settings: Where the server is.
            hold_s: When a reservation lapses of whose process nothing was heard any more.

        Attributes:
            on_joined: Called when the server is there.
            on_unread: Called with a meter whose use is to be read from the ledger, by this process; returns whether it
                will be.
            on_seen: Called with meters that have thresholds, and how they stand, when something of them was used.
        """
        self.hold_s = hold_s
        self.on_joined: Callable[[], None] | None = None
        self.on_seen: Callable[[Meter, Told], None] | None = None
        self.on_unread: Callable[[Meter], bool] | None = None
        self.table: RedisTable | None = None
        self._unread: dict[str, Meter] = {}
        self._settings = settings
        self._link = RedisLink(settings, what="redis (limits)", as_text=False)
        self._questions: deque[_Question] = deque()
        self._owed: deque[_Settlement] = deque()
        self._early: deque[_Settlement] = deque(maxlen=MAX_OWED)
        """Charges of limits whose use is not read from the ledger yet."""
        self._held: set[str] = set()
        self._heard: deque[str] = deque()
        """Settlements of which the server need not know any more that it has heard them."""
        self._woken = asyncio.Event()
        self._renewed_s = 0.0
        self._serial = 0
        self._life = secrets.token_hex(6)

    async def ask(self, wants: Wants) -> tuple[str, Told] | None:
        """Return what the server says, with the name of the reservation; None where it cannot be asked in time."""
        if self.table is None:
            return None
        self._serial += 1
        question = _Question(f"{self._life}-{self._serial}", wants, asyncio.get_running_loop().create_future())
        self._questions.append(question)
        self._woken.set()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                told = await question.told
        except TimeoutError:
            self._take_back(question)
            return None
        except ConnectionError:
            return None
        except asyncio.CancelledError:
            self._take_back(question)
            raise
        if told.answer == "taken":
            self._held.add(question.name)
        return question.name, told

    def tell(self, name: str, used: list[tuple[Taken, int]]) -> None:
        """Tell in a moment what a reservation used."""
        self._held.discard(name)
        self._owe(_Settlement(name, used))

    def charge(self, wants: Wants, *, name: str = "") -> None:
        """Tell in a moment what was used without a reservation; what several processes tell has a name, and is one."""
        self._serial += 1
        used = [(Taken(meter, "", 0), amount) for meter, amount in wants]
        own = f"{self._life}-{self._serial}"
        self._owe(_Settlement(name or own, used, reserved=False, alone=not name))

    def _owe(self, settlement: _Settlement) -> None:
        if len(self._owed) >= MAX_OWED:
            self._owed.popleft()
        self._owed.append(settlement)
        self._woken.set()

    def read_again(self, meter: Meter) -> None:
        """Have the use of a meter's limit read from the ledger, if no process has done so."""
        if meter.shape[2]:
            self._unread[meter.shape[2]] = meter
            self._woken.set()

    # -- its life --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Ask and tell, until cancelled."""
        await self._link.run(self._session, ended=self._left)

    async def ready(self, timeout_s: float) -> None:
        """Wait until it is known whether the server is there, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.table is None and not self._link.tried.is_set():  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.002)

    async def flush(self) -> None:
        """Wait until all is told, for a second at most; at once where the server is away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                while self._owed and self.table is not None:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.005)

    def lines(self) -> Iterator[str]:
        """Yield what is not told yet in Prometheus's text format."""
        yield "# HELP narthex_limits_unsettled Settlements of shared limits that Redis has not heard yet."
        yield "# TYPE narthex_limits_unsettled gauge"
        yield f"narthex_limits_unsettled {len(self._owed)}"

    async def _session(self, client: Redis) -> None:
        table = RedisTable(client, self._settings.prefix)
        await table.prepare()
        self.table = table
        self._link.connected()
        if self.on_joined is not None:
            self.on_joined()
        while True:
            raise_if_cancelled()
            self._woken.clear()
            self._owed.extend(self._early)
            self._early.clear()
            while self._questions or self._owed or self._unread:
                await self._claim(table)
                await self._group(table)
                raise_if_cancelled()
            await self._renew(table)
            try:
                async with asyncio.timeout(PING_S):
                    await self._woken.wait()
            except TimeoutError:
                await client.ping()

    def _left(self) -> None:
        self.table = None
        while self._questions:
            _fail(self._questions.popleft())

    async def _claim(self, table: RedisTable) -> None:
        """Have that read from the ledger which is for this process to read."""
        while self._unread:
            born, meter = self._unread.popitem()
            if await table.claim(meter) and not (self.on_unread is not None and self.on_unread(meter)):
                await table.restore(born, ())

    async def _group(self, table: RedisTable) -> None:
        """Tell and ask what has waited longest."""
        if not self._questions and not self._owed:
            return
        pipe = table.pipeline()
        owed = [self._owed.popleft() for _ in range(min(_GROUP, len(self._owed)))]
        asked = [self._questions.popleft() for _ in range(min(_GROUP, len(self._questions)))]
        watched = self._write(table, pipe, owed, asked)
        heard = [self._heard.popleft() for _ in range(min(_NAMES, len(self._heard)))]
        table.forget(pipe, heard)
        try:
            answers = await pipe.execute()
        except BaseException:
            # What was settled is told again: the server knows whether it had heard it.
            self._owed.extendleft(reversed(owed))
            self._heard.extendleft(reversed(heard))
            for question in asked:
                _fail(question)
            raise
        answers.pop()
        for settlement, raw in zip(owed, answers, strict=False):
            self._told_of(settlement, raw)
        for meter, raw in zip(watched, answers[len(owed) :], strict=False):
            if self.on_seen is not None:
                self.on_seen(meter, read_told(raw))
        for question, raw in zip(asked, answers[len(owed) + len(watched) :], strict=True):
            self._answer(question, read_told(raw))

    def _write(self, table: RedisTable, pipe: Pipeline, owed: list[_Settlement], asked: list[_Question]) -> list[Meter]:
        """Write a group: what was used, how that stands then where somebody is to be told, and what is asked."""
        hold_ms = round(self.hold_s * 1_000)
        watched: dict[str, Meter] = {}
        for settlement in owed:
            if settlement.reserved:
                table.settle(pipe, settlement.name, settlement.used)
            else:
                table.charge(pipe, settlement.name, [(one.meter, used) for one, used in settlement.used])
            for taken, _ in settlement.used:
                if taken.meter.limit.alert_percents:
                    watched[taken.meter.key] = taken.meter
        for meter in watched.values():
            table.look(pipe, meter)
        for question in asked:
            table.reserve(pipe, question.name, hold_ms, question.wants)
        return list(watched.values())

    def _told_of(self, settlement: _Settlement, raw: object) -> None:
        """Take note of what the server says to a settlement."""
        if not settlement.reserved and not raw:
            self._come_early(settlement)
        elif settlement.alone:
            self._heard.append(settlement.name)

    def _come_early(self, settlement: _Settlement) -> None:
        """Charge again in a moment, when the ledger was read."""
        self._early.append(settlement)
        for taken, _ in settlement.used:
            self.read_again(taken.meter)

    def _answer(self, question: _Question, told: Told) -> None:
        if question.told.done():
            self._give_back(question, told)
        else:
            question.told.set_result(told)

    def _take_back(self, question: _Question) -> None:
        """Release what may have been reserved for somebody who waits no more."""
        if question in self._questions:
            self._questions.remove(question)
        elif not question.told.cancelled() and question.told.done() and question.told.exception() is None:
            self._give_back(question, question.told.result())

    def _give_back(self, question: _Question, told: Told) -> None:
        if told.answer == "taken":
            wanted = zip(question.wants, told.stands, strict=True)
            self.tell(question.name, [(Taken(meter, stand.slot, need), 0) for (meter, need), stand in wanted])

    async def _renew(self, table: RedisTable) -> None:
        """Say of what is reserved that somebody is still there."""
        now_s = time.monotonic()
        if not self._held or now_s - self._renewed_s < self.hold_s / 4:
            return
        self._renewed_s = now_s
        names = list(self._held)
        for at in range(0, len(names), _NAMES):
            pipe = table.pipeline()
            table.renew(pipe, round(self.hold_s * 1_000), names[at : at + _NAMES])
            await pipe.execute()


def _fail(question: _Question) -> None:
    if not question.told.done():
        question.told.set_exception(ConnectionError("the server is away"))
