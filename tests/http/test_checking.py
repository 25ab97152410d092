"""Long checks: one at a time, and for as long as somebody waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import cast

import pytest

from narthex.errors import Conflict, DeadlineExceeded
from narthex.http.checking import Checks, Reads
from narthex.stores.database import Database
from narthex.tenancy.office import Office


class _Office:
    """Has a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def database(self) -> Database:
        """Return it."""
        return self._database


async def test_one_check_at_a_time(database: Database) -> None:
    """Whoever comes meanwhile is told so."""
    office = cast("Office", _Office(database))
    begun, go_on, read = threading.Event(), threading.Event(), list[None]()

    def check(reads: Reads) -> Mapping[str, object]:
        begun.set()
        go_on.wait(20)
        read.append(reads.read_now(lambda _: None))
        return {"read": True}

    checks = Checks(office)
    first = asyncio.ensure_future(checks.run(check))
    await asyncio.to_thread(begun.wait, 20)
    with pytest.raises(Conflict, match="under way"):
        await checks.run(check)
    go_on.set()
    assert (await first, len(read)) == ({"read": True}, 1)


async def test_a_check_that_takes_too_long_reads_no_more(database: Database) -> None:
    """Whoever asked is told of the command, which has no such bound."""
    go_on, ended, read = threading.Event(), threading.Event(), list[None]()

    def check(reads: Reads) -> Mapping[str, object]:
        go_on.wait(20)
        try:
            read.append(reads.read_now(lambda _: None))
        finally:
            ended.set()
        return {}

    with pytest.raises(DeadlineExceeded, match="command line"):
        await Checks(cast("Office", _Office(database)), longest_s=0.01).run(check)
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 20)
    assert read == []
