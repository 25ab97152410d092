"""Kept answers of several servers at one Redis: read on anywhere, controlled from anywhere, ended honestly."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import cast

import httpx
import pytest

from narthex.testing.gateways import RunningGateway
from tests.proof.fleet import Fleet
from tests.proof.waiting import until
from tests.stores.servers import RedisServer, running_redis

Json = dict[str, object]
WORDS = 150
CALL = {"model": "slow/scripted", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
PACES = {"slow": 60, "quick": 400, "fast": 2_000}
"""Words a second of each provider."""
PLAIN = {"accept-encoding": "identity"}
"""What is streamed is read byte by byte."""
ACME, OTHER = "sk-acme-0123456789abcdef", "sk-other-0123456789abcdef"


def settings(url: str) -> Json:
    """Return the settings of each of the servers."""
    reply = " ".join(f"w{index}" for index in range(WORDS))
    return {
        "providers": {
            name: {"kind": "scripted", "script": {"reply": reply, "tokens_per_second": pace}}
            for name, pace in PACES.items()
        },
        "keys": [{"name": name, "key": key, "tenant": name} for name, key in (("acme", ACME), ("other", OTHER))],
        "streams": {"on_disconnect": "detach"},
        "redis": {"url": url},
    }


class Node:
    """A server, as its callers see it."""

    def __init__(self, gateway: RunningGateway, client: httpx.Client) -> None:
        self.gateway = gateway
        self._client = client

    def kill(self) -> None:
        """Kill it where it stands."""
        self.gateway.process.kill()
        self.gateway.process.wait()

    def begin(self, name: str, *, events: int = 1, key: str = ACME, pace: str = "slow") -> bytes:
        """Ask for an answer that is kept, and leave when so many events have come."""
        headers = {"x-narthex-stream-id": name, "authorization": f"Bearer {key}"}
        body = {**CALL, "model": f"{pace}/scripted"}
        with self._client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
            if answer.status_code != 200:
                raise AssertionError(answer.read())
            return first_of(answer.iter_raw(), events)

    def read(self, name: str, after: int, *, events: int | None = None) -> bytes:
        """Read on behind an event, to the end, or until so many have come."""
        with self._client.stream("GET", f"/v1/streams/{name}?after={after}", headers=bearer()) as answer:
            if answer.status_code != 200:
                raise AssertionError(answer.read())
            return first_of(answer.iter_raw(), events)

    def get(self, path: str, *, key: str = ACME) -> tuple[int, Json]:
        """Ask for something."""
        answer = self._client.get(path, headers=bearer(key))
        return answer.status_code, cast("Json", answer.json())

    def streams(self) -> list[Json]:
        """Return the streams that are listed."""
        return cast("list[Json]", self.get("/v1/streams")[1]["data"])

    def status(self, name: str) -> str:
        """Return how a stream stands, in a word."""
        return str(self.get(f"/v1/streams/{name}")[1].get("status"))

    def do(self, name: str, word: str) -> tuple[int, Json]:
        """Pause, resume, cancel or delete."""
        verb, path = ("DELETE", "") if word == "delete" else ("POST", f"/{word}")
        answer = self._client.request(verb, f"/v1/streams/{name}{path}", headers=bearer())
        return answer.status_code, cast("Json", answer.json())

    def redis(self) -> Mapping[str, object]:
        """Return how copying stands."""
        told = cast("Mapping[str, object]", self.get("/api/system/status")[1]["redis"])
        return cast("Mapping[str, object]", told["streams"])


def bearer(key: str = ACME) -> dict[str, str]:
    """Return the header that shows a key."""
    return {"authorization": f"Bearer {key}"}


def first_of(pieces: Iterator[bytes], events: int | None) -> bytes:
    """Return so many events, or all."""
    got = b""
    for piece in pieces:
        got += piece
        if events is not None and got.count(b"\n\n") >= events:
            return b"".join(part + b"\n\n" for part in got.split(b"\n\n")[:events])
    return got


def numbers(name: str, events: bytes) -> list[int]:
    """Return the numbers of events."""
    return [int(found) for found in re.findall(rb"^id: %b:(\d+)$" % name.encode(), events, re.MULTILINE)]


def code_of(answer: tuple[int, Json]) -> tuple[int, str]:
    """Return the status and the code of an error."""
    return answer[0], str(cast("Json", answer[1]["error"])["code"])


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def fleet(redis: RedisServer) -> Iterator[Fleet]:
    """Servers in processes of their own."""
    with Fleet(settings(redis.url)) as servers:
        yield servers


@contextmanager
def among(gateways: Sequence[RunningGateway]) -> Iterator[list[Node]]:
    """Be a caller of servers."""
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=one.url, timeout=30, headers=PLAIN)) for one in gateways]
        yield [Node(gateway, client) for gateway, client in zip(gateways, clients, strict=True)]


def test_any_server_serves_any_cursor(fleet: Fleet) -> None:
    """Cut 200 times at random, and read on at whichever server: byte by byte it is one answer."""
    chance = random.Random(7)
    with among(fleet.take(3)) as nodes:
        for turn in range(10):
            name = f"chat-cut-{turn}"
            got = nodes[turn % 3].begin(name, events=chance.randint(1, 10), pace="quick")
            for _ in range(20):
                # Numbers go up by one, so that the last one says how many there are.
                last = numbers(name, got)[-1]
                got += chance.choice(nodes).read(name, last, events=chance.randint(1, 9))
            got += chance.choice(nodes).read(name, numbers(name, got)[-1])
            assert got.endswith(b"data: [DONE]\n\n")
            assert {node.read(name, 0) for node in nodes} == {got}
            assert numbers(name, got) == list(range(1, len(numbers(name, got)) + 1))


def test_the_end_of_the_dead_is_told(fleet: Fleet) -> None:
    """Killed in the middle, a server leaves what it wrote to the others, who say that it died, and say the same."""
    with among(fleet.take(3)) as (one, other, third):
        began = one.begin("chat-dead", events=5)
        one.begin("chat-unread", events=5)
        assert other.read("chat-dead", 0, events=20).startswith(began)
        one.kill()
        last_words = other.read("chat-dead", 20)
        assert b'"code":"producer_lost"' in last_words
        assert b"[DONE]" not in last_words
        assert third.read("chat-dead", 20) == last_words
        seen = numbers("chat-dead", last_words)
        assert seen == list(range(21, 21 + len(seen)))
        assert (other.status("chat-dead"), third.status("chat-dead")) == ("failed", "failed")
        assert code_of(third.do("chat-dead", "cancel")) == (409, "stream_ended")
        # Read by nobody, it is ended as well.
        until(lambda: third.status("chat-unread") == "failed")
        # Who has read more of it than was copied is told the same, and never another event under a number it has.
        ahead = third.read("chat-dead", seen[-1] + 7)
        assert numbers("chat-dead", ahead) == [seen[-1] + 8]
        assert b"producer_lost" in ahead
        assert third.do("chat-dead", "delete")[0] == 200
        assert other.get("/v1/streams/chat-dead")[0] in (404, 410)


def test_the_rest_is_waited_for(fleet: Fleet) -> None:
    """One who read more than was copied, and comes before anybody knows that the server died, hears of it."""
    with among(fleet.take(2)) as (one, other):
        one.begin("chat-ahead", events=3)
        until(lambda: other.status("chat-ahead") == "running")
        one.kill()
        assert numbers("chat-ahead", other.read("chat-ahead", 100_000)) == [100_001]


def test_controlled_from_anywhere(fleet: Fleet) -> None:
    """What is asked of another server is done by the one that writes, and told as it stands then."""
    with among(fleet.take(2)) as (one, other):
        one.begin("chat-ctrl", events=3)
        assert other.do("chat-ctrl", "pause")[1]["status"] == "paused"
        assert one.status("chat-ctrl") == "paused"
        assert code_of(other.do("chat-ctrl", "delete")) == (409, "stream_running")
        assert other.do("chat-ctrl", "resume")[1]["status"] == "running"
        until(lambda: cast("int", one.get("/v1/streams/chat-ctrl")[1]["last_seq"]) > 5)
        report = other.do("chat-ctrl", "cancel")[1]
        assert (report["status"], report["node"]) == ("cancelled", one.redis()["node"])
        assert b'"code":"cancelled"' in other.read("chat-ctrl", 0)
        assert code_of(other.do("chat-ctrl", "pause")) == (409, "stream_ended")
        last = numbers("chat-ctrl", other.read("chat-ctrl", 0))[-1]
        assert code_of(other.get(f"/v1/streams/chat-ctrl?after={last + 1}")) == (400, "cursor_ahead")
        assert other.do("chat-ctrl", "delete")[1] == {"id": "chat-ctrl", "object": "stream", "deleted": True}
        assert code_of(one.get("/v1/streams/chat-ctrl")) == (410, "stream_expired")
        assert code_of(other.get("/v1/streams/chat-ctrl")) == (410, "stream_expired")


def test_owners_are_kept_apart(fleet: Fleet) -> None:
    """On every server an owner sees its own alone; under one ID each has its own, and never two."""
    with among(fleet.take(2)) as (one, other):
        one.begin("chat-same", events=3)
        assert code_of(other.get("/v1/streams/chat-same", key=OTHER)) == (404, "stream_not_found")
        assert other.get("/v1/streams", key=OTHER)[1]["data"] == []
        other.begin("chat-same", events=3, key=OTHER)
        assert other.get("/v1/streams/chat-same", key=OTHER)[1]["node"] == other.redis()["node"]
        assert other.get("/v1/streams/chat-same")[1]["node"] == one.redis()["node"]
        with pytest.raises(AssertionError, match="stream_exists"):
            other.begin("chat-same")
        other.begin("chat-mine")
        both = {("chat-same", one.redis()["node"]), ("chat-mine", other.redis()["node"])}
        until(lambda: both <= {(each["id"], each["node"]) for each in one.streams()})
        assert [each["id"] for each in one.streams()].count("chat-same") == 1


def test_a_redis_that_is_lost_is_filled_again(fleet: Fleet, redis: RedisServer) -> None:
    """Killed and started empty under way, it has everything again; meanwhile nobody is told what nobody knows."""
    with among(fleet.take(2)) as (one, other):
        first = one.begin("chat-lost", events=5)
        until(lambda: other.status("chat-lost") == "running")
        # It goes on when Redis is gone, however long that takes to be seen.
        assert one.do("chat-lost", "pause")[1]["status"] == "paused"
        redis.kill()
        until(lambda: other.redis()["status"] == "down" and one.redis()["status"] == "down")
        assert code_of(other.get("/v1/streams/chat-lost")) == (503, "stream_unreachable")
        assert one.do("chat-lost", "resume")[1]["status"] == "running"
        until(lambda: cast("int", one.redis()["behind_events"]) > 0)
        # An ID that was taken elsewhere cannot be told now, and is taken here.
        one.begin("chat-alone")
        redis.start()
        until(lambda: other.redis()["status"] == "up" and one.redis()["status"] == "up")
        until(lambda: other.get("/v1/streams/chat-lost")[0] == 200)
        whole = other.read("chat-lost", 0)
        assert whole.startswith(first)
        assert whole.endswith(b"data: [DONE]\n\n")
        assert whole == one.read("chat-lost", 0)
        until(lambda: (one.redis()["behind_streams"], one.redis()["behind_events"]) == (0, 0))


def test_cut_off_from_redis_nobody_is_dead(fleet: Fleet, redis: RedisServer) -> None:
    """A Redis that does nothing for longer than signs of life hold ends no stream, and loses none of its events."""
    with among(fleet.take(2)) as (one, other):
        one.begin("chat-stall", events=3)
        until(lambda: other.status("chat-stall") == "running")
        redis.pause()
        time.sleep(5)
        redis.resume()
        until(lambda: other.get("/v1/streams/chat-stall")[0] == 200)
        whole = other.read("chat-stall", 0)
        assert whole.endswith(b"data: [DONE]\n\n")
        assert whole == one.read("chat-stall", 0)


def test_a_server_that_stops_leaves_its_answers(fleet: Fleet) -> None:
    """Stopped in good order it copies all it has, and others have it at once."""
    with among(fleet.take(2)) as (one, other):
        one.begin("chat-done", events=3, pace="fast")
        until(lambda: one.status("chat-done") == "done")
        whole = one.read("chat-done", 0)
        one.gateway.stop()
        assert other.read("chat-done", 0) == whole
        until(lambda: other.status("chat-done") == "done")
        # The same door as at first, with the same request.
        headers = {"last-event-id": "chat-done:7", "authorization": f"Bearer {ACME}"}
        answer = httpx.post(
            f"{other.gateway.url}/v1/chat/completions",
            json={**CALL, "model": "fast/scripted"},
            headers=headers,
            timeout=30,
        )
        assert answer.headers["x-narthex-resumed"] == "true"
        assert whole.endswith(answer.content)
        assert numbers("chat-done", answer.content)[0] == 8


def test_many_read_one_answer_elsewhere(fleet: Fleet) -> None:
    """It is followed once for all of them, and no longer than they read."""
    with among([*fleet.take(1), fleet.newcomer()]) as (one, other):
        one.begin("chat-many", events=3, pace="quick")

        async def read(count: int) -> list[bytes]:
            async with httpx.AsyncClient(base_url=other.gateway.url, timeout=30, headers=bearer()) as client:
                calls = [client.get("/v1/streams/chat-many?after=0") for _ in range(count)]
                return [answer.content for answer in await asyncio.gather(*calls)]

        assert set(asyncio.run(read(20))) == {one.read("chat-many", 0)}
        assert other.redis()["followed"] == 1
