"""What was used before, read from the ledger in both databases."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from narthex.errors import BudgetExceeded
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.restoring import Restorer, Take, read_spent
from narthex.ledger.limits.uses import Spent
from narthex.stores.database import Database
from narthex.stores.database.schema import ledger_entries, usage_hours
from narthex.types.limits import Limit
from tests.ledger.limits.making import ACCOUNT, NOON, Hands, limit
from tests.stores.databases import doing

HOUR = 3_600
CALLS: tuple[tuple[int, dict[str, Any]], ...] = (
    # How long before noon, in seconds, and what differs from the others.
    (600, {}),
    (1_800, {"model": "anthropic/haiku", "model_asked": "fast", "end_user": "ann"}),
    (2 * HOUR, {"key_id": "key_2", "tags": "job=nightly,team=reds"}),
    (13 * HOUR, {"end_user": "ann"}),
    (100 * HOUR, {"tags": ""}),
    (40 * 24 * HOUR, {"workspace_id": "ws_2"}),
)


_NUMBERS = ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "saved_picousd")
_SAME: dict[str, Any] = dict.fromkeys(_NUMBERS, 0) | {
    "organisation_id": "org_1",
    "workspace_id": "ws_1",
    "user_id": "usr_1",
    "key_id": "key_1",
    "tags": "team=red",
    "operation": "chat",
    "model": "openai/gpt-4o",
    "requests": 1,
    "input_tokens": 10,
    "output_tokens": 2,
    "cost_picousd": 1_000_000,
    "duration_ms": 5,
}
_ENTRY: dict[str, Any] = {
    "kind": "call",
    "status": "settled",
    "way": "first",
    "surface": "",
    "provider": "",
    "code": "ok",
    "attempt": 0,
    "price_id": "",
    "estimated": False,
}


def write_calls(database: Database) -> None:
    """Write calls of the last weeks into the ledger, as the book does: each of a microdollar and twelve tokens."""
    for number, (before_s, given) in enumerate(CALLS):
        at = int((NOON - before_s) * 1000)
        row = _SAME | {"end_user": "", "model_asked": "smart"} | given
        entry = row | _ENTRY | {"id": f"r{number}:0", "at": at, "request_id": f"r{number}"}
        known = {name: value for name, value in row.items() if name not in {"end_user", "model_asked"}}
        hour = known | {"hour": at - at % 3_600_000, "attempts": 1, "failures": 0, "estimated": 0}
        database.write_now(doing(insert(ledger_entries).values(**entry)))
        database.write_now(doing(insert(usage_hours).values(**hour)))


def spent(database: Database, one: Limit, value: str | None = None) -> dict[str, int]:
    """Return what is read of a limit at noon, by whose use it is."""
    rows = database.read_now(lambda connection: read_spent(connection, one, value=value, now=NOON))
    found: dict[str, int] = {}
    for row in rows:
        found[row.value] = found.get(row.value, 0) + row.used
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"period": "hour"}, {}),
        ({"period": "hour", "window": "rolling"}, {"": 2}),
        ({"period": "day"}, {"": 2}),
        ({"period": "day", "window": "rolling"}, {"": 3}),
        ({"period": "week"}, {"": 2}),
        ({"period": "month"}, {"": 4}),
        ({"period": "total"}, {"": 5}),
        ({"period": "total", "workspace_id": "ws_2"}, {"": 1}),
        ({"period": "total", "organisation_id": "org_2"}, {}),
        ({"period": "month", "measure": "tokens"}, {"": 48}),
        ({"period": "month", "measure": "output_tokens"}, {"": 8}),
        ({"period": "month", "measure": "cost_microusd"}, {"": 4_000_000}),
        ({"period": "day", "subject": "*"}, {"key_1": 2, "key_2": 1}),
        ({"period": "day", "subject_kind": "workspace", "subject": "ws_1"}, {"": 3}),
        ({"period": "day", "subject_kind": "member", "subject": "usr_1"}, {"": 3}),
        ({"period": "day", "subject_kind": "tag", "subject": "team=red"}, {"": 2}),
        ({"period": "day", "subject_kind": "tag", "subject": "team=*"}, {"red": 2, "reds": 1}),
        ({"period": "day", "subject_kind": "end_user", "subject": "ann"}, {"": 1}),
        ({"period": "month", "subject_kind": "end_user", "subject": "*"}, {"ann": 2}),
        ({"period": "day", "subject_kind": "model", "subject": "anthropic/*"}, {"": 1}),
        ({"period": "day", "subject_kind": "model", "subject": "fast"}, {"": 1}),
        ({"period": "day", "subject_kind": "model", "subject": "*"}, {"openai/gpt-4o": 2, "anthropic/haiku": 1}),
    ],
    ids=str,
)
def test_the_ledger_says_what_was_used(database: Database, given: dict[str, Any], expected: dict[str, int]) -> None:
    """Of the present period, by whichever measure, of whichever subject, and of nobody else."""
    write_calls(database)
    assert spent(database, limit(**given)) == expected


def test_one_of_many_is_read_alone(database: Database) -> None:
    """Who was forgotten is read again without the others."""
    write_calls(database)
    assert spent(database, limit(period="day", subject="*"), "key_2") == {"key_2": 1}
    assert spent(database, limit(period="day", subject_kind="tag", subject="team=*"), "reds") == {"reds": 1}
    assert spent(database, limit(period="day", subject_kind="model", subject="*"), "anthropic/haiku") == {
        "anthropic/haiku": 1
    }


def test_rolling_use_is_read_with_its_times(database: Database) -> None:
    """So that it leaves the period when it should."""
    write_calls(database)
    rolling = limit(period="day", window="rolling", measure="tokens")
    rows = database.read_now(lambda connection: read_spent(connection, rolling, value=None, now=NOON))
    assert sorted((NOON - row.at) / HOUR for row in rows) == [1, 13]


class Unlucky:
    """Meters that fail once to take what was read."""

    def __init__(self, meters: Meters) -> None:
        self.meters = meters
        self.failures = [OSError("away")]
        self.naps: list[float] = []

    def taking(self, one: Limit, value: str | None) -> Take:
        """Return what takes what was read."""
        take = self.meters.taking(one, value)

        def unlucky(rows: list[Spent]) -> None:
            if self.failures:
                raise self.failures.pop()
            take(rows)

        return unlucky

    async def sleep(self, seconds: float) -> None:
        """Take down for how long it is waited."""
        self.naps.append(seconds)


async def test_a_budget_goes_on_after_a_restart(database: Database) -> None:
    """What the ledger has is counted before anything else may be spent; a database that is away is asked again."""
    write_calls(database)
    hands = Hands()
    meters = Meters(wall=hands.wall, steady=hands.steady)
    unlucky = Unlucky(meters)
    restorer = Restorer(database, unlucky.taking, wall=hands.wall, sleep=unlucky.sleep)
    meters.on_unknown = restorer.want
    meters.adopt([limit(measure="cost_microusd", amount=5, period="month")])
    await restorer.catch_up()
    assert unlucky.naps == [5.0]
    reservation = meters.reserve(ACCOUNT, picousd=1_000_000)
    assert reservation is not None
    with pytest.raises(BudgetExceeded):
        meters.reserve(ACCOUNT, picousd=1)


async def test_what_is_wanted_is_read_in_a_moment(database: Database) -> None:
    """Whoever asks for it does not wait."""
    write_calls(database)
    read: list[tuple[str, int]] = []
    done = asyncio.Event()

    def restored(one: Limit, rows: list[Spent]) -> None:
        read.append((one.id, sum(row.used for row in rows)))
        done.set()

    restorer = Restorer(database, lambda one, _: partial(restored, one), wall=Hands().wall)
    task = asyncio.create_task(restorer.run())
    restorer.want(limit(period="month"), None)
    async with asyncio.timeout(20):
        await done.wait()
    task.cancel()
    assert read == [("lim_1", 4)]


async def test_a_limit_that_cannot_be_read_keeps_no_other_waiting(database: Database) -> None:
    """It is tried again behind them."""
    write_calls(database)
    read: list[str] = []
    naps: list[float] = []

    def restored(one: Limit, _rows: list[Spent]) -> None:
        if one.id == "lim_bad" and len(naps) < 3:
            raise ValueError
        read.append(one.id)

    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    restorer = Restorer(database, lambda one, _: partial(restored, one), wall=Hands().wall, sleep=sleep)
    restorer.want(msgspec.structs.replace(limit(period="month"), id="lim_bad"), None)
    restorer.want(limit(period="month"), None)
    await restorer.catch_up()
    assert read == ["lim_1", "lim_bad"]


class Steps:
    """A ledger that stands still when it is told to, and who takes in what is read of it; tells what came when."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def pause(self) -> Steps:
        """Stand still."""
        self.all.append("stops")
        return self

    async def reached(self) -> None:
        """Stand still at last."""
        self.all.append("reached")

    def end(self) -> None:
        """Go on."""
        self.all.append("goes on")

    def taking(self, one: Limit, _value: str | None) -> Take:
        """Return what takes in what is read."""
        self.all.append(f"{one.id} asked")
        return lambda _: self.all.append(f"{one.id} taken")


async def test_what_is_read_stands_still_until_all_of_it_is_read(database: Database) -> None:
    """The meters are asked at the moment at which the ledger stands; those who wait for a limit wait for that."""
    write_calls(database)
    steps = Steps()
    restorer = Restorer(database, steps.taking, pause=steps.pause, wall=Hands().wall)
    for name in ("lim_1", "lim_2"):
        restorer.want(limit(id=name, period="month"), None)
    waiting = asyncio.create_task(restorer.until_read(lambda: ["lim_2"]))
    await restorer.until_read(lambda: ["lim_3"])
    await restorer.catch_up()
    await waiting
    asked, taken = ["lim_1 asked", "lim_2 asked"], ["lim_1 taken", "lim_2 taken"]
    assert steps.all == ["stops", *asked, "reached", *taken, "goes on"]
