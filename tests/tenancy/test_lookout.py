"""A look for keys that were made just now."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from narthex.errors import StoreUnreachable
from narthex.tenancy import lookout as module
from narthex.tenancy.keys import KeyMark
from narthex.tenancy.lookout import DISTANCE_S, MOST_WAITING, Lookout


class _Tower:
    """A lookout with a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.begun: list[float] = []
        self.open = asyncio.Event()
        self.open.set()
        self.is_away = False
        self._tasks: list[asyncio.Task[None]] = []
        self.lookout = Lookout(self._catch_up, self._spawn, clock=lambda: self.now_s, sleep=self._sleep)

    async def _catch_up(self) -> None:
        self.begun.append(self.now_s)
        await self.open.wait()
        if self.is_away:
            raise StoreUnreachable

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        self._tasks.append(asyncio.get_running_loop().create_task(work))
        return self._tasks[-1]

    async def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)

    async def look(self, *names: int) -> None:
        """Have keys looked for at once."""
        await asyncio.gather(*(self.lookout.look(KeyMark(b"%d" % name)) for name in names))


async def test_many_who_ask_at_once_share_one_look() -> None:
    """However many keys somebody tries."""
    tower = _Tower()
    await tower.look(*range(50))
    assert tower.begun == [100.0]


async def test_looks_keep_their_distance() -> None:
    """The next one waits for its time, and whoever comes while one reads has the next one."""
    tower = _Tower()
    await tower.look(1)
    await tower.look(2)
    assert tower.begun == [100.0, 100.0 + DISTANCE_S]
    tower.open.clear()
    first = asyncio.ensure_future(tower.look(3))
    await asyncio.sleep(0.01)
    second = asyncio.ensure_future(tower.look(4, 5))
    await asyncio.sleep(0.01)
    assert len(tower.begun) == 4
    tower.open.set()
    await asyncio.gather(first, second)
    assert tower.begun[2:] == [100.0 + 2 * DISTANCE_S, 100.0 + 3 * DISTANCE_S]


async def test_a_key_is_looked_for_once() -> None:
    """One that there is none such is refused at once from then on."""
    tower = _Tower()
    await tower.look(1)
    for _ in range(3):
        await tower.look(1)
    assert len(tower.begun) == tower.lookout.looks == 1


async def test_few_wait_for_a_look() -> None:
    """Those beyond are not kept waiting, and take up nothing."""
    tower = _Tower()
    tower.open.clear()
    waiting = [asyncio.ensure_future(tower.look(number)) for number in range(MOST_WAITING)]
    await asyncio.sleep(0.01)
    await asyncio.wait_for(tower.look(*range(1_000, 1_200)), 30)
    tower.open.set()
    await asyncio.gather(*waiting)
    assert len(tower.begun) == 1


async def test_where_the_database_is_away_nothing_is_learned() -> None:
    """The same key is looked for again, when the distance is kept."""
    tower = _Tower()
    tower.is_away = True
    await tower.look(1)
    tower.is_away = False
    await tower.look(1)
    assert (len(tower.begun), tower.lookout.looks) == (2, 1)


async def test_what_is_remembered_is_bounded() -> None:
    """The oldest go first."""
    tower = _Tower()
    for number in range(module.MOST_UNKNOWN // 64 + 2):
        await tower.look(*range(number * 64, number * 64 + 64))
    looks = len(tower.begun)
    await tower.look(module.MOST_UNKNOWN + 64)
    assert len(tower.begun) == looks
    await tower.look(0)
    assert len(tower.begun) == looks + 1
