"""Notes over a real server: told at once, through its death and back, and never at anybody's expense."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from narthex.stores import listening, redis_notes
from narthex.stores.link import LinkSettings, RedisLink
from narthex.stores.notes import Draft, Manner, Note, Verdict
from narthex.stores.redis_notes import RedisNotes, RedisTable
from narthex.stores.replica import Replica
from tests.stores.servers import RedisServer, redis_server, running_redis

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub


class Node:
    """A process with its replica, over a real connection."""

    def __init__(self, name: str, url: str, *, timeout_s: float = 2.0) -> None:
        self.stands: dict[str, str] = {}
        self.replica = Replica(name, adopt=self._adopt, standing=self._standing)
        self.link = RedisLink(LinkSettings(url=url, prefix="test", timeout_s=timeout_s))
        self.notes = RedisNotes(self.link, self.replica)

    def _adopt(self, note: Note) -> None:
        self.stands[note.topic] = note.text

    def _standing(self) -> Iterator[Draft]:
        for topic, text in self.stands.items():
            yield Draft(topic=topic, text=text, manner=Manner.EVENT, keep_s=60.0)

    def change(self, topic: str, text: str) -> None:
        """Stand otherwise, and write it down."""
        self.stands[topic] = text
        self.replica.write(Draft(topic=topic, text=text, manner=Manner.EVENT, keep_s=60.0))


@asynccontextmanager
async def connected(*every: Node) -> AsyncIterator[None]:
    """Run processes while the block lasts; returns once each has found the server, or has not."""
    tasks = [asyncio.ensure_future(one.notes.run()) for one in every]
    try:
        for one in every:
            await one.link.tried.wait()
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


def pair(server: RedisServer) -> tuple[Node, Node]:
    """Return two processes at one server."""
    return Node("one", server.url), Node("other", server.url)


async def test_a_note_is_told_to_the_others(tmp_path: Path) -> None:
    """What one writes the others stand by, and the writer knows when it is settled."""
    with running_redis(tmp_path) as server:
        one, other = pair(server)
        async with connected(one, other):
            one.change("a\tb", '{"é": "\\n"}')
            assert await one.notes.settle(10)
            assert one.replica.posted == 1
            await until(lambda: other.stands == one.stands)
            newcomer = Node("new", server.url)
            async with connected(newcomer):
                assert newcomer.stands == one.stands


async def test_a_killed_server_costs_nothing_and_is_found_again(tmp_path: Path) -> None:
    """Killed and started empty, it is told again what holds; what happened meanwhile is told as well."""
    with running_redis(tmp_path) as server:
        one, other = pair(server)
        async with connected(one, other):
            one.change("a", "before")
            await until(lambda: other.stands == one.stands)
            server.kill()
            await until(lambda: not one.link.up and not other.link.up)
            one.change("b", "meanwhile")
            assert not await one.notes.settle(10)
            server.start()
            await until(lambda: other.stands == {"a": "before", "b": "meanwhile"})
            newcomer = Node("new", server.url)
            async with connected(newcomer):
                await until(lambda: newcomer.stands == one.stands)


async def test_a_server_that_comes_later_is_found(tmp_path: Path) -> None:
    """Started without it, a process shares from the moment it is there."""
    server = redis_server(tmp_path)
    one = Node("one", server.url)
    async with connected(one):
        assert one.link.status().state == "down"
        one.change("a", "early")
        with server:
            await until(lambda: one.replica.settled)
            other = Node("other", server.url)
            async with connected(other):
                assert other.stands == {"a": "early"}


async def test_a_server_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A connection that answers no ping is none: it is noticed on both, and tried anew."""
    monkeypatch.setattr(redis_notes, "PING_S", 0.05)
    monkeypatch.setattr(listening, "PING_S", 0.05)
    with running_redis(tmp_path) as server:
        one = Node("one", server.url, timeout_s=0.2)
        async with connected(one):
            await asyncio.sleep(0.3)
            assert one.link.up
            server.pause()
            await until(lambda: not one.link.up)
            server.resume()
            await until(lambda: one.link.up)
            assert one.link.status().losses == 1


async def test_who_never_answers_is_none(tmp_path: Path) -> None:
    """An address that takes connections and says nothing is reported within its time."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    door = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with door:
        port = door.sockets[0].getsockname()[1]
        one = Node("one", f"redis://127.0.0.1:{port}/0", timeout_s=0.1)
        async with connected(one):
            assert one.link.status().state == "down"
            one.change("a", "kept")
            assert not await one.notes.settle(0.05)


async def test_prefixes_keep_apart(tmp_path: Path) -> None:
    """Two installations on one server hear nothing of each other."""
    with running_redis(tmp_path) as server:
        one = Node("one", server.url)
        stranger = Node("stranger", server.url)
        stranger.link.settings = LinkSettings(url=server.url, prefix="elsewhere")
        async with connected(one, stranger):
            one.change("a", "mine")
            assert await one.notes.settle(10)
            stranger.change("b", "its own")
            assert await stranger.notes.settle(10)
        assert (one.stands, stranger.stands) == ({"a": "mine"}, {"b": "its own"})


async def test_settling_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    """Where the answer does not come in time, whoever waits is let go."""
    with running_redis(tmp_path) as server:
        one = Node("one", server.url, timeout_s=5.0)
        async with connected(one):
            server.pause()
            one.change("a", "late")
            assert not await one.notes.settle(0.05)
            server.resume()
            assert await one.notes.settle(10)


class Deaf:
    """A server whose client keeps a cancellation to itself, because an answer came in the same turn."""

    def __init__(self) -> None:
        self.calls = 0

    async def get_message(self, **_: object) -> dict[str, object]:
        """See redis-py."""
        self.calls += 1
        assert self.calls == 1, "it went on"
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return {"type": "pong"}

    async def post(self, draft: Draft, _writer: str) -> Verdict:
        """See `Table`."""
        await self.get_message()
        note = Note(topic=draft.topic, text="", version=1, held=False, left_s=0, writer="a")
        return Verdict(taken=True, note=note)


async def test_ended_it_ends_whatever_it_waited_for() -> None:
    """Reading and writing alike."""
    node = Node("a", "redis://127.0.0.1:1")
    for topic in ("one", "two"):
        node.change(topic, "x")
    reading = node.notes._read(cast("PubSub", Deaf()))
    writing = node.notes._write(cast("Redis", None), cast("RedisTable", Deaf()))
    for work in (reading, writing):
        task = asyncio.ensure_future(work)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
