"""Responses are kept for their owners, found at once, and gone on from in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import cast

import pytest

from narthex.config.response_settings import ResponseSettings
from narthex.errors import InvalidRequest, Overloaded, PreviousResponseNotFound, ResponseNotFound
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.responses import LARGE_BYTES, Responses, shelf_limits
from narthex.stores.shelves import MemoryShelf
from narthex.streams.stream import Stream
from narthex.tenancy.bounds import Bounds, Keeping
from narthex.tenancy.keys import Caller
from narthex.tenancy.scopes import NO_SCOPES
from narthex.testing.clock import FakeClock
from narthex.types.dialects import Dialect
from tests.pipeline.doubles import exchange

Json = dict[str, object]

ME, YOU = Caller(name="me"), Caller(name="you")


class SlowShelf(MemoryShelf):
    """A shelf that takes a while to put things on, or does not take them."""

    def __init__(self, settings: ResponseSettings, clock: FakeClock) -> None:
        super().__init__(shelf_limits(settings), clock)
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def put(self, owner: str, name: str, value: bytes) -> None:
        """Wait until it is let to; or fail."""
        await self.gate.wait()
        if self.broken:
            raise Overloaded
        await super().put(owner, name, value)


class Room:
    """Responses on a shelf of their own."""

    def __init__(self, **settings: object) -> None:
        self.settings = ResponseSettings.model_validate(settings)
        self.clock = FakeClock()
        self.shelf = SlowShelf(self.settings, self.clock)
        self.tasks: list[asyncio.Task[None]] = []
        self.responses = Responses(self.shelf, self.settings, self.spawn, max_input_bytes=3 * LARGE_BYTES)

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start a task and keep it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        return task

    def keep(
        self, name: str, said: str, *, previous: str | None = None, status: str = "completed", by: Caller = ME
    ) -> None:
        """Keep the response of a call."""
        body = {"id": name, "object": "response", "status": status, "output": [message(f"re {said}")]}
        asked = exchange({"input": said}, dialect=Dialect.OPENAI_RESPONSES)
        asked.caller = by
        asked.answer = Stream.of(json.dumps(body).encode(), Dialect.OPENAI_RESPONSES)
        self.responses.follow(asked, asked.body, previous)

    def counted(self) -> dict[str, int]:
        """Return the counters."""
        told = [line.split() for line in self.responses.lines() if not line.startswith("#")]
        return {name.split("_", 1)[1]: int(count) for name, count in told}


def message(text: str) -> Json:
    """Write what a model says."""
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def texts(body: bytes) -> list[str]:
    """Return what is said in a request, in order."""
    items = cast("list[Json]", json.loads(body)["input"])
    contents = [item["content"] for item in items]
    return [one if isinstance(one, str) else str(cast("list[Json]", one)[0]["text"]) for one in contents]


async def test_a_conversation_is_gone_on_from() -> None:
    """Everything said before comes first, oldest first; nobody else can go on from it."""
    room = Room()
    room.keep("resp_1", "A")
    room.keep("resp_2", "B", previous="resp_1")
    assert texts(await room.responses.go_on(ME, "resp_2", b'{"input":"C"}')) == ["A", "re A", "B", "re B", "C"]
    with pytest.raises(PreviousResponseNotFound) as raised:
        await room.responses.go_on(YOU, "resp_2", b'{"input":"C"}')
    unknown = str(raised.value).replace("resp_2", "resp_9")
    with pytest.raises(PreviousResponseNotFound) as raised:
        await room.responses.go_on(ME, "resp_9", b'{"input":"C"}')
    assert str(raised.value) == unknown


async def test_what_is_being_written_is_waited_for() -> None:
    """Who has read an answer finds it, however long it takes to be put away."""
    room = Room()
    room.shelf.gate.clear()
    room.keep("resp_1", "A")
    asking = asyncio.ensure_future(room.responses.get(ME, "resp_1"))
    foreign = asyncio.ensure_future(room.responses.get(YOU, "resp_1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert foreign.done()
    assert not asking.done()
    room.shelf.gate.set()
    assert (await asking).id == "resp_1"
    assert isinstance(foreign.exception(), ResponseNotFound)
    await asyncio.sleep(0)
    assert not room.responses._writing


async def test_a_chain_with_a_gap_is_not_gone_on_from() -> None:
    """A conversation without its beginning would be another one: what is missing is named."""
    room = Room()
    room.keep("resp_1", "A")
    room.keep("resp_2", "B", previous="resp_1")
    await room.responses.delete(ME, "resp_1")
    with pytest.raises(PreviousResponseNotFound) as raised:
        await room.responses.go_on(ME, "resp_2", b'{"input":"C"}')
    assert "'resp_1', which it goes on from" in raised.value.message
    assert len(await room.responses.input_items(ME, "resp_2")) == 1


async def test_using_a_conversation_renews_all_of_it() -> None:
    """One that goes on does not lose its beginning to its age."""
    room = Room(keep_s=10)
    room.keep("resp_1", "A")
    room.keep("resp_2", "B", previous="resp_1")
    await room.responses.get(ME, "resp_2")
    for _ in range(3):
        room.clock.now_s += 8
        assert len(texts(await room.responses.go_on(ME, "resp_2", b'{"input":"C"}'))) == 5
    room.clock.now_s += 11
    with pytest.raises(PreviousResponseNotFound):
        await room.responses.go_on(ME, "resp_2", b'{"input":"C"}')


@pytest.mark.parametrize("status", ["failed", "cancelled", "in_progress", "queued"])
async def test_only_an_answer_is_gone_on_from(status: str) -> None:
    """What failed or has not ended says what it is."""
    room = Room()
    room.keep("resp_1", "A", status=status)
    with pytest.raises(InvalidRequest, match=status) as raised:
        await room.responses.go_on(ME, "resp_1", b'{"input":"C"}')
    assert raised.value.param == "previous_response_id"


async def test_a_conversation_has_a_largest_size() -> None:
    """What was asked counts as what was answered does."""
    room = Room()
    room.keep("resp_1", "A" * LARGE_BYTES)
    room.keep("resp_2", "B" * LARGE_BYTES, previous="resp_1")
    with pytest.raises(InvalidRequest, match="larger than"):
        await room.responses.go_on(ME, "resp_2", b'{"input":"C"}')


async def test_a_ring_is_gone_round_once() -> None:
    """An upstream's repeated IDs make one, and so does a caller that guesses the next ID."""
    room = Room()
    room.keep("resp_1", "A", previous="resp_2")
    room.keep("resp_2", "B", previous="resp_1")
    with pytest.raises(PreviousResponseNotFound):
        await room.responses.go_on(ME, "resp_1", b'{"input":"C"}')
    assert len(await room.responses.input_items(ME, "resp_1")) == 3


async def test_a_large_one_is_put_together_elsewhere() -> None:
    """Not on the loop that everybody shares; the result is the same."""
    room = Room()
    room.keep("resp_1", "A" * LARGE_BYTES)
    body = await room.responses.go_on(ME, "resp_1", b'{"input":"C"}')
    assert [len(text) for text in texts(body)] == [LARGE_BYTES, LARGE_BYTES + 3, 1]


async def test_what_is_too_large_or_fails_is_counted() -> None:
    """It is not kept, and nothing else happens."""
    room = Room(response_bytes=4_096)
    room.keep("resp_1", "A")
    room.keep("resp_2", "A" * 5_000)
    await asyncio.gather(*room.tasks)
    room.shelf.broken = True
    room.keep("resp_3", "A")
    room.keep("", "A")
    await asyncio.gather(*room.tasks)
    assert room.counted() == {"responses_stored_total": 1, "responses_not_stored_total": 2}
    assert len(room.shelf) == 1


async def test_a_response_is_deleted_once() -> None:
    """By its owner; then it is as if it had never been."""
    room = Room()
    room.keep("resp_1", "A")
    with pytest.raises(ResponseNotFound):
        await room.responses.delete(YOU, "resp_1")
    await room.responses.delete(ME, "resp_1")
    with pytest.raises(ResponseNotFound):
        await room.responses.delete(ME, "resp_1")


def test_calls_of_other_kinds_are_not_looked_at() -> None:
    """Only the responses API says anything of what is kept, and `store: false` says that nothing is."""
    for dialect, body in ((Dialect.OPENAI_CHAT, {"store": True}), (Dialect.OPENAI_RESPONSES, {"store": False})):
        made: Exchange = exchange({"model": "m", **body}, dialect=dialect)
        made.read_head()
        assert made.keeping is None


async def test_a_workspace_says_for_how_long_its_responses_are_kept() -> None:
    """Never longer than the configuration does."""
    room = Room(keep_s=10 * 86_400)
    mine, long = (
        Caller(name=name, bounds=Bounds(NO_SCOPES, keeping=Keeping(retention_days=days)))
        for name, days in (("me", 1), ("you", 100))
    )
    for caller in (mine, long):
        room.keep("resp_1", "A", by=caller)
        assert (await room.responses.get(caller, "resp_1")).by == "local"
    room.clock.now_s += 86_401
    with pytest.raises(ResponseNotFound):
        await room.responses.get(mine, "resp_1")
    await room.responses.get(long, "resp_1")
