"""Responses that other processes carry on are told as they stand, and as failed where nobody carries them on."""

from __future__ import annotations

from typing import cast

import pytest

from narthex.errors import NodeSilent, ProducerLost, StreamEnded, StreamExpired, StreamNotFound, StreamUnreachable
from narthex.pipeline.carriers import Carriers
from narthex.pipeline.handles import Elsewhere, Word
from narthex.pipeline.owned import Status, Told
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.wire.openai_responses.kept import KeptResponse, keep

OWNER = "tenant:one"
RESPONSE = b'{"id":"resp_1","object":"response","status":"%b","background":true,"output":[]}'


def kept(status: str = "queued", *, node: str = "far") -> KeptResponse:
    """Return a response as it was written down."""
    one = keep(RESPONSE % status.encode(), b'{"input":"A"}', previous=None)
    one.node = node
    return one


class Report:
    """How a stream stands."""

    def __init__(self, status: Status, code: str | None) -> None:
        self.status = status
        self.error = None if code is None else Told(code=code, message="")


class There:
    """Another process with one stream, or without."""

    node = "me"

    def __init__(self, told: object, *, dead: bool = False) -> None:
        self.told = told
        self.dead = dead
        self.words: list[Word] = []
        self.looked = 0

    async def find(self, _owner: str, _id: str) -> There:
        """Return its stream."""
        self.looked += 1
        if isinstance(self.told, StreamNotFound | StreamExpired | StreamUnreachable):
            raise self.told
        return self

    async def tell(self, word: Word) -> object:
        """Take note of what is wanted."""
        self.words.append(word)
        if isinstance(self.told, Exception):
            raise self.told
        return self.told

    async def is_dead(self, _node: str) -> bool:
        """Tell whether it is."""
        return self.dead

    async def sleep(self, _seconds: float) -> None:
        """Wait for nothing."""


def carriers(there: There) -> Carriers:
    """Return what is known of it here."""
    registry = Registry(KeepPolicy(), {})
    registry.elsewhere = cast("Elsewhere", there)
    return Carriers(registry, sleep=there.sleep)


async def standing(there: There, *after: KeptResponse | None, node: str = "far") -> str | None:
    """Return how a response stands, if this is written down of it afterwards."""
    written = list(after) or [kept()]

    async def again() -> bytes | None:
        one = written.pop(0) if len(written) > 1 else written[0]
        return None if one is None else one.encode()

    found = await carriers(there).standing(OWNER, kept(node=node), again)
    return None if found is None else found.status


@pytest.mark.parametrize(
    ("status", "word"), [("waiting", "queued"), ("running", "in_progress"), ("paused", "in_progress")]
)
async def test_its_stream_tells(status: Status, word: str) -> None:
    """While it runs, and while it waits."""
    assert await standing(There(Report(status, None))) == word


async def test_an_end_is_waited_for() -> None:
    """The stream ends a moment before it is written down what came of it."""
    there = There(Report("done", None))
    assert await standing(there, kept(), kept(), kept("completed")) == "completed"
    assert await standing(there, None) is None
    # Its process lives, and is late.
    assert await standing(there) == "in_progress"
    # It wrote that down, and died then; or died before.
    there.dead = True
    assert await standing(there, kept("completed")) == "completed"
    assert await standing(there) == "failed"


async def test_what_was_lost_has_failed() -> None:
    """The stream says so, or is no more, or never came to be and its process is dead."""
    assert await standing(There(Report("failed", ProducerLost.code))) == "failed"
    assert await standing(There(StreamExpired())) == "failed"
    for error in (StreamNotFound(), NodeSilent()):
        assert await standing(There(error, dead=True)) == "failed"
        assert await standing(There(error)) == "queued"
    # Of ours all that is under way would be known here.
    assert await standing(There(StreamNotFound()), node="me") == "failed"
    told = await Carriers(Registry(KeepPolicy(), {})).standing(OWNER, kept(), _nothing)
    assert told is None


async def test_what_nobody_knows_is_said() -> None:
    """Neither is it failed, nor in progress."""
    with pytest.raises(StreamUnreachable):
        await standing(There(StreamUnreachable()))


async def test_it_is_cancelled_where_it_runs() -> None:
    """Once; one that has not begun is waited for, one that has ended is left."""
    there = There(Report("cancelled", None))
    await carriers(there).cancel(OWNER, "resp_1")
    assert there.words == ["cancel"]
    await carriers(There(StreamEnded())).cancel(OWNER, "resp_1")
    await carriers(late := There(StreamNotFound())).cancel(OWNER, "resp_1")
    assert late.looked > 1
    with pytest.raises(StreamUnreachable):
        await carriers(There(StreamUnreachable())).cancel(OWNER, "resp_1")


def test_alone_there_are_no_others() -> None:
    """Where nothing is shared, this process has no name."""
    assert Carriers(Registry(KeepPolicy(), {})).node is None
    assert carriers(There(None)).node == "me"


async def _nothing() -> None:
    return None
