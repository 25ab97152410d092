"""What is kept for workspaces is counted in bytes, as it comes and goes, and after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from narthex.errors import LimitExceeded
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.quotas import Quotas, StoredBytes
from narthex.pipeline.recorder import Recorder
from narthex.pipeline.storage import ShelfRoom, count_storage
from narthex.stores.shelves import ENTRY_BYTES, MemoryShelf, ShelfLimits
from narthex.streams.log import Log
from narthex.streams.recording import RecordingHead
from narthex.streams.recording_files import files_in
from narthex.streams.recordings import Recordings
from narthex.tenancy.keys import Caller
from narthex.testing.wires import openai_answer
from narthex.types.accounts import Account
from narthex.types.dialects import Dialect
from narthex.types.limits import Measure
from tests.ledger.limits.making import ACCOUNT
from tests.ledger.limits.test_quotas import stock
from tests.pipeline.doubles import Double, House, exchange, whole

CALLER = Caller(name="you", account=ACCOUNT, workspace="ws_1")
NAME_BYTES = len("workspace:ws_1") + 1


def quotas_of(amount: int) -> Quotas:
    """Return what holds a workspace to so many bytes."""
    return Quotas(Meters([stock(amount, "storage_bytes")]))


async def record(recordings: Recordings, name: str, *events: bytes, account: Account = ACCOUNT) -> Path:
    """Record a stream of these events to its end, and return its file."""
    log = Log(Dialect.OPENAI_CHAT)
    head = RecordingHead(
        id=name,
        owner=CALLER.owner,
        dialect="openai.chat",
        model="m",
        created_at=1,
        recorded_at=1,
        first_seq=1,
        organisation_id=account.organisation_id,
        workspace_id=account.workspace_id,
    )
    recordings.begin(log, head, lambda: ((), (), msgspec.Raw(b"null")))
    for event in events:
        log.append(event)
    log.close()
    await asyncio.sleep(0)
    await recordings.look()
    return await recordings.find(CALLER.owner, name)


async def test_what_lies_on_a_shelf_counts_until_it_is_gone() -> None:
    """Whether it is taken away, makes room, or its time is over; another owner's is another's."""
    now = [0.0]
    shelf = MemoryShelf(ShelfLimits(max_bytes=10_000, owner_bytes=1_200, keep_s=10), lambda: now[0])
    quotas = quotas_of(2_000)
    room = ShelfRoom(StoredBytes(quotas), shelf)

    async def put(name: str, size: int) -> None:
        room.check(CALLER.owner, ACCOUNT, ENTRY_BYTES + size)
        await shelf.put(CALLER.owner, name, bytes(size))

    await put("a", 100)
    await shelf.put("key:other", "a", b"x")
    each = ENTRY_BYTES + NAME_BYTES + 100
    assert quotas.used(ACCOUNT, Measure.STORAGE) == each
    await put("a", 50)
    assert quotas.used(ACCOUNT, Measure.STORAGE) == each - 50
    await put("b", 100)
    await put("c", 100)
    assert quotas.used(ACCOUNT, Measure.STORAGE) == each, "each makes room for the next"
    await shelf.delete(CALLER.owner, "c")
    await put("d", 0)
    now[0] = 11
    await room.look()
    assert [quotas.used(one, Measure.STORAGE) for one in (ACCOUNT, Account())] == [0, 0]
    with pytest.raises(LimitExceeded, match="no room for"):
        await put("e", 2_000)


async def test_recordings_are_counted_from_their_files(tmp_path: Path) -> None:
    """As large as they are; one that outgrows the limit ends, and what a process finds at its start counts too."""
    quotas, first = quotas_of(1_500), Recordings(tmp_path)
    house = House(Double(whole(openai_answer("B"))))
    await count_storage(quotas, Recorder(first), house.responses, house.shelf)

    file = await record(first, "a", b"data: x\n\n")
    assert quotas.used(ACCOUNT, Measure.STORAGE) == file.stat().st_size
    await record(first, "b", b"data: %s\n\n" % bytes(3_000))
    assert (await first.report(CALLER.owner, "b")).reason == "no_room"
    await first.aclose()
    there = sum(one.stat().st_size for one in files_in(tmp_path))

    after, again = quotas_of(there), Recordings(tmp_path)
    await count_storage(after, Recorder(again), house.responses, house.shelf)
    assert after.used(ACCOUNT, Measure.STORAGE) == there
    with pytest.raises(LimitExceeded):
        await again.room(ACCOUNT)
    # As whoever keeps things for so long only does it: from outside.
    for one in list(files_in(tmp_path)):
        one.unlink()
    await again.room(ACCOUNT)
    assert after.used(ACCOUNT, Measure.STORAGE) == 0
    await again.aclose()


async def test_a_response_without_room_is_not_kept_and_says_so() -> None:
    """Unless its caller asks for it, who is refused before anything is sent."""
    house = House(Double(*[whole(openai_answer("B"))] * 3))
    room = ShelfRoom(StoredBytes(quotas := quotas_of(ENTRY_BYTES + 60)), house.shelf)
    house.responses.room = room
    asked = exchange({"model": "up/m", "input": "A" * 100}, dialect=Dialect.OPENAI_RESPONSES)
    asked.caller = CALLER
    answer = await house.engine.handle(asked)
    assert ("x-narthex-not-kept", "storage_bytes") in asked.told
    assert b'"store":false' in answer.body.replace(b" ", b"")
    for member in ("store", "background"):
        wish = exchange({"model": "up/m", "input": "A" * 100, member: True}, dialect=Dialect.OPENAI_RESPONSES)
        wish.caller = CALLER
        with pytest.raises(LimitExceeded, match="stored bytes for workspace"):
            await house.engine.handle(wish)
    small = exchange({"model": "up/m", "input": "A"}, dialect=Dialect.OPENAI_RESPONSES)
    small.caller = CALLER
    await house.engine.handle(small)
    await asyncio.sleep(0)
    # There was room for what was asked, and with its answer there is none.
    assert quotas.used(ACCOUNT, Measure.STORAGE) == 0
    assert house.responses._refused == 1
